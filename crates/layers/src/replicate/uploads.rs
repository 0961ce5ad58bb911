//! What is remembered of uploads on their way: which members still have all the parts.
//!
//! A member that misses one part is out of the upload for good, and gets the object by repair. Enough stay, or the part is not
//! taken: so a Complete finds as many members with every part as it needs. The catalog says who has each part; this is its sum.

use crate::model::UploadId;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// How much later than its sender gave up, or was killed, a request may still begin an upload on a member.
const LATE: Duration = Duration::from_secs(60);

/// By backend: an upload's id there, or a part's ETag. The stored form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Places(pub(super) BTreeMap<String, String>);

impl Places {
    pub(super) fn parse(text: &str) -> Self {
        // What nobody can read names nobody: the upload is then too short of members, and says so.
        serde_json::from_str(text).unwrap_or_default()
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn retain(&mut self, others: &Self) {
        self.0.retain(|name, _| others.0.contains_key(name));
    }
}

/// Those that have all the parts so far, with the upload's id there.
#[derive(Debug)]
pub(super) struct Uploads {
    members: Mutex<HashMap<UploadId, Places>>,
    hands: Arc<Hands>,
    /// Members may have uploads that nobody knows, or may get them until then. What was before is not known at first.
    orphans: Mutex<Option<Instant>>,
}

/// How many have uploads of members in hand that the catalog does not know, and how many had before.
#[derive(Debug, Default)]
struct Hands {
    now: AtomicUsize,
    ever: AtomicUsize,
}

impl Default for Uploads {
    fn default() -> Self {
        Self { members: Mutex::default(), hands: Arc::default(), orphans: Mutex::new(Some(Instant::now() + LATE)) }
    }
}

/// What somebody begins on members is his while this lives, whether or not the catalog knows it.
#[derive(Debug)]
pub(super) struct InHand(Arc<Hands>);

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Uploads {
    pub(super) fn in_hand(&self) -> InHand {
        self.hands.ever.fetch_add(1, Ordering::AcqRel);
        self.hands.now.fetch_add(1, Ordering::AcqRel);
        InHand(self.hands.clone())
    }

    /// Nobody has anything in hand. The same answer again: nor had anybody in between.
    pub(super) fn rests(&self) -> Option<usize> {
        (self.hands.now.load(Ordering::Acquire) == 0).then(|| self.hands.ever.load(Ordering::Acquire))
    }

    /// Something may have been left on a member, or may come to it late.
    pub(super) fn leave_orphans(&self) {
        *self.orphans() = Some(Instant::now() + LATE);
    }

    /// Until when members may get uploads that nobody knows, if they may have any.
    pub(super) fn may_have_orphans(&self) -> Option<Instant> {
        *self.orphans()
    }

    /// A look that began at `begun` found all members without any, unless something was left meanwhile.
    pub(super) fn has_no_orphans(&self, begun: Instant) {
        self.orphans().take_if(|until| *until <= begun);
    }

    fn orphans(&self) -> MutexGuard<'_, Option<Instant>> {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn members(&self, upload: &UploadId) -> Option<Places> {
        self.lock().get(upload).cloned()
    }

    pub(super) fn begin(&self, upload: &UploadId, members: Places) {
        self.lock().insert(upload.clone(), members);
    }

    /// Only `having` go on, if that leaves at least `needed`. Says whether it did.
    pub(super) fn narrow(&self, upload: &UploadId, having: &Places, needed: usize) -> bool {
        let mut uploads = self.lock();
        let Some(members) = uploads.get_mut(upload) else { return false };
        let mut left = members.clone();
        left.retain(having);
        let enough = left.0.len() >= needed;
        if enough {
            *members = left;
        }
        enough
    }

    pub(super) fn end(&self, upload: &UploadId) {
        self.lock().remove(upload);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UploadId, Places>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(names: &[&str]) -> Places {
        Places(names.iter().map(|name| ((*name).to_owned(), format!("at {name}"))).collect())
    }

    #[test]
    fn an_upload_loses_members_until_too_few_would_be_left() {
        let uploads = Uploads::default();
        let upload = UploadId::parse("u").expect("an id");
        uploads.begin(&upload, places(&["a", "b", "c"]));
        assert!(uploads.narrow(&upload, &places(&["a", "b"]), 2));
        assert!(!uploads.narrow(&upload, &places(&["b", "c"]), 2), "c is out for good");
        assert_eq!(uploads.members(&upload), Some(places(&["a", "b"])));
        assert_eq!(Places::parse(&places(&["a", "b"]).text()), places(&["a", "b"]));
        uploads.end(&upload);
        assert!(!uploads.narrow(&upload, &places(&["a", "b"]), 2));
    }
}
