//! Conditional requests (RFC 9110 section 13; S3 User Guide, "Conditional requests"), evaluated against one
//! object.

use super::error::StoreErrorKind::{self, NoSuchKey, NotModified, PreconditionFailed};
use crate::model::{ETag, Timestamp};

/// The value of an `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ETagMatch {
    Any,
    OneOf(Vec<ETag>),
}

impl ETagMatch {
    pub fn parse(header: &str) -> Self {
        if header.trim() == "*" {
            return Self::Any;
        }
        Self::OneOf(header.split(',').map(ETag::parse).collect())
    }

    fn matches(&self, etag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tags) => tags.contains(etag),
        }
    }
}

/// Conditions of GET, HEAD and copy sources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadConditions {
    pub if_match: Option<ETagMatch>,
    pub if_none_match: Option<ETagMatch>,
    pub if_modified_since: Option<Timestamp>,
    pub if_unmodified_since: Option<Timestamp>,
}

/// One condition of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadCondition {
    IfMatch,
    IfNoneMatch,
    IfModifiedSince,
    IfUnmodifiedSince,
}

impl ReadConditions {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub fn check(&self, etag: &ETag, modified: Timestamp) -> Result<(), StoreErrorKind> {
        match self.broken(etag, modified) {
            None => Ok(()),
            Some(ReadCondition::IfMatch | ReadCondition::IfUnmodifiedSince) => Err(PreconditionFailed),
            Some(ReadCondition::IfNoneMatch | ReadCondition::IfModifiedSince) => Err(NotModified),
        }
    }

    /// Returns the first condition that does not hold. A condition on the ETag overrides the date condition
    /// of the same direction (RFC 9110 section 13.2.2).
    pub fn broken(&self, etag: &ETag, modified: Timestamp) -> Option<ReadCondition> {
        let since = |date: Timestamp| modified.seconds() > date.seconds();
        match (&self.if_match, self.if_unmodified_since) {
            (Some(tags), _) if !tags.matches(etag) => return Some(ReadCondition::IfMatch),
            (None, Some(date)) if since(date) => return Some(ReadCondition::IfUnmodifiedSince),
            _ => {}
        }
        match (&self.if_none_match, self.if_modified_since) {
            (Some(tags), _) if tags.matches(etag) => Some(ReadCondition::IfNoneMatch),
            (None, Some(date)) if !since(date) => Some(ReadCondition::IfModifiedSince),
            _ => None,
        }
    }

    /// Like `check`, for the source of a copy. A copy has no 304: every failure is 412.
    pub fn check_source(&self, etag: &ETag, modified: Timestamp) -> Result<(), StoreErrorKind> {
        self.check(etag, modified).map_err(|_| PreconditionFailed)
    }
}

/// Conditions of PUT, COPY, Complete and DELETE. They are checked against what the key holds at the moment of
/// publishing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteConditions {
    pub if_match: Option<ETagMatch>,
    pub if_none_match: Option<ETagMatch>,
    /// Only for DELETE: `x-amz-if-match-last-modified-time`
    pub last_modified: Option<Timestamp>,
    /// Only for DELETE: `x-amz-if-match-size`
    pub size: Option<u64>,
}

/// The state of the object that a write condition is checked against.
#[derive(Debug, Clone, Copy)]
pub struct Current<'a> {
    pub etag: &'a ETag,
    pub size: u64,
    pub last_modified: Timestamp,
}

impl WriteConditions {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether the key must be absent: then a driver may publish by a step that cannot replace an
    /// object.
    pub fn wants_absent(&self) -> bool {
        self.if_none_match == Some(ETagMatch::Any)
    }

    pub fn check(&self, current: Option<Current<'_>>) -> Result<(), StoreErrorKind> {
        let needs_object = self.if_match.is_some() || self.last_modified.is_some() || self.size.is_some();
        let Some(current) = current else {
            return if needs_object { Err(NoSuchKey) } else { Ok(()) };
        };
        let holds = self.if_match.as_ref().is_none_or(|tags| tags.matches(current.etag))
            && self.if_none_match.as_ref().is_none_or(|tags| !tags.matches(current.etag))
            && self.last_modified.is_none_or(|date| date.seconds() == current.last_modified.seconds())
            && self.size.is_none_or(|size| size == current.size);
        if holds { Ok(()) } else { Err(PreconditionFailed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> Option<ETagMatch> {
        Some(ETagMatch::parse(text))
    }

    #[test]
    fn an_etag_condition_overrides_the_date_of_its_direction() {
        let (etag, at) = (ETag::parse("\"a\""), Timestamp::from_millis(5_500));
        let (before, same) = (Some(Timestamp::from_millis(4_000)), Some(Timestamp::from_millis(5_000)));
        let check = |c: ReadConditions| c.check(&etag, at);
        let none = ReadConditions::default;
        assert_eq!(check(none()), Ok(()));
        assert_eq!(check(ReadConditions { if_match: tag("\"b\""), ..none() }), Err(PreconditionFailed));
        assert_eq!(
            check(ReadConditions { if_match: tag("\"b\", \"a\""), if_unmodified_since: before, ..none() }),
            Ok(())
        );
        assert_eq!(check(ReadConditions { if_unmodified_since: before, ..none() }), Err(PreconditionFailed));
        assert_eq!(check(ReadConditions { if_unmodified_since: same, ..none() }), Ok(()));
        assert_eq!(check(ReadConditions { if_none_match: tag("a"), ..none() }), Err(NotModified));
        assert_eq!(
            check(ReadConditions { if_none_match: tag("b"), if_modified_since: same, ..none() }),
            Ok(())
        );
        assert_eq!(check(ReadConditions { if_modified_since: same, ..none() }), Err(NotModified));
        assert_eq!(check(ReadConditions { if_modified_since: before, ..none() }), Ok(()));
        assert_eq!(
            ReadConditions { if_none_match: tag("*"), ..none() }.check_source(&etag, at),
            Err(PreconditionFailed)
        );
    }

    #[test]
    fn write_conditions_look_at_what_the_key_holds() {
        let etag = ETag::parse("a");
        let current = Some(Current { etag: &etag, size: 3, last_modified: Timestamp::from_millis(5_500) });
        let create = WriteConditions { if_none_match: tag("*"), ..Default::default() };
        let swap = WriteConditions { if_match: tag("a"), ..Default::default() };
        assert!(create.wants_absent());
        assert_eq!(create.check(None), Ok(()));
        assert_eq!(create.check(current), Err(PreconditionFailed));
        assert_eq!(swap.check(None), Err(NoSuchKey));
        assert_eq!(swap.check(current), Ok(()));
        assert_eq!(
            WriteConditions { if_match: tag("b"), ..Default::default() }.check(current),
            Err(PreconditionFailed)
        );
        assert_eq!(
            WriteConditions { size: Some(4), ..Default::default() }.check(current),
            Err(PreconditionFailed)
        );
        let date = Some(Timestamp::from_millis(5_000));
        assert_eq!(
            WriteConditions { last_modified: date, size: Some(3), ..Default::default() }.check(current),
            Ok(())
        );
    }
}
