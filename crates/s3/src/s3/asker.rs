//! Who asks, and for what: the parts of a request on which decisions rest.
//!
//! Owns nothing and decides nothing. Invariant: it is the request as the edge verified it, so a header or
//! parameter in it says what is asked for, and never who asks.

use super::{
    context::Context,
    operation::Also,
    request::{Query, Request},
};
use crate::model::{BucketTags, TagSet};
use http::HeaderMap;

/// A request, as far as decisions need it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) context: &'a Context,
    pub(super) query: &'a Query,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: BodyFacts<'a>,
}

/// What decisions need of a body. It is known late, because a body is read only after a first decision.
#[derive(Debug, Clone, Copy)]
pub(super) enum BodyFacts<'a> {
    Unread,
    /// The tags that PutObjectTagging sets.
    Tags(&'a TagSet),
    /// The tags that TagResource sets.
    BucketTags(&'a BucketTags),
    /// The location of a new bucket.
    Location(&'a str),
}

impl<'a> Asker<'a> {
    pub(super) fn of(request: &'a Request) -> Self {
        Self::new(&request.context, &request.query, &request.headers)
    }

    /// The parts of a request whose body is used meanwhile.
    pub(super) fn new(context: &'a Context, query: &'a Query, headers: &'a HeaderMap) -> Self {
        Self { context, query, headers, body: BodyFacts::Unread }
    }

    /// The same request, whose body was read.
    pub(super) fn knowing(self, body: BodyFacts<'a>) -> Self {
        Self { body, ..self }
    }

    /// Whether a header of the request makes a further action necessary.
    pub(super) fn needs(&self, also: &Also) -> bool {
        let is_meant =
            |name: &str| name == also.header || (also.header.ends_with('-') && name.starts_with(also.header));
        self.headers.iter().any(|(name, value)| {
            is_meant(name.as_str())
                && also.unless.is_none_or(|harmless| value.as_bytes() != harmless.as_bytes())
        })
    }

    /// The text of a header that means one thing. Handlers refuse a repeated one.
    pub(super) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
    }
}
