//! The state of uploads in progress: which members still have all the parts.
//!
//! A member that misses one part leaves the upload permanently, and gets the object by repair. If too few
//! members would stay, the part is refused: so a Complete finds as many members with every part as it needs.
//! The catalog records which members have each part; this state is the sum of it.

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

/// How long after its sender gave up, or was killed, a request may still begin an upload on a member.
const LATE: Duration = Duration::from_secs(60);

/// The stored form of an upload or a part: for each backend, the upload's id there, or the part's ETag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct MemberUploads(pub(super) BTreeMap<String, String>);

impl MemberUploads {
    pub(super) fn parse(text: &str) -> Self {
        // Text that cannot be parsed names no member: the upload is then short of members, and reports so.
        serde_json::from_str(text).unwrap_or_default()
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn retain(&mut self, others: &Self) {
        self.0.retain(|name, _| others.0.contains_key(name));
    }
}

/// The members that have all the parts so far, with the upload's id on each.
#[derive(Debug)]
pub(super) struct Uploads {
    members: Mutex<HashMap<UploadId, MemberUploads>>,
    hands: Arc<Hands>,
    /// Set while members may have unknown uploads; until this time they may get further ones. It is set at
    /// first, because what happened before the start is not known.
    orphans: Mutex<Option<Instant>>,
}

/// How many tasks hold uploads of members that the catalog does not know, and how many did before.
#[derive(Debug, Default)]
struct Hands {
    now: AtomicUsize,
    ever: AtomicUsize,
}

impl Default for Uploads {
    fn default() -> Self {
        Self {
            members: Mutex::default(),
            hands: Arc::default(),
            orphans: Mutex::new(Some(Instant::now() + LATE)),
        }
    }
}

/// While this exists, uploads that its holder begins on members count as known, even if the catalog does not
/// have them.
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

    /// Returns a number if no task holds an upload. If the same number is returned later, no task did in
    /// between.
    pub(super) fn rests(&self) -> Option<usize> {
        (self.hands.now.load(Ordering::Acquire) == 0).then(|| self.hands.ever.load(Ordering::Acquire))
    }

    /// Notes that an upload may have been left on a member, or may appear there late.
    pub(super) fn leave_orphans(&self) {
        *self.orphans() = Some(Instant::now() + LATE);
    }

    /// Returns the time until which members may get unknown uploads; `None` if they have none.
    pub(super) fn may_have_orphans(&self) -> Option<Instant> {
        *self.orphans()
    }

    /// Reports that a check that began at `begun` found no orphans on any member. It does not count if one
    /// was left meanwhile.
    pub(super) fn has_no_orphans(&self, begun: Instant) {
        self.orphans().take_if(|until| *until <= begun);
    }

    fn orphans(&self) -> MutexGuard<'_, Option<Instant>> {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn members(&self, upload: &UploadId) -> Option<MemberUploads> {
        self.lock().get(upload).cloned()
    }

    pub(super) fn begin(&self, upload: &UploadId, members: MemberUploads) {
        self.lock().insert(upload.clone(), members);
    }

    /// Keeps only the members `having` in the upload, if at least `needed` stay. Returns whether it did.
    pub(super) fn narrow(&self, upload: &UploadId, having: &MemberUploads, needed: usize) -> bool {
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

    fn lock(&self) -> MutexGuard<'_, HashMap<UploadId, MemberUploads>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member_uploads(names: &[&str]) -> MemberUploads {
        MemberUploads(names.iter().map(|name| ((*name).to_owned(), format!("at {name}"))).collect())
    }

    #[test]
    fn an_upload_loses_members_until_too_few_would_be_left() {
        let uploads = Uploads::default();
        let upload = UploadId::parse("u").expect("an id");
        uploads.begin(&upload, member_uploads(&["a", "b", "c"]));
        assert!(uploads.narrow(&upload, &member_uploads(&["a", "b"]), 2));
        assert!(!uploads.narrow(&upload, &member_uploads(&["b", "c"]), 2), "c is out for good");
        assert_eq!(uploads.members(&upload), Some(member_uploads(&["a", "b"])));
        assert_eq!(MemberUploads::parse(&member_uploads(&["a", "b"]).text()), member_uploads(&["a", "b"]));
        uploads.end(&upload);
        assert!(!uploads.narrow(&upload, &member_uploads(&["a", "b"]), 2));
    }
}
