//! The arguments of two-way runs, and such a run between two places.

use super::{
    Access,
    events::Events,
    filters::Filters,
    out::{Out, printable, size},
    pace::{self, Pace},
    run::{EVERY, Pair, until_stopped},
};
use crate::{
    ends::{self, Failure, Opener, Place, Remembered, RememberedEnd, Storage},
    model::Timestamp,
    transfer::{
        TwoWay, TwoWayOptions,
        own_time::OwnTime,
        two_way::{Answer, Ask, DeleteLimit, Loser, Policy, Question},
    },
    verbs,
};
use std::{
    io::{self, BufRead, IsTerminal, Write},
    path::PathBuf,
    sync::Arc,
};

/// What decides about conflicts and about the state.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Two-way runs")]
pub(super) struct Conflicts {
    /// Which version wins where both ends have changed an object.
    #[arg(long, value_name = "WHICH", value_enum, default_value_t = Which::Both, visible_alias = "conflict-resolve")]
    conflict: Which,
    /// What becomes of the other version.
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Lost::Keep, visible_alias = "conflict-loser")]
    loser: Lost,
    /// Versions that are kept are named NAME.SUFFIX1, NAME.SUFFIX2, …
    #[arg(long, value_name = "SUFFIX", default_value = "conflict")]
    conflict_suffix: String,
    /// Delete whatever is to be deleted, even if that is more than the limit, or one end has nothing at all.
    #[arg(long)]
    force: bool,
    /// Forget what both ends had after the last run: nothing is deleted in this one.
    #[arg(long)]
    resync: bool,
    /// Keep the state of the pair in this folder [default: a folder in $XDG_STATE_HOME/causeway/pairs, by
    /// ends].
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    /// None wins: both are kept, with new names.
    Both,
    /// The one with the later time.
    Newer,
    Older,
    Larger,
    Smaller,
    /// That of the first end, or its deletion.
    Source,
    Destination,
    /// None: nothing is done about the name.
    Skip,
    /// None: nothing at all is done.
    Fail,
    /// The one that is chosen at the terminal.
    Ask,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Lost {
    /// It gets a new name, at both ends.
    Keep,
    Overwrite,
}

/// Parses a limit: `100` or `10%`.
pub(super) fn limit(text: &str) -> Result<DeleteLimit, String> {
    let wrong = || format!("'{text}' is no limit: write a number, or a part such as 10%");
    match text.strip_suffix('%') {
        Some(part) => {
            let part: u8 = part.trim().parse().map_err(|_| wrong())?;
            if part > 100 { Err(wrong()) } else { Ok(DeleteLimit::Percent(part)) }
        }
        None => text.parse().map(DeleteLimit::Count).map_err(|_| wrong()),
    }
}

impl Conflicts {
    pub(super) fn is_given(&self) -> bool {
        let changes = (self.conflict, self.loser, self.force, self.resync, &self.state);
        changes != (Which::Both, Lost::Keep, false, false, &None) || self.conflict_suffix != "conflict"
    }
}

/// A two-way run as it was asked for.
pub(super) struct Asked<'a> {
    pub(super) conflicts: &'a Conflicts,
    pub(super) filters: &'a Filters,
    pub(super) pace: &'a Pace,
    pub(super) access: &'a Access,
    pub(super) limit: Option<DeleteLimit>,
    pub(super) checksum: bool,
    pub(super) dry_run: bool,
}

impl Asked<'_> {
    fn options(&self) -> Result<TwoWayOptions, Failure> {
        let Conflicts { conflict, loser, conflict_suffix, .. } = self.conflicts;
        let policy = match conflict {
            Which::Both => Policy::Both,
            Which::Newer => Policy::Newer,
            Which::Older => Policy::Older,
            Which::Larger => Policy::Larger,
            Which::Smaller => Policy::Smaller,
            Which::Source => Policy::Source,
            Which::Destination => Policy::Destination,
            Which::Skip => Policy::Skip,
            Which::Fail => Policy::Fail,
            Which::Ask => Policy::Ask,
        };
        Ok(TwoWayOptions {
            policy,
            loser: if *loser == Lost::Keep { Loser::Keep } else { Loser::Overwrite },
            suffix: conflict_suffix.clone(),
            limit: self.limit.unwrap_or_default(),
            filter: self.filters.options()?,
            checksum: self.checksum,
            ..TwoWayOptions::default()
        })
    }

    /// Runs between two places that were named, and remembers them.
    pub(super) async fn between(
        &self,
        opener: &Opener<'_>,
        out: &mut Out,
        source: &Place,
        destination: &Place,
    ) -> Result<(), Failure> {
        let options = self.options()?;
        let (one, other) = (source.whole(), destination.whole());
        let folder = match &self.conflicts.state {
            Some(folder) => folder.clone(),
            None => ends::pair_folder(&opener.environment, [&one, &other])?,
        };
        if !self.dry_run {
            let pair = Remembered {
                source: remembered(source),
                destination: remembered(destination),
                options: serde_json::to_value(&options)
                    .map_err(|error| Failure::failed(error.to_string()))?,
                directory: working_directory()?,
                config: self.access.configuration_file(),
                data: self.access.data_directory(),
            };
            ends::remember_pair(&folder, &pair)?;
        }
        self.run(out, (source, destination), options, folder).await
    }

    /// Runs between the ends that the pair of a directory has, by the rules of that time.
    pub(super) async fn again(
        &self,
        out: &mut Out,
        places: (&Place, &Place),
        (folder, pair): (PathBuf, &Remembered),
    ) -> Result<(), Failure> {
        if self.options()? != TwoWayOptions::default() {
            return Err(Failure::senseless(
                "the pair of this directory has the rules of the time when both ends were named: name them again to \
                 change the rules",
            ));
        }
        let options = serde_json::from_value(pair.options.clone());
        let unknown =
            |error| Failure::failed(format!("the rules of the pair in {}: {error}", folder.display()));
        self.run(out, places, options.map_err(unknown)?, folder).await
    }

    async fn run(
        &self,
        out: &mut Out,
        (source, destination): (&Place, &Place),
        options: TwoWayOptions,
        folder: PathBuf,
    ) -> Result<(), Failure> {
        let places = Pair { source, destination, part: "" };
        places.refuse_overlap()?;
        let Conflicts { force, resync, .. } = *self.conflicts;
        let asks = options.policy == Policy::Ask;
        if asks && !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            return Err(Failure::senseless(
                "there is no terminal to ask at about conflicts: choose another --conflict",
            ));
        }
        let options = TwoWayOptions { force, resync, dry_run: self.dry_run, ..options };
        let ends = (verbs::folder(source), verbs::folder(destination));
        let mut run = TwoWay::new(ends.0, ends.1, options, folder, Timestamp::now());
        run.addresses = Some([source.whole(), destination.whole()]);
        run.tuning = self.pace.tuning()?;
        run.clock = pace::clock();
        run.owner = owner(Timestamp::now());
        run.progress_every = Some(EVERY);
        run.ask = asks.then(ask);
        let cancel = run.cancel.clone();
        let mut events = Events::new(out, None, false);
        let summary = until_stopped(verbs::two_way(run, |event| events.hear(event)), &cancel).await?;
        events.end(&summary, true)
    }
}

pub(super) fn working_directory() -> Result<PathBuf, Failure> {
    let directory = std::env::current_dir().and_then(std::fs::canonicalize);
    directory.map_err(|error| Failure::failed(format!("the current directory: {error}")))
}

fn remembered(place: &Place) -> RememberedEnd {
    let address = place.whole();
    let text = match place.storage {
        Storage::LocalFiles => address.trim_start_matches("file:").to_owned(),
        Storage::Objects => place.label.clone(),
    };
    RememberedEnd { text, address }
}

/// Names this run to others that want the same pair.
fn owner(now: Timestamp) -> String {
    let variable = |name| std::env::var(name).ok().map(|user| format!(" of {user}"));
    let user = variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_default();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.is_empty() { String::new() } else { format!(" on {}", host.trim()) };
    format!("process {}{user}{host}, since {}", std::process::id(), now.iso8601())
}

/// Asks at the terminal, on a thread of its own: nobody has to answer before the run can be stopped.
fn ask() -> Ask {
    Arc::new(|question: Question| {
        let (sender, answer) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let _ = sender.send(asked(&question));
        });
        Box::pin(async { answer.await.unwrap_or(Answer::Skip) })
    })
}

fn asked(question: &Question) -> Answer {
    let told = |end: &str, version: Option<(u64, OwnTime)>| match version {
        Some((bytes, time)) => format!("  {end}: {} of {}", size(bytes, true), time.timestamp().iso8601()),
        None => format!("  {end}: deleted"),
    };
    loop {
        eprintln!("{} was changed at both ends:", printable(&question.name));
        eprintln!("{}", told("source", question.source));
        eprintln!("{}", told("destination", question.destination));
        eprint!("keep [s]ource, [d]estination, [b]oth, or s[k]ip it? ");
        let mut line = String::new();
        if io::stderr().flush().is_err() || io::stdin().lock().read_line(&mut line).unwrap_or(0) == 0 {
            return Answer::Skip;
        }
        match line.trim().to_lowercase().as_str() {
            "s" | "source" => return Answer::Source,
            "d" | "destination" => return Answer::Destination,
            "b" | "both" => return Answer::Both,
            "k" | "skip" => return Answer::Skip,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_or_a_part() {
        assert_eq!(limit("100"), Ok(DeleteLimit::Count(100)));
        assert_eq!(limit("10%"), Ok(DeleteLimit::Percent(10)));
        for wrong in ["", "%", "101%", "-1", "half"] {
            assert!(limit(wrong).is_err(), "{wrong}");
        }
    }
}
