//! One step of a two-way run, and what is said about it.
//!
//! Invariant: a dry run and a real one say the same: both report the deeds of a step.

use super::version::Version;
use crate::{
    end::Side,
    events::{Action, Deed},
};
use serde::{Deserialize, Serialize};

/// A name, and the step that is about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Planned {
    pub(crate) name: String,
    pub(crate) step: Step,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Step {
    /// `from` has a version that the other end lacks, or instead of which it has `over`.
    Copy {
        from: Side,
        version: Version,
        over: Option<Version>,
    },
    /// The other end has deleted the object, of which it had the version `gone`.
    Delete {
        at: Side,
        version: Version,
        gone: Version,
    },
    /// The other end has renamed the object, and has `now` under the new name.
    Move {
        at: Side,
        from: String,
        version: Version,
        now: Version,
    },
    Conflict(Conflict),
}

/// Both ends have changed a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Conflict {
    pub(crate) source: Option<Version>,
    pub(crate) destination: Option<Version>,
    pub(crate) outcome: Outcome,
}

impl Conflict {
    pub(crate) fn version(&self, side: Side) -> Option<&Version> {
        match side {
            Side::Source => self.source.as_ref(),
            Side::Destination => self.destination.as_ref(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// The other end gets what this one has, even if that is nothing. `keep` is the new name of the version
    /// that loses.
    Wins { side: Side, keep: Option<String> },
    /// The new names of both versions.
    Both { source: String, destination: String },
    /// Nothing is done.
    Left,
}

impl Outcome {
    pub(crate) fn told(&self, conflict: (bool, bool)) -> String {
        let of = |side: Side| match side {
            Side::Source => ("source", conflict.0),
            Side::Destination => ("destination", conflict.1),
        };
        match self {
            Self::Left => "nothing is done about it".to_owned(),
            Self::Both { source, destination } => {
                format!("both are kept: the source's as {source}, the destination's as {destination}")
            }
            Self::Wins { side, keep } => {
                let (end, has) = of(*side);
                let what = if has { "version" } else { "deletion" };
                let kept = keep.as_ref().map(|name| format!(", and the other version is kept as {name}"));
                format!("the {end}'s {what} wins{}", kept.unwrap_or_default())
            }
        }
    }
}

/// Returns what a step does, in order.
pub(crate) fn deeds(Planned { name, step }: &Planned) -> Vec<Deed> {
    let size = |version: Option<&Version>| version.map_or(0, |version| version.size);
    match step {
        Step::Copy { from, version, over } => vec![copied(name, *from, version.size, over.is_some())],
        Step::Delete { at, version, .. } => vec![Deed::new(name, Action::Delete, version.size).at(*at)],
        Step::Move { at, from, version, .. } => {
            vec![Deed::new(name, Action::Rename, version.size).at(*at).from(from)]
        }
        Step::Conflict(conflict) => match &conflict.outcome {
            Outcome::Left => Vec::new(),
            Outcome::Wins { side, keep } => {
                let (won, lost) = (conflict.version(*side), conflict.version(side.other()));
                let mut deeds = Vec::new();
                if let Some(keep) = keep {
                    deeds.extend(kept(name, keep, side.other(), size(lost)));
                }
                deeds.push(match won {
                    Some(won) => copied(name, *side, won.size, lost.is_some()),
                    None => Deed::new(name, Action::Delete, size(lost)).at(side.other()),
                });
                deeds
            }
            Outcome::Both { source, destination } => {
                let sides = [(Side::Source, source), (Side::Destination, destination)];
                let keep =
                    |(side, keep): (Side, &String)| kept(name, keep, side, size(conflict.version(side)));
                let delete =
                    |(side, _)| Deed::new(name, Action::Delete, size(conflict.version(side))).at(side);
                sides.into_iter().flat_map(keep).chain(sides.into_iter().map(delete)).collect()
            }
        },
    }
}

fn copied(name: &str, from: Side, size: u64, replaces: bool) -> Deed {
    let action = if replaces { Action::Replace } else { Action::Copy };
    Deed::new(name, action, size).at(from.other())
}

/// The version of an end gets another name there, and is copied to the other end.
fn kept(name: &str, keep: &str, side: Side, size: u64) -> [Deed; 2] {
    [Deed::new(keep, Action::Keep, size).at(side).from(name), copied(keep, side, size, false)]
}
