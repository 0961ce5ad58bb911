//! Reads the change feed of a storage that has one, so that its folders need no full scans.
//!
//! This module owns the position in the feed that the index of a bucket has reached. Invariants: the stored
//! position is never ahead of the index; a feed is read from a position before the full scan that it
//! continues, so nothing between the two is missed; once a day a full scan checks whether the feed has
//! reported everything.

use super::{
    bucket::Bucket,
    descent::Descent,
    files::{Changes, Stat},
    reconcile::{BATCH, FoundFile, LOOKS, missed, reconcile, seen, sort},
};
use crate::{
    backend::pages::Pages,
    model::{ObjectKey, Timestamp},
    store::Result,
};
use futures_util::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use std::{collections::HashSet, sync::Arc};

const STATE: &str = "feed";
/// The name under which the catalog stores the position of the feed from before an unfinished full scan.
const BEFORE: &str = "feed-before-walk";
const DAY: i64 = 24 * 60 * 60 * 1000;

#[derive(Serialize, Deserialize)]
struct FeedCursor {
    mark: String,
    walked: Timestamp,
}

/// Returns whether the index has the state of the storage. If not, a full scan is needed.
pub(super) async fn read(bucket: &Arc<Bucket>) -> Result<bool> {
    let Some(feed) = bucket.files.feed() else { return Ok(false) };
    let kept = bucket
        .catalog
        .state(bucket.id, STATE)
        .await?
        .and_then(|text| serde_json::from_str::<FeedCursor>(&text).ok());
    let Some(mut cursor) = kept.filter(|cursor| Timestamp::now().millis() - cursor.walked.millis() < DAY)
    else {
        return Ok(false);
    };
    let looking = bucket.scan.look();
    let mut pages = Pages::of("following the changes of a storage");
    loop {
        looking.anew();
        let Some(changes) = feed.since(&cursor.mark).await? else {
            bucket.catalog.set_state(bucket.id, STATE, None).await?;
            return Ok(false);
        };
        let (mark, more) = (changes.mark.clone(), changes.more);
        apply(bucket, changes).await?;
        if mark != cursor.mark {
            cursor.mark = mark;
            keep(bucket, &cursor).await?;
        }
        if !more {
            return Ok(true);
        }
        pages.next(&cursor.mark)?;
    }
}

/// Stores the position of the feed before a full scan. A scan that is continued keeps the position from
/// before its beginning.
pub(super) async fn before_a_walk(bucket: &Bucket) -> Result<()> {
    if let Some(feed) = bucket.files.feed()
        && bucket.catalog.state(bucket.id, BEFORE).await?.is_none()
    {
        bucket.catalog.set_state(bucket.id, BEFORE, Some(feed.mark().await?)).await?;
    }
    Ok(())
}

pub(super) async fn after_a_walk(bucket: &Bucket) -> Result<()> {
    if bucket.files.feed().is_some()
        && let Some(mark) = bucket.catalog.state(bucket.id, BEFORE).await?
    {
        keep(bucket, &FeedCursor { mark, walked: Timestamp::now() }).await?;
        bucket.catalog.set_state(bucket.id, BEFORE, None).await?;
    }
    Ok(())
}

async fn keep(bucket: &Bucket, cursor: &FeedCursor) -> Result<()> {
    let text = serde_json::to_string(cursor).unwrap_or_default();
    Ok(bucket.catalog.set_state(bucket.id, STATE, Some(text)).await?)
}

async fn apply(bucket: &Arc<Bucket>, changes: Changes) -> Result<()> {
    let service = bucket.files.service();
    let mut settled = Settled { keys: HashSet::new(), left: changes.left.into_iter().collect() };
    let files = changes.files.into_iter().filter_map(|(path, stat)| Some((below(bucket, &path)?, stat)));
    let files: Vec<FoundFile> = files.filter_map(|(path, stat)| seen(path, stat, service)).collect();
    settled.reconcile(bucket, &files).await?;
    let mut pending: Vec<String> =
        changes.folders.iter().filter_map(|folder| below(bucket, folder)).collect();
    let mut descent = Descent::new();
    while let Some(folder) = pending.pop() {
        descent.enter(&folder, pending.len())?;
        let at = bucket.at(&folder);
        let mut entries = bucket.files.list(&at);
        while let Some(entries) = entries.next().await.transpose()? {
            let files = sort(&folder, entries, service, &mut pending);
            settled.reconcile(bucket, &files).await?;
        }
    }
    settled.sweep(bucket).await
}

/// Converts a path in the storage to a path in the bucket.
fn below(bucket: &Bucket, path: &str) -> Option<String> {
    match bucket.folder.as_str() {
        "" => Some(path.to_owned()),
        folder if folder == path => Some(String::new()),
        folder => path.strip_prefix(folder)?.strip_prefix('/').map(str::to_owned),
    }
}

struct Settled {
    /// The keys whose rows have the state of the storage.
    keys: HashSet<ObjectKey>,
    /// The ids of files that may have rows under other keys.
    left: HashSet<String>,
}

impl Settled {
    async fn reconcile(&mut self, bucket: &Arc<Bucket>, files: &[FoundFile]) -> Result<()> {
        for batch in files.chunks(BATCH) {
            for (key, _, stat) in reconcile(bucket, batch).await? {
                self.left.extend(identity(&stat).map(str::to_owned));
                self.keys.insert(key);
            }
        }
        Ok(())
    }

    /// Checks every row whose file may have been moved.
    async fn sweep(self, bucket: &Arc<Bucket>) -> Result<()> {
        let (mut after, left) = (None, self.left);
        if left.is_empty() {
            return Ok(());
        }
        loop {
            let rows = bucket.catalog.index_rows(bucket.id, after.clone(), BATCH).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = Some(last.key.clone());
            let is_left = |fingerprint: &[u8]| {
                let known = serde_json::from_slice::<Stat>(fingerprint).ok();
                known.as_ref().and_then(identity).is_some_and(|identity| left.contains(identity))
            };
            let missing =
                rows.into_iter().filter(|row| !self.keys.contains(&row.key) && is_left(&row.fingerprint));
            let missing: Vec<ObjectKey> = missing.map(|row| row.key).collect();
            let looking = futures_util::stream::iter(missing).map(|key| missed(bucket, key));
            looking.buffer_unordered(LOOKS).try_collect::<()>().await?;
        }
    }
}

fn identity(stat: &Stat) -> Option<&str> {
    stat.tag.as_deref().and_then(|tag| tag.split_once(':')).map(|(identity, _)| identity)
}
