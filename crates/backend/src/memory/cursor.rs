//! Cursors for `store::grouping` over maps in byte order.

use crate::{
    model::{ObjectKey, UploadId},
    store::grouping::{Ordered, Seek},
};
use std::{
    collections::{BTreeMap, btree_map},
    convert::Infallible,
    ops::Bound,
};

/// Objects by the bytes of their keys: the bounds of a cursor are not always UTF-8.
pub(super) type ByKey<T> = BTreeMap<Box<[u8]>, (ObjectKey, T)>;

pub(super) struct KeyCursor<'m, T> {
    map: &'m ByKey<T>,
    rest: btree_map::Range<'m, Box<[u8]>, (ObjectKey, T)>,
}

impl<'m, T> KeyCursor<'m, T> {
    pub(super) fn new(map: &'m ByKey<T>) -> Self {
        Self { map, rest: map.range::<[u8], _>(..) }
    }
}

impl<'m, T> Ordered for KeyCursor<'m, T> {
    type Item = &'m (ObjectKey, T);
    type Error = Infallible;

    fn seek(&mut self, to: Seek) -> Result<(), Infallible> {
        let from = match &to {
            Seek::From(bound) => Bound::Included(bound.as_slice()),
            Seek::After(bound) => Bound::Excluded(bound.as_slice()),
        };
        self.rest = self.map.range::<[u8], _>((from, Bound::Unbounded));
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Self::Item>, Infallible> {
        Ok(self.rest.next().map(|(_, item)| item))
    }

    fn name((key, _): &Self::Item) -> &str {
        key.as_str()
    }
}

/// Uploads in the order of key, then id.
pub(super) type ByUpload<T> = BTreeMap<(Box<[u8]>, String), T>;

pub(super) struct UploadCursor<'m, T> {
    map: &'m ByUpload<T>,
    /// The key and upload after which a listing continues that ended between the uploads of one key.
    resume: Option<(&'m str, &'m UploadId)>,
    rest: btree_map::Range<'m, (Box<[u8]>, String), T>,
}

impl<'m, T> UploadCursor<'m, T> {
    pub(super) fn new(map: &'m ByUpload<T>, resume: Option<(&'m str, &'m UploadId)>) -> Self {
        Self { map, resume, rest: map.range(..) }
    }
}

impl<'m, T: AsRef<ObjectKey>> Ordered for UploadCursor<'m, T> {
    type Item = &'m T;
    type Error = Infallible;

    fn seek(&mut self, to: Seek) -> Result<(), Infallible> {
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

    fn next(&mut self) -> Result<Option<Self::Item>, Infallible> {
        Ok(self.rest.next().map(|(_, item)| item))
    }

    fn name(item: &Self::Item) -> &str {
        let item: &T = item;
        item.as_ref().as_str()
    }
}
