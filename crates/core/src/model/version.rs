//! Ids of the versions of objects.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{fmt, sync::Arc};

/// S3 User Guide, "Retaining multiple versions of objects": a version id has at most 1,024 bytes.
pub const MAX_VERSION_ID_BYTES: usize = 1024;

/// The id that S3 gives to an object that was written while its bucket kept no versions.
const NULL: &str = "null";

/// A version id has 1 to 1,024 bytes of UTF-8. It is opaque: only the store that made it knows which version
/// it names. Ids have no order: they do not show which version is newer.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VersionId(Option<Arc<str>>);

impl VersionId {
    /// The id of an object that was written while its bucket kept no versions. No store uses it for another
    /// version.
    pub const NULL: Self = Self(None);

    pub fn parse(text: &str) -> Option<Self> {
        match text.len() {
            _ if text == NULL => Some(Self::NULL),
            1..=MAX_VERSION_ID_BYTES => Some(Self(Some(text.into()))),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        self.0.is_none()
    }

    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or(NULL)
    }
}

impl Serialize for VersionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for VersionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("no id of a version"))
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_1_to_1024_bytes_and_is_shown_as_it_was_read() {
        for text in ["3sL4kqtJlcpXroDTDmJ", "é", "NULL", &"a".repeat(MAX_VERSION_ID_BYTES)] {
            let id = VersionId::parse(text).expect("an id");
            assert_eq!((id.as_str(), id.is_null()), (text, false));
        }
        assert_eq!(VersionId::parse(""), None);
        assert_eq!(VersionId::parse(&"a".repeat(MAX_VERSION_ID_BYTES + 1)), None);
    }

    #[test]
    fn null_is_one_value_however_it_was_made() {
        assert_eq!(VersionId::parse("null"), Some(VersionId::NULL));
        assert_eq!((VersionId::NULL.as_str(), VersionId::NULL.is_null()), ("null", true));
    }

    #[test]
    fn an_id_is_stored_as_its_text() {
        for (text, is_null) in [("\"null\"", true), ("\"a\"", false)] {
            let id: VersionId = serde_json::from_str(text).expect("an id");
            assert_eq!((serde_json::to_string(&id).expect("a text").as_str(), id.is_null()), (text, is_null));
        }
        assert!(serde_json::from_str::<VersionId>("\"\"").is_err());
    }
}
