//! `causeway replicate status | repair | scrub | add | remove | promote`.

use super::{FAILED, catalog::CatalogArguments, fail, report, say, wait};
use crate::operate::{self, Done, Lack, Replicate, Replicated, ReplicationCounts, Reply, Request};
use std::{io::IsTerminal, process::ExitCode};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show the replicas of a bucket, and what each of them lacks. The exit code is 1 if any lacks something
    /// or is out.
    Status {
        #[command(flatten)]
        of: Of,
        /// List each object that a replica lacks too, with what failed last.
        #[arg(long)]
        keys: bool,
    },
    /// Send the replicas now what they are known to lack.
    ///
    /// A running server does that by itself, soon after a backend comes back.
    Repair {
        #[command(flatten)]
        of: Of,
    },
    /// Compare what the replicas list with what they should have, and repair what differs.
    ///
    /// Objects that other programs created are counted and left alone: `causeway bucket scan --full` adopts them.
    /// After an interruption, the next scrub begins again; what was repaired stays so.
    Scrub {
        #[command(flatten)]
        of: Of,
        /// Read every byte too. This finds damaged bytes under an ETag that is right.
        #[arg(long)]
        bytes: bool,
    },
    /// Add a replica on another backend, and fill it from the others.
    ///
    /// After an interruption of this command, the server continues; the same command shows how far it is. Add
    /// the backend to the configuration too.
    Add {
        #[command(flatten)]
        of: Of,
        /// Add a replica on this backend.
        #[arg(value_name = "BACKEND")]
        backend: String,
    },
    /// Remove a replica from a bucket. What is on its backend stays there.
    ///
    /// It is refused if fewer copies would be left than were promised.
    Remove {
        #[command(flatten)]
        of: Of,
        /// Remove the replica on this backend.
        #[arg(value_name = "BACKEND")]
        backend: String,
    },
    /// Make a replica the first to be read.
    Promote {
        #[command(flatten)]
        of: Of,
        /// Read first from the replica on this backend.
        #[arg(value_name = "BACKEND")]
        backend: String,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Of {
    /// Work on the bucket of this name.
    #[arg(value_name = "BUCKET")]
    name: String,
    #[command(flatten)]
    place: CatalogArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: Command) -> ExitCode {
    let (of, what) = match command {
        Command::Status { of, keys } => (of, Replicate::Status { keys }),
        Command::Repair { of } => (of, Replicate::Repair),
        Command::Scrub { of, bytes } => (of, Replicate::Scrub { bytes }),
        Command::Add { of, backend } => (of, Replicate::Add { backend }),
        Command::Remove { of, backend } => (of, Replicate::Remove { backend }),
        Command::Promote { of, backend } => (of, Replicate::Promote { backend }),
    };
    ask(&of, what).unwrap_or_else(|code| code)
}

/// Maximum number of lacking objects in a JSON document. The numbers of each replica include all.
const LACKS: usize = 10_000;

fn ask(of: &Of, what: Replicate) -> Result<ExitCode, ExitCode> {
    let settings = of.place.settings()?;
    let (shows_progress, tells_keys) =
        (std::io::stderr().is_terminal(), what == Replicate::Status { keys: true });
    let mut lacks: Vec<Lack> = Vec::new();
    let hear = async |reply| {
        match reply {
            Reply::Lacks(lack) if of.json && lacks.len() < LACKS => lacks.push(lack),
            // Quoted, and with control characters escaped: a client may choose any key.
            Reply::Lacks(Lack { backend, key, why }) if !of.json => {
                say(&format!("{backend} lacks {key:?}: {why}\n"))
            }
            Reply::Replicating(counts) if shows_progress && !tells_keys => eprint!("\r{}  ", words(&counts)),
            _ => {}
        }
        Ok(())
    };
    let request = Request::Replicate { bucket: of.name.clone(), what };
    let done = wait(operate::ask(&settings, request, hear));
    if shows_progress {
        eprint!("\r");
    }
    let replicated = match done.map_err(|error| fail(FAILED, error))? {
        Done::Replicated(replicated) => replicated,
        _ => return Err(fail(FAILED, "the server answered something else")),
    };
    if let Some(counts) = replicated.counts.filter(|counts| counts.unreachable > 0 && !of.json) {
        let out = replicated
            .replicas
            .iter()
            .filter_map(|replica| Some(format!("{}: {}", replica.backend, replica.down.as_ref()?)));
        let out = out.collect::<Vec<_>>().join("; ");
        return Err(fail(
            FAILED,
            format!(
                "bucket '{}': not all replicas could be looked through ({out}); of the others: {}",
                of.name,
                words(&counts)
            ),
        ));
    }
    if of.json {
        let mut document = serde_json::json!({ "bucket": of.name, "replicas": replicated.replicas, "counts": replicated.counts });
        if tells_keys {
            document["lacks"] = serde_json::json!(lacks);
        }
        report::document(&document);
    } else {
        show(&replicated);
    }
    let is_well = replicated
        .replicas
        .iter()
        .all(|replica| replica.down.is_none() && replica.seeded && replica.pending == 0)
        && replicated.counts.is_none_or(|counts| counts.failed == 0 && counts.unreachable == 0);
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn words(
    ReplicationCounts { objects, adopted, stray, differing, copied, failed, unreachable }: &ReplicationCounts,
) -> String {
    let stray = if *stray > 0 {
        format!(", {stray} that nobody knows: 'causeway bucket scan --full' takes them in")
    } else {
        String::new()
    };
    let unreachable = if *unreachable > 0 {
        format!(", {unreachable} replicas could not be scanned")
    } else {
        String::new()
    };
    format!(
        "{objects} objects looked at, {adopted} new, {differing} differed, {copied} copied, {failed} left{stray}{unreachable}"
    )
}

fn show(Replicated { replicas, counts }: &Replicated) {
    let row = |replica: &operate::ReplicaState| {
        let state = match (&replica.down, &replica.unfilled, replica.seeded) {
            (Some(why), ..) => format!("out: {why}"),
            (None, Some(why), _) => format!("being filled, which failed and is tried again: {why}"),
            (None, None, false) => "being filled".to_owned(),
            (None, None, true) => "up".to_owned(),
        };
        vec![replica.backend.clone(), replica.location.clone(), replica.pending.to_string(), state]
    };
    let rows: Vec<_> = replicas.iter().map(row).collect();
    report::table(&["backend", "place", "lacks", "state"], &rows, "there are no replicas");
    for replica in replicas.iter().filter(|replica| replica.down.is_none()) {
        for operate::Trouble { why, since, objects, example, next } in &replica.troubles {
            say(&format!(
                "{}: {objects} objects since {since}, '{example}' among them: {why}; {next}\n",
                replica.backend
            ));
        }
    }
    if let Some(counts) = counts {
        say(&format!("{}\n", words(counts)));
    }
}
