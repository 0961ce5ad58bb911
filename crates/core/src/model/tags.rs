//! Tags of objects (S3 User Guide, "Categorizing your objects using tags") and of buckets ("Using cost
//! allocation S3 bucket tags").
//!
//! Invariant: a set has no more tags than its kind may have, and each tag is within the limits of S3.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    pub key: String,
    pub value: String,
}

/// At most 10 tags, in the client's order. Keys are distinct and have 1 to 128 characters; values have at
/// most 256.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TagSet(Vec<Tag>);

/// At most 50 tags, in the client's order, within the same limits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Tag>", into = "Vec<Tag>")]
pub struct BucketTags(Vec<Tag>);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TagError {
    #[error("Object tags cannot be greater than 10")]
    TooMany,
    #[error("Bucket tag count cannot be greater than 50")]
    TooManyOfBucket,
    #[error("The TagKey you have provided is invalid")]
    Key(String),
    #[error("The TagValue you have provided is invalid")]
    Value(String),
    #[error("Cannot provide multiple Tags with the same key")]
    Duplicate(String),
    #[error(
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates."
    )]
    Header,
}

impl TagSet {
    pub fn new(tags: Vec<Tag>) -> Result<Self, TagError> {
        if tags.len() > 10 {
            return Err(TagError::TooMany);
        }
        check(&tags)?;
        Ok(Self(tags))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Tag> {
        self.0.iter()
    }
}

impl BucketTags {
    pub fn new(tags: Vec<Tag>) -> Result<Self, TagError> {
        if tags.len() > 50 {
            return Err(TagError::TooManyOfBucket);
        }
        check(&tags)?;
        Ok(Self(tags))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Tag> {
        self.0.iter()
    }

    /// These tags with others added, which replace those of the same keys.
    pub fn with(&self, tags: &Self) -> Result<Self, TagError> {
        let kept = self.0.iter().filter(|tag| tags.0.iter().all(|other| other.key != tag.key));
        Self::new(kept.chain(&tags.0).cloned().collect())
    }

    /// These tags without those of some keys.
    pub fn without(&self, keys: &[&str]) -> Self {
        Self(self.0.iter().filter(|tag| !keys.contains(&tag.key.as_str())).cloned().collect())
    }
}

impl TryFrom<Vec<Tag>> for BucketTags {
    type Error = TagError;

    fn try_from(tags: Vec<Tag>) -> Result<Self, TagError> {
        Self::new(tags)
    }
}

impl From<BucketTags> for Vec<Tag> {
    fn from(tags: BucketTags) -> Self {
        tags.0
    }
}

/// The limits of single tags, and that no key is there twice.
fn check(tags: &[Tag]) -> Result<(), TagError> {
    for (at, tag) in tags.iter().enumerate() {
        if !(1..=128).contains(&tag.key.chars().count()) || tag.key.starts_with("aws:") {
            return Err(TagError::Key(tag.key.clone()));
        }
        if tag.value.chars().count() > 256 {
            return Err(TagError::Value(tag.value.clone()));
        }
        if tags[..at].iter().any(|other| other.key == tag.key) {
            return Err(TagError::Duplicate(tag.key.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> Tag {
        Tag { key: key.into(), value: value.into() }
    }

    #[test]
    fn limits_of_s3_hold() {
        assert!(TagSet::new((0..10).map(|n| tag(&n.to_string(), "")).collect()).is_ok());
        assert_eq!(TagSet::new((0..11).map(|n| tag(&n.to_string(), "")).collect()), Err(TagError::TooMany));
        assert_eq!(TagSet::new(vec![tag("a", ""), tag("a", "b")]), Err(TagError::Duplicate("a".into())));
        assert_eq!(TagSet::new(vec![tag("", "b")]), Err(TagError::Key(String::new())));
        assert_eq!(TagSet::new(vec![tag(&"ä".repeat(129), "b")]), Err(TagError::Key("ä".repeat(129))));
        assert!(TagSet::new(vec![tag(&"ä".repeat(128), &"ä".repeat(256))]).is_ok());
        assert_eq!(TagSet::new(vec![tag("a", &"b".repeat(257))]), Err(TagError::Value("b".repeat(257))));
    }

    #[test]
    fn a_bucket_has_fifty_tags_at_most_and_newer_ones_replace_those_of_their_keys() {
        let many = |count: u32| BucketTags::new((0..count).map(|n| tag(&n.to_string(), "")).collect());
        assert_eq!(many(51), Err(TagError::TooManyOfBucket));
        let fifty = many(50).expect("fifty");
        let one = |key: &str| BucketTags::new(vec![tag(key, "new")]).expect("one");
        assert_eq!(fifty.with(&one("x")), Err(TagError::TooManyOfBucket));
        let replaced = fifty.with(&one("7")).expect("still fifty");
        assert_eq!((replaced.iter().count(), replaced.iter().last()), (50, Some(&tag("7", "new"))));
        assert_eq!(replaced.without(&["7", "unknown"]).iter().count(), 49);
        assert_eq!(BucketTags::new(vec![tag("aws:x", "")]), Err(TagError::Key("aws:x".into())));
    }
}
