//! What clients did and saw, in order, and which bytes belong to which ETag.
//!
//! Every write has bytes of its own, which name it, and are registered under the ETag that they will have
//! before they are sent: so whatever is read is known to be of one write, or is found to be mixed.

use super::linear::{Action, Answer, Operation, Tag};
use causeway::model::ETag;
use md5::{Digest, Md5};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::time::Instant;

#[derive(Debug, Clone)]
pub struct History {
    begun: Instant,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    moment: u64,
    contents: u64,
    etags: Vec<(ETag, Content)>,
    operations: BTreeMap<&'static str, Vec<Operation>>,
    lines: Vec<String>,
    wrong: Vec<String>,
}

/// The bytes of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content(pub u64);

impl Content {
    /// Two lengths only, so that lengths do not tell versions apart. Every third goes the way of long bodies.
    pub fn bytes(self) -> Vec<u8> {
        let text = format!("version {:05} ", self.0);
        let times = if self.0.is_multiple_of(3) { 4_800 } else { 2 };
        text.repeat(times).into_bytes()
    }

    pub fn etag(self) -> ETag {
        ETag::from_md5(Md5::digest(self.bytes()).into())
    }

    /// As an object of one part.
    pub fn uploaded_etag(self) -> ETag {
        let part: [u8; 16] = Md5::digest(self.bytes()).into();
        ETag::multipart(Md5::digest(part).into(), 1)
    }
}

impl History {
    /// Within a runtime.
    pub fn begin() -> Self {
        Self { begun: Instant::now(), kept: Arc::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Later than all before.
    pub fn moment(&self) -> u64 {
        let mut kept = self.kept();
        kept.moment += 1;
        kept.moment
    }

    /// Bytes that nobody wrote yet.
    pub fn content(&self) -> Content {
        let mut kept = self.kept();
        kept.contents += 1;
        let content = Content(kept.contents);
        for etag in [content.etag(), content.uploaded_etag()] {
            kept.etags.push((etag, content));
        }
        content
    }

    /// The number of an ETag, and whose it is. `None`: it is nobody's.
    pub fn find(&self, etag: &ETag) -> Option<(Tag, Content)> {
        let kept = self.kept();
        let at = kept.etags.iter().position(|(known, _)| known == etag)?;
        Some((Tag(at as u32), kept.etags[at].1))
    }

    /// An operation that ends now, with what a reader of the history should know of it.
    pub fn note(
        &self,
        key: &'static str,
        (client, begin): (usize, u64),
        action: Action,
        answer: Answer,
        words: &str,
    ) {
        let end = self.moment();
        let operation = Operation { client, action, answer, begin, end };
        self.kept().operations.entry(key).or_default().push(operation);
        self.say(format!("client {client} {key} [{begin}, {end}] {action:?}: {answer:?} {words}"));
    }

    pub fn say(&self, line: String) {
        let line = format!("{:>7} {line}", self.begun.elapsed().as_millis());
        if std::env::var_os("CAUSEWAY_SIMULATION").is_some() {
            eprintln!("{line}");
        }
        self.kept().lines.push(line);
    }

    /// Something that must not be, whatever the order.
    pub fn wrong(&self, what: String) {
        self.say(format!("WRONG: {what}"));
        self.kept().wrong.push(what);
    }

    pub fn lines(&self) -> Vec<String> {
        self.kept().lines.clone()
    }

    /// Everything that is wrong with it.
    pub fn verdict(&self) -> Result<(), String> {
        let kept = self.kept();
        let mut wrong = kept.wrong.clone();
        for (key, operations) in &kept.operations {
            if let Err(violation) = super::linear::check(operations) {
                let mut all = operations.clone();
                all.sort_by_key(|operation| operation.begin);
                let all: Vec<_> = all.iter().map(|operation| format!("      {operation:?}")).collect();
                wrong.push(format!("{key}: {violation}    all of it:\n{}", all.join("\n")));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }
}
