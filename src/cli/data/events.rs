//! What a run says while it works, and at its end.
//!
//! Standard output has what was done, and the summary. Standard error has warnings, failures, and on a
//! terminal the progress. With `--json` all of it is on standard output, a line for each event.

use super::out::{Out, printable, size};
use crate::{
    ends::{Failure, FailureKind},
    transfer::{
        Mark, Side,
        check::CheckSummary,
        events::{self, Action, Deed, Event, Summary},
        progress::Snapshot,
    },
};
use serde_json::json;
use std::io::{IsTerminal, stderr, stdout};

pub(super) struct Events<'o> {
    out: &'o mut Out,
    /// What an object is called that was named alone.
    alone: Option<String>,
    /// What stands before a name that was compared.
    sign: fn(Mark) -> char,
    /// Also says what is the same.
    says_all: bool,
    is_watched: bool,
    planned: u64,
}

/// Number of failures that are told again at the end.
const TOLD_AGAIN: usize = 20;

impl<'o> Events<'o> {
    pub(super) fn new(out: &'o mut Out, alone: Option<String>, says_all: bool) -> Self {
        let is_watched = stdout().is_terminal();
        Self { out, alone, sign: Mark::sign, says_all, is_watched, planned: 0 }
    }

    pub(super) fn of_check(out: &'o mut Out, sign: fn(Mark) -> char, says_all: bool) -> Self {
        Self { sign, ..Self::new(out, None, says_all) }
    }

    pub(super) fn hear(&mut self, mut event: Event) -> Result<(), Failure> {
        if let (Some(alone), Some(name)) = (&self.alone, name_of(&mut event)) {
            name.clone_from(alone);
        }
        let value = || json!(event);
        if self.out.is_json() {
            self.out.done(String::new, value)?;
        } else {
            self.tell(&event)?;
        }
        if self.is_watched || matches!(event, Event::Progress(_)) { self.out.end() } else { Ok(()) }
    }

    fn tell(&mut self, event: &Event) -> Result<(), Failure> {
        let value = || json!(event);
        match event {
            Event::Planned(deed) => {
                self.planned += 1;
                let line = || format!("would {}", of_deed(verb(deed.action).0, deed));
                self.out.entry(line, value)
            }
            Event::Done(deed) => self.out.done(|| of_deed(verb(deed.action).1, deed), value),
            Event::Conflict { name, resolution } => {
                let line = || format!("conflict {}: {}", printable(name), printable(resolution));
                self.out.entry(line, value)
            }
            Event::Checked { name, mark, reason } => {
                if let Some(reason) = reason {
                    eprintln!("causeway: {}: {}", printable(name), printable(reason));
                }
                if *mark == Mark::Same && !self.says_all {
                    return Ok(());
                }
                let sign = (self.sign)(*mark);
                self.out.entry(|| format!("{sign} {}", printable(name)), value)
            }
            Event::Failed(failure) => {
                eprintln!("causeway: {}", told(failure));
                Ok(())
            }
            Event::Warning { name, message } => {
                if !self.out.is_quiet() {
                    eprintln!("causeway: {}: {}", printable(name), printable(message));
                }
                Ok(())
            }
            Event::Progress(counts) => {
                if !self.out.is_quiet() && stderr().is_terminal() {
                    eprintln!("causeway: so far {}", counted(counts));
                }
                Ok(())
            }
        }
    }

    /// Says how a run has ended. `goes_on`: its journal is kept.
    pub(super) fn end(self, summary: &Summary, goes_on: bool) -> Result<(), Failure> {
        let Self { out, alone, planned, .. } = self;
        let counts = &summary.counts;
        let line = || match planned {
            0 => counted(counts),
            planned => format!("{planned} steps would be taken, and nothing was changed"),
        };
        let value = || {
            let mut value = json!(summary);
            value["event"] = json!("summary");
            value
        };
        out.done(line, value)?;
        if summary.cancelled {
            let how = match goes_on {
                true => "the same command goes on where this one ended",
                false => "there is no journal: the same command compares again, and sends what is missing",
            };
            return Err(Failure::new(FailureKind::Stopped, format!("stopped before the end: {how}")));
        }
        if counts.failed == 0 {
            return Ok(());
        }
        let mut text = format!("failed: {} objects", counts.failed);
        for failure in summary.failures.iter().take(TOLD_AGAIN) {
            let mut failure = failure.clone();
            if let (Some(alone), true) = (&alone, failure.name.is_empty()) {
                failure.name.clone_from(alone);
            }
            text.push_str(&format!("\n  {}", told(&failure)));
        }
        if counts.failed > TOLD_AGAIN as u64 {
            text.push_str("\n  the others are above");
        }
        if summary.deletions_left_out {
            text.push_str("\nnothing was deleted, because something failed before");
        }
        Err(Failure::failed(text))
    }

    /// Says what a check has found.
    pub(super) fn found(self, summary: &CheckSummary) -> Result<(), Failure> {
        let CheckSummary { same, different, only_source, only_destination, errors, read, .. } = *summary;
        let line = || {
            format!(
                "{same} the same, {different} different, {only_source} only at the source, {only_destination} only at \
                 the destination, {errors} not compared; {read} had to be read"
            )
        };
        let value = || {
            let mut value = json!(summary);
            value["event"] = json!("summary");
            value
        };
        self.out.done(line, value)?;
        let failure = |kind, text: &str| Err(Failure::new(kind, text));
        match (summary.cancelled, errors, summary.is_success()) {
            (true, ..) => {
                failure(FailureKind::Stopped, "stopped before the end: not everything was compared")
            }
            (false, 1.., _) => {
                failure(FailureKind::Failed, "some objects could not be compared: the reasons are above")
            }
            (false, 0, false) => failure(FailureKind::Different, "the two ends differ"),
            (false, 0, true) => Ok(()),
        }
    }
}

/// The name in an event, if it is that of an end that is one object.
fn name_of(event: &mut Event) -> Option<&mut String> {
    let name = match event {
        Event::Planned(deed) | Event::Done(deed) => &mut deed.name,
        Event::Warning { name, .. } | Event::Conflict { name, .. } | Event::Checked { name, .. } => name,
        Event::Failed(failure) => &mut failure.name,
        Event::Progress(_) => return None,
    };
    name.is_empty().then_some(name)
}

fn verb(action: Action) -> (&'static str, &'static str) {
    match action {
        Action::Copy => ("copy", "copied"),
        Action::Replace => ("replace", "replaced"),
        Action::SetTime => ("set the time of", "set the time of"),
        Action::Delete => ("delete", "deleted"),
        Action::DeleteSource => ("delete at the source", "deleted at the source"),
        Action::Rename => ("rename", "renamed"),
        Action::Keep => ("keep", "kept"),
    }
}

/// Says what is done, to which object, and at which end.
fn of_deed(verb: &str, deed: &Deed) -> String {
    let Deed { name, action, end, from, .. } = deed;
    let new = printable(name);
    let object = match (action, from) {
        (Action::Rename, Some(from)) => format!("{} to {new}", printable(from)),
        (_, Some(from)) => format!("{} as {new}", printable(from)),
        (_, None) => new,
    };
    let end = match end {
        Some(Side::Source) => " at the source",
        Some(Side::Destination) => " at the destination",
        None => "",
    };
    format!("{verb} {object}{end}")
}

fn told(failure: &events::Failure) -> String {
    let events::Failure { name, action, reason } = failure;
    let tried = action.map(|action| format!(" (to {} it)", verb(action).0.trim_end_matches(" of")));
    format!("{}{}: {}", printable(name), tried.unwrap_or_default(), printable(reason))
}

fn counted(counts: &Snapshot) -> String {
    let mut words = vec![format!(
        "{} objects sent ({}), {} unchanged",
        counts.transferred,
        size(counts.transferred_bytes, true),
        counts.unchanged
    )];
    for (count, what) in [
        (counts.skipped, "left as they are"),
        (counts.retimed, "given their time"),
        (counts.deleted, "deleted"),
        (counts.renamed, "renamed"),
        (counts.conflicts, "changed at both ends"),
        (counts.left, "left for the next run"),
        (counts.trashed, "kept in the trash"),
        (counts.moved, "deleted at the source"),
        (counts.resumed, "from the run before"),
        (counts.failed, "failed"),
    ] {
        if count > 0 {
            words.push(format!("{count} {what}"));
        }
    }
    words.join(", ")
}
