//! How often each bucket's cache had the answer.

use crate::model::{BucketName, CacheUse};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// The kinds of requests that caches answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    Head,
    /// A head with parts and tags.
    Describe,
    /// A GET. A hit was answered without the storage: 304, 412 or 404.
    Get,
    List,
    /// Bytes of objects. A hit was answered without reading them from the storage.
    Data,
}

impl RequestKind {
    const ALL: [Self; 5] = [Self::Head, Self::Describe, Self::Get, Self::List, Self::Data];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Describe => "describe",
            Self::Get => "get",
            Self::List => "list",
            Self::Data => "data",
        }
    }
}

const OUTCOMES: [CacheUse; 3] = [CacheUse::Hit, CacheUse::Miss, CacheUse::Stale];

/// One number, and what it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    pub backend: Arc<str>,
    pub bucket: BucketName,
    pub kind: RequestKind,
    pub outcome: CacheUse,
    pub times: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counts([[AtomicU64; OUTCOMES.len()]; RequestKind::ALL.len()]);

impl Counts {
    pub(super) fn add(&self, kind: RequestKind, outcome: CacheUse) {
        self.0[kind as usize][outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns all counts that are not zero.
    pub(super) fn read(&self, backend: &Arc<str>, bucket: &BucketName) -> impl Iterator<Item = Count> {
        let all = RequestKind::ALL.into_iter().flat_map(|kind| OUTCOMES.map(|outcome| (kind, outcome)));
        all.filter_map(move |(kind, outcome)| {
            let times = self.0[kind as usize][outcome as usize].load(Ordering::Relaxed);
            (times > 0).then(|| Count {
                backend: backend.clone(),
                bucket: bucket.clone(),
                kind,
                outcome,
                times,
            })
        })
    }
}
