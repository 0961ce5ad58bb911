//! Which addresses the caches answer for: the caches hold current objects, by key.

use crate::{
    model::ObjectAddress,
    store::{Keeping, Store},
};

/// Returns whether an address means the current object of its key. Where versions are kept, `null` may be an
/// older version.
pub(super) fn is_current(below: &dyn Store, address: ObjectAddress<'_>) -> bool {
    match address.version {
        None => true,
        Some(version) => version.is_null() && below.capabilities().versions == Keeping::NotKept,
    }
}
