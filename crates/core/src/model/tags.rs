//! Object tags (S3 User Guide, "Categorizing your objects using tags").

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

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TagError {
    #[error("Object tags cannot be greater than 10")]
    TooMany,
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
}
