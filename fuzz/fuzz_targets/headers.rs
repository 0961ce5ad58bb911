//! Headers with a grammar of their own: Authorization, Range, and lists of entity tags.

#![no_main]

use causeway::{
    edge::authorization,
    model::{ByteRange, ETag},
    store::condition::ETagMatch,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, u64)| {
    let (text, size) = input;
    if let Ok(claim) = authorization::parse(text) {
        assert!(!claim.credential.access_key.is_empty());
        assert!(claim.credential.scope.ends_with("/s3/aws4_request"));
    }
    if let Some(span) = ByteRange::parse(text).and_then(|range| range.resolve(size)) {
        assert!(!span.is_empty() && span.len() <= size);
    }
    let _ = ETagMatch::parse(text);
    let tag = ETag::parse(text);
    assert_eq!(ETag::parse(&tag.quoted()), tag);
});
