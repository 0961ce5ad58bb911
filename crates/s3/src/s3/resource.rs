//! The resource of an action, and the name that policies give it.

use super::identification::ARN_PREFIX;
use crate::{
    buckets::Bucket,
    model::{ObjectAddress, ObjectInfo, ObjectKey},
};
use std::fmt;

#[derive(Debug, Clone, Copy)]
pub(super) enum Resource<'a> {
    Service,
    /// An account, by its 12 digits.
    Account(&'a str),
    /// A bucket that is to be made, by its name.
    NewBucket(&'a str),
    Bucket(&'a Bucket),
    /// The bucket, of which one key is looked for: whoever may list it may know that there is no such key.
    Lookup(&'a Bucket, &'a ObjectKey),
    /// Keys of a bucket that are not known yet.
    Keys(&'a Bucket),
    /// A key, whatever is there.
    Object(&'a Bucket, ObjectAddress<'a>),
    /// The object that was found at the key, with its tags.
    Opened(&'a Bucket, ObjectAddress<'a>, &'a ObjectInfo),
}

impl<'a> Resource<'a> {
    pub(super) fn bucket(self) -> Option<&'a Bucket> {
        match self {
            Self::Service | Self::Account(_) | Self::NewBucket(_) => None,
            Self::Bucket(bucket)
            | Self::Lookup(bucket, _)
            | Self::Keys(bucket)
            | Self::Object(bucket, _)
            | Self::Opened(bucket, _, _) => Some(bucket),
        }
    }

    /// The object, or the version of it, that is named.
    pub(super) fn address(self) -> Option<ObjectAddress<'a>> {
        match self {
            Self::Service | Self::Account(_) | Self::NewBucket(_) => None,
            Self::Bucket(_) | Self::Lookup(..) | Self::Keys(_) => None,
            Self::Object(_, address) | Self::Opened(_, address, _) => Some(address),
        }
    }

    /// Whether a version is named. Such an action has a name of its own.
    pub(super) fn is_version(self) -> bool {
        self.address().is_some_and(|address| address.version.is_some())
    }
}

/// The Amazon Resource Name.
impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ARN_PREFIX)?;
        match self {
            // Actions on an account are about no resource of it.
            Self::Service | Self::Account(_) => f.write_str("*"),
            Self::NewBucket(name) => f.write_str(name),
            Self::Bucket(bucket) | Self::Lookup(bucket, _) => f.write_str(bucket.name().as_str()),
            Self::Keys(bucket) => write!(f, "{}/*", bucket.name()),
            Self::Object(bucket, address) | Self::Opened(bucket, address, _) => {
                write!(f, "{}/{}", bucket.name(), address.key)
            }
        }
    }
}
