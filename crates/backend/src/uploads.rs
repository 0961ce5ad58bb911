//! Ids of uploads, for drivers whose storage has none or other ones, the names of what is staged for uploads
//! on local disk, and the order in which uploads in memory are listed.

use crate::{
    catalog::{BucketId, Catalog},
    model::{ObjectKey, Timestamp, UploadId},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
        grouping::{Ordered, Seek},
    },
};
use std::{
    collections::{BTreeMap, btree_map},
    convert::Infallible,
    ops::Bound,
};

/// Returns an id that is unguessable. Ids sort by time, so the uploads of one key are listed in that order.
pub fn new_id(now: Timestamp) -> Result<UploadId> {
    let mut random = [0; 16];
    let failed =
        |error| StoreError::new(StoreErrorKind::Internal, "no randomness").with_source(format!("{error}"));
    getrandom::fill(&mut random).map_err(failed)?;
    let id = format!("{:012x}{}", now.millis().max(0), hex::encode(random));
    UploadId::parse(&id)
        .ok_or_else(|| StoreError::new(StoreErrorKind::Internal, "an id of hex digits was refused"))
}

/// Returns the staged name `<bucket id>-<upload id>`, which shows whether the upload still exists. Ids of
/// buckets are never used again.
pub fn staged_name(bucket: BucketId, upload: &UploadId) -> String {
    format!("{}-{upload}", bucket.0)
}

/// Returns bucket and upload of a staged name without an owner: its upload has ended, or its bucket is gone.
/// Other names return `None`.
pub async fn left(catalog: &dyn Catalog, name: &str) -> Result<Option<(BucketId, UploadId)>> {
    let upload = name
        .split_once('-')
        .and_then(|(bucket, upload)| Some((BucketId(bucket.parse().ok()?), UploadId::parse(upload)?)));
    let Some((bucket, upload)) = upload else { return Ok(None) };
    // An upload is in the catalog before anything is staged for it, and stays there until it has ended.
    Ok(catalog.upload(bucket, &upload).await?.is_none().then_some((bucket, upload)))
}

/// Uploads in memory, in the order of key, then id.
pub type ByUpload<T> = BTreeMap<(Box<[u8]>, String), T>;

/// Returns the position of an upload in such a map.
pub fn upload_at(key: &ObjectKey, upload: &UploadId) -> (Box<[u8]>, String) {
    (key.as_str().as_bytes().into(), upload.as_str().to_owned())
}

/// A cursor over uploads for `store::grouping`.
pub struct UploadCursor<'m, T> {
    map: &'m ByUpload<T>,
    /// The key and upload after which a listing continues that ended between the uploads of one key.
    resume: Option<(&'m str, &'m UploadId)>,
    rest: btree_map::Range<'m, (Box<[u8]>, String), T>,
}

impl<'m, T> UploadCursor<'m, T> {
    pub fn new(map: &'m ByUpload<T>, resume: Option<(&'m str, &'m UploadId)>) -> Self {
        Self { map, resume, rest: map.range(..) }
    }
}

impl<'m, T: AsRef<ObjectKey>> Ordered for UploadCursor<'m, T> {
    type Item = &'m T;
    type Error = Infallible;

    fn seek(&mut self, to: Seek) -> std::result::Result<(), Infallible> {
        let from = match to {
            Seek::From(bound) => Bound::Included((bound.into(), String::new())),
            Seek::After(mut bound) => match self.resume {
                Some((key, id)) if key.as_bytes() == bound => {
                    Bound::Excluded((bound.into(), id.as_str().to_owned()))
                }
                _ => {
                    // The next name in byte order.
                    bound.push(0);
                    Bound::Included((bound.into(), String::new()))
                }
            },
        };
        self.rest = self.map.range((from, Bound::Unbounded));
        Ok(())
    }

    fn next(&mut self) -> std::result::Result<Option<Self::Item>, Infallible> {
        Ok(self.rest.next().map(|(_, item)| item))
    }

    fn name(item: &Self::Item) -> &str {
        let item: &T = item;
        item.as_ref().as_str()
    }
}
