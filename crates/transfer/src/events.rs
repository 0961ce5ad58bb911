//! What a run reports while it works, and at its end.
//!
//! Invariant: an event about an object is never lost: a run waits until its events are taken. Errors are
//! reported as text, with their sources and without secrets, as errors of stores are.

use crate::{end::Side, mark::Mark, progress::Snapshot};
use serde::Serialize;
use tokio::sync::mpsc;

/// One line of a report in JSON: `{"event":"done","name":"a.jpg","action":"copy","size":3}`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A dry run would do this.
    Planned(Deed),
    Done(Deed),
    Failed(Failure),
    Warning {
        name: String,
        message: String,
    },
    /// Both ends have changed the object since the last two-way run. `resolution` says what is done about it.
    Conflict {
        name: String,
        resolution: String,
    },
    /// A check has compared this name.
    Checked {
        name: String,
        mark: Mark,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    Progress(Snapshot),
}

/// What is done to one object, and to which one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deed {
    pub name: String,
    pub action: Action,
    pub size: u64,
    /// The end that is changed, where a run may change either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Side>,
    /// The name before a rename, or that of the object of which this one is a copy at the same end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

impl Deed {
    /// Creates a deed of a run whose verb says which end is changed.
    pub fn new(name: impl Into<String>, action: Action, size: u64) -> Self {
        Self { name: name.into(), action, size, end: None, from: None }
    }

    pub fn at(self, end: Side) -> Self {
        Self { end: Some(end), ..self }
    }

    pub fn from(self, name: impl Into<String>) -> Self {
        Self { from: Some(name.into()), ..self }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The destination does not have the object.
    Copy,
    /// The destination has another object.
    Replace,
    /// The bytes are the same, and the time is corrected.
    SetTime,
    /// The destination's object is deleted, or moved to the trash.
    Delete,
    /// The source's object is deleted, after it has arrived.
    DeleteSource,
    /// The end's object gets another name, as it has at the other end.
    Rename,
    /// The end keeps its object under another name, because of a conflict.
    Keep,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub name: String,
    pub action: Option<Action>,
    pub reason: String,
}

/// Maximum number of failures that a summary lists.
pub const MOST_FAILURES: usize = 100;

/// The end of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    pub counts: Snapshot,
    /// The first failures; `counts.failed` counts all.
    pub failures: Vec<Failure>,
    /// The run was cancelled: with its journal it goes on later.
    pub cancelled: bool,
    /// Deletions were left out, because something had failed before.
    pub deletions_left_out: bool,
}

impl Summary {
    pub fn is_success(&self) -> bool {
        self.counts.failed == 0 && !self.cancelled
    }
}

/// Takes the events of a run.
#[derive(Debug, Clone, Default)]
pub struct Reporter(Option<mpsc::Sender<Event>>);

impl Reporter {
    pub fn new(sender: mpsc::Sender<Event>) -> Self {
        Self(Some(sender))
    }

    /// Waits until the event can be taken. Without a receiver it does nothing.
    pub(crate) async fn send(&self, event: Event) {
        if let Some(sender) = &self.0 {
            // A receiver that was dropped wants no events.
            let _ = sender.send(event).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_of_json() {
        let line = |event: &Event| serde_json::to_string(event).expect("is JSON");
        let done = Event::Done(Deed::new("a \n", Action::SetTime, 3));
        assert_eq!(line(&done), r#"{"event":"done","name":"a \n","action":"set-time","size":3}"#);
        let renamed = Event::Done(Deed::new("b", Action::Rename, 3).at(Side::Source).from("a"));
        let expected = r#"{"event":"done","name":"b","action":"rename","size":3,"end":"source","from":"a"}"#;
        assert_eq!(line(&renamed), expected);
        let checked = Event::Checked { name: "a".into(), mark: Mark::OnlySource, reason: None };
        assert_eq!(line(&checked), r#"{"event":"checked","name":"a","mark":"+"}"#);
        let failed = Failure { name: "a".into(), action: None, reason: "why".into() };
        assert_eq!(
            line(&Event::Failed(failed)),
            r#"{"event":"failed","name":"a","action":null,"reason":"why"}"#
        );
        assert!(
            line(&Event::Progress(Snapshot::default())).starts_with(r#"{"event":"progress","compared":0"#)
        );
    }
}
