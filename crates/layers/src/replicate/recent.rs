//! Rows of a replicated backend that were read or saved recently, of all its buckets: most reads of hot keys
//! need no access to the catalog.
//!
//! Owns the memory that the rows take, not whether they are correct: `records` removes a row before it is
//! changed, and inserts only what the catalog has. One process owns the catalog; if several shared one, these
//! rows would need its confirmation that they are still current.

use super::record::{Record, Row};
use crate::{catalog::BucketId, model::ObjectKey, store::record::ObjectRecord};
use moka::sync::Cache;
use std::mem::size_of;

/// Maximum size of all rows together, in estimated bytes.
const MOST: u64 = 16 << 20;

#[derive(Debug, Clone)]
pub(super) struct Recent(Cache<(BucketId, ObjectKey), Row>);

impl Default for Recent {
    fn default() -> Self {
        Self::of(MOST)
    }
}

impl Recent {
    fn of(most: u64) -> Self {
        let weigher =
            |(_, key): &(BucketId, ObjectKey), row: &Row| u32::try_from(weigh(key, row)).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(most).weigher(weigher).build())
    }

    pub(super) fn get(&self, bucket: BucketId, key: &ObjectKey) -> Option<Row> {
        self.0.get(&(bucket, key.clone()))
    }

    /// Keeps a row of a key that holds an object. There is no limit to the number of keys that hold none.
    pub(super) fn keep(&self, bucket: BucketId, key: &ObjectKey, row: &Row) {
        if row.committed.is_some() {
            self.0.insert((bucket, key.clone()), row.clone());
        }
    }

    pub(super) fn forget(&self, bucket: BucketId, key: &ObjectKey) {
        self.0.invalidate(&(bucket, key.clone()));
    }
}

fn weigh(key: &ObjectKey, row: &Row) -> usize {
    // The estimated size of a cache entry, and that of a copy with the name of its backend and its ETag.
    const ENTRY: usize = 200;
    const COPY: usize = 200;
    let (object, copies) = (
        row.object().map_or(0, ObjectRecord::footprint),
        row.committed.as_ref().map_or(0, |record| record.copies.len()),
    );
    ENTRY + size_of::<Record>() + key.as_str().len() + object + copies * COPY
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ETag, Timestamp};
    use std::sync::Arc;

    fn row() -> Row {
        let object = ObjectRecord::new(3, Timestamp::now(), ETag::parse("e"));
        let change = Row::default().next(Some(Box::new(object)));
        Row { committed: Some(Arc::new(Record::new(change))), ..Default::default() }
    }

    #[test]
    fn rows_take_no_more_room_than_there_is() {
        let recent = Recent::of(64 << 10);
        let key = |n: usize| ObjectKey::new(format!("key-{n}")).expect("a key");
        for n in 0..10_000 {
            recent.keep(BucketId(1), &key(n), &row());
        }
        recent.0.run_pending_tasks();
        assert!(recent.0.weighted_size() <= 64 << 10, "{}", recent.0.weighted_size());
        assert!(recent.0.entry_count() > 0, "some are kept");
    }

    #[test]
    fn buckets_are_told_apart_and_what_holds_nothing_is_not_kept() {
        let (recent, key) = (Recent::default(), ObjectKey::new("key").expect("a key"));
        recent.keep(BucketId(1), &key, &row());
        recent.keep(BucketId(2), &key, &Row::default());
        assert!(recent.get(BucketId(1), &key).is_some() && recent.get(BucketId(2), &key).is_none());
        recent.forget(BucketId(1), &key);
        assert_eq!(recent.get(BucketId(1), &key), None);
    }
}
