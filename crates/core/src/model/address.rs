//! The address of an object: a key, and one of its versions or the current one.

use super::{ObjectKey, VersionId};

/// An object in a bucket. It is borrowed and `Copy`, so that naming an object costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectAddress<'a> {
    pub key: &'a ObjectKey,
    /// `None`: the current version, whichever that is.
    pub version: Option<&'a VersionId>,
}

/// No object has this version of its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no version of the object has the id {0}")]
pub struct NoSuchVersion(pub VersionId);

impl<'a> ObjectAddress<'a> {
    pub fn new(key: &'a ObjectKey, version: Option<&'a VersionId>) -> Self {
        Self { key, version }
    }

    /// Returns the key, for a store that keeps no versions: an object there is its own version `null`, and
    /// has no other.
    pub fn unversioned(self) -> Result<&'a ObjectKey, NoSuchVersion> {
        match self.version {
            Some(id) if !id.is_null() => Err(NoSuchVersion(id.clone())),
            _ => Ok(self.key),
        }
    }
}

impl ObjectKey {
    /// Returns the address of the current object of this key.
    pub fn current(&self) -> ObjectAddress<'_> {
        ObjectAddress { key: self, version: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_versions_an_object_is_its_own_version_null_and_has_no_other() {
        let key = ObjectKey::new("key").expect("a key");
        let (null, other) = (VersionId::NULL, VersionId::parse("other").expect("an id"));
        assert_eq!(key.current().unversioned(), Ok(&key));
        assert_eq!(ObjectAddress::new(&key, Some(&null)).unversioned(), Ok(&key));
        assert_eq!(ObjectAddress::new(&key, Some(&other)).unversioned(), Err(NoSuchVersion(other.clone())));
    }
}
