//! The location of a bucket on an object store: one of its buckets or containers, or a prefix in one.

use crate::{
    model::{BucketName, MAX_KEY_BYTES, ObjectKey},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};

/// A location. Its text form, which the catalog stores, is `remote` or `remote/prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteLocation {
    pub remote: String,
    /// Empty, or a text with a `/` at its end.
    prefix: String,
}

impl RemoteLocation {
    pub fn parse(text: &str) -> Self {
        match text.split_once('/') {
            Some((remote, prefix)) => Self { remote: remote.to_owned(), prefix: format!("{prefix}/") },
            None => Self { remote: text.to_owned(), prefix: String::new() },
        }
    }

    /// Returns the location of a bucket as text. `shared` is the remote bucket of the backend, if it has only
    /// one.
    pub fn of(name: &BucketName, shared: Option<&str>, remote: Option<&str>, prefix: Option<&str>) -> String {
        let (remote, prefix) = match (remote, shared) {
            (Some(remote), _) => (remote, prefix.unwrap_or("")),
            (None, Some(shared)) => (shared, prefix.unwrap_or(name.as_str())),
            (None, None) => (name.as_str(), prefix.unwrap_or("")),
        };
        if prefix.is_empty() { remote.to_owned() } else { format!("{remote}/{prefix}") }
    }

    /// Returns whether the bucket is the whole remote bucket.
    pub fn is_whole(&self) -> bool {
        self.prefix.is_empty()
    }

    /// Returns the name of a key in the remote bucket.
    pub fn name(&self, key: &ObjectKey) -> Result<String> {
        let name = self.below(key.as_str());
        if name.len() > MAX_KEY_BYTES {
            return Err(StoreError::new(
                StoreErrorKind::KeyTooLong,
                "the key and the prefix before it are too long together",
            ));
        }
        Ok(name)
    }

    /// Returns the name for any text in the position of a key, such as a prefix or a marker.
    pub fn below(&self, text: &str) -> String {
        format!("{}{text}", self.prefix)
    }

    /// Returns the text that a name in the remote bucket has in this location.
    pub fn strip<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.strip_prefix(self.prefix.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_a_remote_one_or_a_prefix_of_one() {
        let name = BucketName::parse("photos").expect("a name");
        for ((shared, remote, prefix), location) in [
            ((None, None, None), "photos"),
            ((None, None, Some("a/b")), "photos/a/b"),
            ((None, Some("there"), None), "there"),
            ((Some("all"), None, None), "all/photos"),
            ((Some("all"), None, Some("x")), "all/x"),
            ((Some("all"), None, Some("")), "all"),
            ((Some("all"), Some("there"), Some("x")), "there/x"),
        ] {
            assert_eq!(RemoteLocation::of(&name, shared, remote, prefix), location);
        }
        let location = RemoteLocation::parse("all/x/y");
        assert_eq!(
            (
                location.remote.as_str(),
                location.below("k").as_str(),
                location.strip("x/y/k"),
                location.strip("x/yk")
            ),
            ("all", "x/y/k", Some("k"), None)
        );
        assert!(location.name(&ObjectKey::new("k".repeat(1020)).expect("a key")).is_ok());
        assert!(location.name(&ObjectKey::new("k".repeat(1021)).expect("a key")).is_err());
    }
}
