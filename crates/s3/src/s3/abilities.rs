//! What the storage of a bucket can do for an operation. Above the drivers and the layers, only this file
//! reads capabilities.

use super::operation::{Conditions, Operation};
use crate::{
    buckets::Bucket,
    store::{Capabilities, Guarantee, Keeping},
};

/// Whether the conditions of an operation hold on a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Yes,
    /// The operation has conditions that this storage cannot promise.
    NotHere,
    /// The operation has none.
    Never,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Abilities(Capabilities);

impl Abilities {
    pub(super) fn of(bucket: &Bucket) -> Self {
        Self(bucket.store().capabilities())
    }

    /// How far the conditions of a writing operation hold.
    pub(super) fn conditions(&self, operation: Operation) -> Holds {
        let guarantee = match operation.facts().conditions {
            Conditions::Unknown => return Holds::Never,
            Conditions::OnWrite => self.0.conditional_writes,
            Conditions::OnComplete => self.0.conditional_completes,
            Conditions::OnDelete => self.0.conditional_deletes,
        };
        match guarantee {
            Guarantee::Native | Guarantee::Leased => Holds::Yes,
            Guarantee::Refused => Holds::NotHere,
        }
    }

    /// Whether any storage class of S3 is passed on.
    pub(super) fn passes_storage_classes(&self) -> bool {
        self.0.storage_classes == Keeping::Kept
    }

    /// Whether encryption at rest is passed on.
    pub(super) fn passes_encryption(&self) -> bool {
        self.0.encryption == Keeping::Kept
    }

    /// Whether a body must say how long it is.
    pub(super) fn needs_length(&self) -> bool {
        self.0.needs_length
    }

    /// Whether objects have versions besides the current one.
    pub(super) fn keeps_versions(&self) -> bool {
        self.0.versions == Keeping::Kept
    }

    /// Whether the checksums of objects and parts are kept, and not only verified.
    pub(super) fn keeps_checksums(&self) -> bool {
        self.0.checksums == Keeping::Kept
    }
}

#[cfg(test)]
impl From<Capabilities> for Abilities {
    fn from(known: Capabilities) -> Self {
        Self(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn each_operation_is_judged_by_the_promise_that_its_conditions_rest_on() {
        let all = crate::backend::memory::MemoryStore::default().capabilities();
        let (write, complete, delete) =
            (Operation::PutObject, Operation::CompleteMultipartUpload, Operation::DeleteObject);
        for (known, refused) in [
            (
                Capabilities { conditional_writes: Guarantee::Refused, ..all },
                vec![write, Operation::CopyObject],
            ),
            (Capabilities { conditional_completes: Guarantee::Refused, ..all }, vec![complete]),
            (
                Capabilities { conditional_deletes: Guarantee::Refused, ..all },
                vec![delete, Operation::DeleteObjects],
            ),
        ] {
            for operation in [write, Operation::CopyObject, complete, delete, Operation::DeleteObjects] {
                let expected = if refused.contains(&operation) { Holds::NotHere } else { Holds::Yes };
                assert_eq!(Abilities(known).conditions(operation), expected, "{operation:?}");
            }
            assert_eq!(Abilities(known).conditions(Operation::UploadPart), Holds::Never);
        }
    }
}
