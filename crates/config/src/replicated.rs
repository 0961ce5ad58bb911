//! Settings of backends that keep their buckets on several others.

use super::{
    choice::choice,
    error::ConfigErrors,
    section::{Fallback, Reader, Row, Section, section},
    tree::Node,
    value::{Context, Setting, quote, quote_all, refuse, text, texts},
};
use Fallback::{Required, Text, Unset};
use std::time::Duration;

section! {
    /// `type = "replicated"`: keeps every bucket on several other backends of any types, with S3's guarantees
    /// across them. See [replication](guide/replication.md). A backend that is added to the list here is
    /// filled in the background; `causeway replicate remove` removes one from a bucket.
    ReplicatedBackend {
        /// The backends, in the order in which they are read.
        backends: Names = Required,
        /// When a write is acknowledged. `all`: when all replicas have it; `quorum`: when a quorum has it;
        /// `first`: when one has it, and the others get it in the background; `best-effort`: when all have
        /// answered or are late, and one has it.
        write: WriteMode = Text("quorum"),
        /// The number of replicas that make a quorum.
        quorum: Option<usize> = Unset("more than half of the backends"),
        /// Which replica is read. `ordered`: the first in the list; `fastest`: the one that answered fastest
        /// recently; `hedged`: like `fastest`, and also a second one when the first takes longer than nearly
        /// all its answers did. In every case another replica is asked if one fails.
        read: ReadMode = Text("ordered"),
        /// How often all replicas of a bucket are compared with the records, without reading the bytes. Zero:
        /// only when `causeway replicate scrub` requests it.
        scrub_interval: Duration = Text("1h"),
    }
}

impl ReplicatedBackend {
    pub fn majority(&self) -> usize {
        self.quorum.unwrap_or(self.backends.0.len() / 2 + 1)
    }

    /// Returns the contradiction in the settings, if there is one.
    pub(super) fn problem(&self) -> Option<String> {
        let names = &self.backends.0;
        let twice = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
        match (twice, self.quorum) {
            (Some((_, name)), _) => Some(format!("names '{name}' twice")),
            (_, Some(_)) if self.write != WriteMode::Quorum => {
                Some("has a quorum, which only write = \"quorum\" uses".to_owned())
            }
            (_, Some(quorum)) if quorum > names.len() => {
                Some(format!("wants a quorum of {quorum} of {} backends", names.len()))
            }
            _ => None,
        }
    }
}

/// Names of backends: at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

impl Setting for Names {
    const KIND: &'static str = "the name of a backend, or a list of them";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        let names: Vec<String> = texts::<Self>(node)?.into_iter().map(str::to_owned).collect();
        if names.iter().any(String::is_empty) { refuse::<Self, _>(node) } else { Ok(Self(names)) }
    }

    fn show(&self) -> Option<String> {
        Some(quote_all(self.0.iter().cloned()))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    All,
    Quorum,
    First,
    BestEffort,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadMode {
    Ordered,
    Fastest,
    Hedged,
}

choice!(
    WriteMode,
    "\"all\", \"quorum\", \"first\" or \"best-effort\"",
    "all" => WriteMode::All, "quorum" => WriteMode::Quorum, "first" => WriteMode::First, "best-effort" => WriteMode::BestEffort
);
choice!(
    ReadMode,
    "\"ordered\", \"fastest\" or \"hedged\"",
    "ordered" => ReadMode::Ordered, "fastest" => ReadMode::Fastest, "hedged" => ReadMode::Hedged
);
