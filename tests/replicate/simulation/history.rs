//! What clients did and saw, in order, and which bytes belong to which ETag.
//!
//! Every write has its own bytes, which name it. They are registered under their ETag before they are sent.
//! So whatever is read is known to come from one write, or is found to be a mixture.

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
    /// Two lengths only, so that lengths do not identify versions. Every third content takes the path of long
    /// bodies.
    pub fn bytes(self) -> Vec<u8> {
        let text = format!("version {:05} ", self.0);
        let times = if self.0.is_multiple_of(3) { 4_800 } else { 2 };
        text.repeat(times).into_bytes()
    }

    pub fn etag(self) -> ETag {
        ETag::from_md5(Md5::digest(self.bytes()).into())
    }

    /// The ETag of the bytes as a multipart object of one part.
    pub fn uploaded_etag(self) -> ETag {
        let part: [u8; 16] = Md5::digest(self.bytes()).into();
        ETag::multipart(Md5::digest(part).into(), 1)
    }
}

impl History {
    /// Must be called within a runtime.
    pub fn begin() -> Self {
        Self { begun: Instant::now(), kept: Arc::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A moment that is later than all before.
    pub fn moment(&self) -> u64 {
        let mut kept = self.kept();
        kept.moment += 1;
        kept.moment
    }

    /// Bytes that no write has used yet.
    pub fn content(&self) -> Content {
        let mut kept = self.kept();
        kept.contents += 1;
        let content = Content(kept.contents);
        for etag in [content.etag(), content.uploaded_etag()] {
            kept.etags.push((etag, content));
        }
        content
    }

    /// The number of an ETag, and its content. `None` if no content has this ETag.
    pub fn find(&self, etag: &ETag) -> Option<(Tag, Content)> {
        let kept = self.kept();
        let at = kept.etags.iter().position(|(known, _)| known == etag)?;
        Some((Tag(at as u32), kept.etags[at].1))
    }

    /// Records an operation that ends now, with words for a reader of the history.
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

    /// Records something that is wrong in any order of operations.
    pub fn wrong(&self, what: String) {
        self.say(format!("WRONG: {what}"));
        self.kept().wrong.push(what);
    }

    pub fn lines(&self) -> Vec<String> {
        self.kept().lines.clone()
    }

    /// Returns everything that is wrong as an error.
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
