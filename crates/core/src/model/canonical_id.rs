//! The canonical id of an account: the id by which ACLs name it, and which owners are shown by.
//!
//! Invariant: 1 to 64 ASCII letters and digits. S3's ids are 64 hexadecimal digits. So an id needs no escapes
//! in the stored form of an ACL, in XML and in headers.

use super::AccessKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::sync::Arc;

const LONGEST: usize = 64;

/// The canonical id of the account that an access key of the configuration, or an added one, stands for: 64
/// hexadecimal digits, as S3's are.
pub fn canonical_id(access_key: &AccessKey) -> Arc<str> {
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    // Never change these words: stored buckets name their owner by the result.
    hash.update(b"causeway canonical user id\0");
    hash.update(access_key.as_str().as_bytes());
    hex::encode(hash.finish()).into()
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CanonicalId(Arc<str>);

impl CanonicalId {
    /// `None`: no account can have such an id.
    pub fn parse(text: &str) -> Option<Self> {
        let fits =
            (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        fits.then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for CanonicalId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CanonicalId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("no account can have this id"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_letters_and_digits_only() {
        let long = "a".repeat(LONGEST);
        assert_eq!(CanonicalId::parse(&long).expect("an id").as_str(), long);
        for junk in ["", "_foo", "a b", "a,b", "a=b", "ä", &format!("{long}a")] {
            assert_eq!(CanonicalId::parse(junk), None, "{junk}");
        }
    }
}
