//! Storage classes: a closed set of names. Each storage decides which of them it offers.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A storage class other than `STANDARD`. An object without a class has `STANDARD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StorageClass(&'static str);

/// The classes of S3 (S3 API reference, `x-amz-storage-class`).
const NAMES: &[&str] = &[
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "OUTPOSTS",
    "GLACIER_IR",
    "SNOW",
    "EXPRESS_ONEZONE",
    "FSX_OPENZFS",
    "FSX_ONTAP",
];

impl StorageClass {
    pub const STANDARD: &'static str = "STANDARD";

    /// `None` for a name that is no class of S3, and for `STANDARD`.
    pub fn parse(name: &str) -> Option<Self> {
        NAMES.iter().find(|known| **known == name).map(|known| Self(known))
    }

    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// Returns the name that replies use.
    pub fn shown(class: Option<Self>) -> &'static str {
        class.map_or(Self::STANDARD, Self::as_str)
    }
}

impl Serialize for StorageClass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for StorageClass {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).ok_or_else(|| D::Error::custom("no storage class of S3"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_stored_by_its_name() {
        let class = StorageClass::parse("GLACIER_IR").expect("a class");
        let text = serde_json::to_string(&class).expect("text");
        assert_eq!(text, "\"GLACIER_IR\"");
        assert_eq!(serde_json::from_str::<StorageClass>(&text).expect("a class"), class);
        assert!(
            serde_json::from_str::<StorageClass>("\"PLATINUM\"").is_err()
                && StorageClass::parse("glacier").is_none()
        );
        assert_eq!((StorageClass::shown(None), StorageClass::shown(Some(class))), ("STANDARD", "GLACIER_IR"));
    }
}
