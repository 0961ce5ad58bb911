//! The cursor for `store::grouping` over objects in byte order.

use crate::{
    model::ObjectKey,
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
