//! `causeway jobs`.

use super::{FAILED, catalog::CatalogArguments, fail, report, say, wait};
use crate::{
    model::Timestamp,
    operate::{self, Done, JobState, JobStatus, JobsQuery, Reply, Request},
};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Show only jobs of this name, such as upkeep or scan.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Show only jobs of this bucket, and those that work on all buckets.
    #[arg(long, value_name = "BUCKET")]
    bucket: Option<String>,
    #[command(flatten)]
    place: CatalogArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: Arguments) -> ExitCode {
    ask(arguments).unwrap_or_else(|code| code)
}

fn ask(Arguments { name, bucket, place, json }: Arguments) -> Result<ExitCode, ExitCode> {
    let settings = place.settings()?;
    let mut jobs = Vec::new();
    let hear = async |reply| {
        if let Reply::Job(job) = reply {
            jobs.push(job);
        }
        Ok(())
    };
    let done = wait(operate::ask(&settings, Request::Jobs(JobsQuery { job: name, bucket }), hear));
    let left_out = match done.map_err(|error| fail(FAILED, error))? {
        Done::Jobs { left_out } => left_out,
        _ => return Err(fail(FAILED, "the server answered something else")),
    };
    if json {
        let jobs: Vec<Value> = jobs.iter().map(document).collect();
        report::document(&json!({ "jobs": jobs, "left_out": left_out }));
        return Ok(ExitCode::SUCCESS);
    }
    let now = Timestamp::now();
    let rows: Vec<_> = jobs.iter().map(|job| row(job, now)).collect();
    report::table(
        &["job", "of", "state", "since", "next", "progress", "error"],
        &rows,
        "there are no such jobs now",
    );
    if left_out > 0 {
        say(&format!("{left_out} more jobs are not shown: name a job, or a bucket with --bucket\n"));
    }
    Ok(ExitCode::SUCCESS)
}

fn document(job: &JobState) -> Value {
    let time = |time: Option<Timestamp>| time.map(Timestamp::iso8601);
    let progress: serde_json::Map<String, Value> =
        job.progress.iter().map(|(name, count)| (name.clone(), json!(count))).collect();
    json!({
        "job": job.job,
        "bucket": job.bucket,
        "backend": job.backend,
        "state": job.state,
        "interruption": job.interruption,
        "began": time(job.began),
        "ended": time(job.ended),
        "next": time(job.next),
        "progress": progress,
        "error": job.error,
    })
}

fn row(job: &JobState, now: Timestamp) -> Vec<String> {
    let of = match (&job.bucket, &job.backend) {
        (Some(bucket), _) => bucket.clone(),
        (None, Some(backend)) => format!("backend {backend}"),
        (None, None) => "all buckets".to_owned(),
    };
    let state = match job.state {
        JobStatus::Failed => "failed",
        JobStatus::Running => "running",
        JobStatus::Elsewhere => "elsewhere",
        JobStatus::Waiting => "waiting",
        JobStatus::Done => "done",
    };
    let since = if job.state == JobStatus::Running { job.began } else { job.ended };
    let progress: Vec<String> = job.progress.iter().map(|(name, count)| format!("{count} {name}")).collect();
    vec![
        job.job.clone(),
        of,
        state.to_owned(),
        since.map_or_else(|| "-".to_owned(), |since| format!("{} ago", words(now.millis() - since.millis()))),
        job.next.map_or_else(|| "-".to_owned(), |next| format!("in {}", words(next.millis() - now.millis()))),
        if progress.is_empty() { "-".to_owned() } else { progress.join(", ") },
        job.error.as_deref().map_or_else(|| "-".to_owned(), plain),
    ]
}

/// A duration in its largest unit.
fn words(millis: i64) -> String {
    const UNITS: [(i64, &str); 3] = [(86_400, "d"), (3600, "h"), (60, "min")];
    let seconds = (millis.max(0) + 500) / 1000;
    let unit = UNITS.into_iter().find(|(unit, _)| seconds >= 2 * unit);
    unit.map_or_else(|| format!("{seconds} s"), |(unit, name)| format!("{} {name}", seconds / unit))
}

/// On one line, without control characters: the text contains what a storage answered.
fn plain(error: &str) -> String {
    error.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_their_largest_unit() {
        let told = [0, 400, 119_000, 120_000, 7_199_000, 7_200_000, 200_000_000, -5].map(words);
        assert_eq!(told, ["0 s", "0 s", "119 s", "2 min", "119 min", "2 h", "2 d", "0 s"]);
    }

    #[test]
    fn an_error_is_told_on_one_line() {
        assert_eq!(plain("reading\n\u{1b}[31mred"), "reading  [31mred");
    }
}
