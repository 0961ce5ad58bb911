//! One page of a comparison of both places: what their listings show differently is brought.
//!
//! Invariant: memory is two pages of listings. Keys are compared in order, so a pass goes on behind the last key
//! of a page.

use super::{bring::Brought, moving::Moving, place::Place};
use crate::{
    backend::migration::MigrationCounts,
    model::{ETag, ObjectKey},
    store::{ListEntry, ListRequest, Result, error::StoreErrorKind},
};
use futures_util::{StreamExt, stream};
use std::collections::BTreeMap;

const PAGE: usize = 1000;
/// Keys that are compared or copied at once.
const AT_ONCE: usize = 8;

/// What a page of a pass has found.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) counts: MigrationCounts,
    /// The key behind which the pass goes on. `None`: it has come to the end.
    pub(super) after: Option<String>,
    /// Why a key could not be brought.
    pub(super) trouble: Option<String>,
}

type Listed = (u64, ETag);

/// Compares a page. With `deep`, each object is described at both places, and not only listed.
pub(super) async fn page(moving: &Moving, after: Option<String>, deep: bool) -> Result<Walked> {
    let (truth, other) = tokio::join!(list(moving.truth(), &after), list(moving.other(), &after));
    let ((truth, truth_ends), (other, other_ends)) = (truth?, other?);
    // Behind the end of a page that is not the last, its place may have more.
    let end = [&truth_ends, &other_ends].into_iter().flatten().min().cloned();
    let mut keys: BTreeMap<ObjectKey, [Option<Listed>; 2]> = BTreeMap::new();
    for (at, listed) in [truth, other].into_iter().enumerate() {
        for (key, found) in listed {
            if end.as_ref().is_none_or(|end| key.as_str() <= end.as_str()) {
                keys.entry(key).or_default()[at] = Some(found);
            }
        }
    }
    let mut walked = Walked {
        counts: MigrationCounts { objects: keys.len() as u64, ..Default::default() },
        after: end,
        trouble: None,
    };
    let differ = keys.into_iter().filter(|(_, [truth, other])| deep || truth != other);
    let mut done = stream::iter(differ.map(|(key, listed)| async move {
        let brought = moving.reconcile_in_turn(&key).await;
        (key, listed, brought)
    }))
    .buffer_unordered(AT_ONCE);
    while let Some((key, listed, brought)) = done.next().await {
        let counts = &mut walked.counts;
        match brought {
            Ok(Brought::Equal) => {}
            Ok(Brought::Copied(bytes)) => {
                counts.copied += 1;
                counts.bytes += bytes;
                counts.differing += 1;
            }
            Ok(Brought::Updated) => counts.differing += 1,
            Ok(Brought::Removed) => {
                counts.removed += 1;
                counts.differing += 1;
            }
            Err(error) => {
                counts.failed += 1;
                tracing::debug!(bucket = %moving.bucket.bucket.name, key = key.as_str(), ?listed, %error, "an object could not be brought");
                walked.trouble = Some(format!("{:?}: {error}", key.as_str()));
                // The places themselves fail: the other keys of the page would, too.
                if matches!(error.kind(), StoreErrorKind::NoConnection | StoreErrorKind::StorageFull) {
                    return Err(error);
                }
            }
        }
    }
    Ok(walked)
}

/// Returns the objects behind `after`, and the last key of a page that is not the last one.
async fn list(place: &Place, after: &Option<String>) -> Result<(Vec<(ObjectKey, Listed)>, Option<String>)> {
    let request = ListRequest { after: after.clone(), limit: PAGE, ..Default::default() };
    let page = place.uncached().list(request).await?;
    let end = page.entries.last().filter(|_| page.truncated).map(|entry| entry.name().to_owned());
    let object = |entry| match entry {
        ListEntry::Object(object) => Some((object.key, (object.size, object.etag))),
        ListEntry::CommonPrefix(_) => None,
    };
    Ok((page.entries.into_iter().filter_map(object).collect(), end))
}
