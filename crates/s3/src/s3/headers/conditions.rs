//! Conditional requests as headers. Dates that do not parse are ignored, as RFC 9110 section 13.1 wants.

use crate::{
    model::{ObjectInfo, Timestamp},
    s3::{HeaderMapExt, Request, S3Error},
    store::condition::{ETagMatch, ReadCondition, ReadConditions, WriteConditions},
};
use http::{HeaderMap, HeaderName, Method, header};

/// The conditions of GET and HEAD.
pub(in crate::s3) fn read_conditions(headers: &HeaderMap) -> Result<ReadConditions, S3Error> {
    conditions(
        headers,
        [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE],
    )
}

/// The source of CopyObject and UploadPartCopy.
pub(in crate::s3) fn source_conditions(headers: &HeaderMap) -> Result<ReadConditions, S3Error> {
    conditions(
        headers,
        [
            HeaderName::from_static("x-amz-copy-source-if-match"),
            HeaderName::from_static("x-amz-copy-source-if-none-match"),
            HeaderName::from_static("x-amz-copy-source-if-modified-since"),
            HeaderName::from_static("x-amz-copy-source-if-unmodified-since"),
        ],
    )
}

fn conditions(
    headers: &HeaderMap,
    [matches, none_match, modified, unmodified]: [HeaderName; 4],
) -> Result<ReadConditions, S3Error> {
    Ok(ReadConditions {
        if_match: etags(headers, matches)?,
        if_none_match: etags(headers, none_match)?,
        if_modified_since: headers.text(modified)?.and_then(Timestamp::parse_http_date),
        if_unmodified_since: headers.text(unmodified)?.and_then(Timestamp::parse_http_date),
    })
}

/// The conditions of PUT, COPY and Complete. Conditions that S3 does not define here (an `If-None-Match` with
/// a tag, dates) are refused, not dropped.
pub(in crate::s3) fn write_conditions(headers: &HeaderMap) -> Result<WriteConditions, S3Error> {
    refuse_conditions(headers, &[header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE])?;
    let if_none_match = etags(headers, header::IF_NONE_MATCH)?;
    if matches!(if_none_match, Some(ETagMatch::OneOf(_))) {
        return Err(S3Error::not_implemented("If-None-Match with a value other than '*'")
            .detail("Header", "If-None-Match"));
    }
    Ok(WriteConditions { if_match: etags(headers, header::IF_MATCH)?, if_none_match, ..Default::default() })
}

/// The conditions of DeleteObject: `If-Match` and S3's own date and size forms.
pub(in crate::s3) fn delete_conditions(headers: &HeaderMap) -> Result<WriteConditions, S3Error> {
    refuse_conditions(
        headers,
        &[header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE],
    )?;
    let (date, size) = ("x-amz-if-match-last-modified-time", "x-amz-if-match-size");
    let parse_date = |text: &str| {
        Timestamp::parse_http_date(text).ok_or_else(|| S3Error::argument(date, text, "Not an HTTP date"))
    };
    let parse_size = |text: &str| text.parse().map_err(|_| S3Error::argument(size, text, "Not a size"));
    Ok(WriteConditions {
        if_match: etags(headers, header::IF_MATCH)?,
        if_none_match: None,
        last_modified: headers.amz(date)?.map(parse_date).transpose()?,
        size: headers.amz(size)?.map(parse_size).transpose()?,
    })
}

/// The conditions that a 412 may be about, by their names in an error document, in the order in which one of
/// several is named.
///
/// - A write under both `If-None-Match: *` and `If-Match` that finds the condition broken has found an
///   object: the first is broken.
/// - A read heeds `If-Unmodified-Since` only where there is no `If-Match` (RFC 9110 section 13.2.2).
const CONDITIONS: &[(&str, &str)] = &[
    ("if-none-match", "If-None-Match"),
    ("if-match", "If-Match"),
    ("if-unmodified-since", "If-Unmodified-Since"),
    ("x-amz-if-match-last-modified-time", "x-amz-if-match-last-modified-time"),
    ("x-amz-if-match-size", "x-amz-if-match-size"),
];

/// The condition that a 412 is about, where nothing but the request tells. A read under `If-None-Match` is
/// answered with 304.
pub(in crate::s3) fn first_condition(request: &Request) -> Option<&'static str> {
    let reads = matches!(request.method, Method::GET | Method::HEAD);
    let mut asked =
        CONDITIONS.iter().filter(|(header, _)| request.headers.keys().any(|name| name.as_str() == *header));
    asked.find(|(header, _)| !(reads && *header == "if-none-match")).map(|(_, name)| *name)
}

/// The condition on the source of a copy that this object breaks, as an error document names it.
pub(in crate::s3) fn broken_source_condition(
    conditions: &ReadConditions,
    source: &ObjectInfo,
) -> Option<&'static str> {
    conditions.broken(&source.etag, source.last_modified).map(|condition| match condition {
        ReadCondition::IfMatch => "x-amz-copy-source-If-Match",
        ReadCondition::IfNoneMatch => "x-amz-copy-source-If-None-Match",
        ReadCondition::IfModifiedSince => "x-amz-copy-source-If-Modified-Since",
        ReadCondition::IfUnmodifiedSince => "x-amz-copy-source-If-Unmodified-Since",
    })
}

/// For operations on which S3 does not define these conditions.
fn refuse_conditions(headers: &HeaderMap, names: &[HeaderName]) -> Result<(), S3Error> {
    match names.iter().find(|name| headers.contains_key(*name)) {
        Some(name) => Err(S3Error::not_implemented(format_args!("The header {name} on this operation"))
            .detail("Header", name.as_str())),
        None => Ok(()),
    }
}

fn etags(headers: &HeaderMap, name: HeaderName) -> Result<Option<ETagMatch>, S3Error> {
    Ok(headers.text(name)?.map(ETagMatch::parse))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::{ErrorCode, tests::request};

    #[test]
    fn unparsable_dates_are_no_condition_on_reads() {
        let headers = request(&[
            ("if-modified-since", "yesterday"),
            ("if-unmodified-since", "Mon, 12 Oct 2009 17:50:30 GMT"),
        ])
        .headers;
        let conditions = read_conditions(&headers).expect("fine");
        assert_eq!(conditions.if_modified_since, None);
        assert_eq!(conditions.if_unmodified_since, Some(Timestamp::from_millis(1_255_369_830_000)));
    }

    #[test]
    fn the_conditions_of_a_copy_are_told_apart() {
        let headers = request(&[("x-amz-copy-source-if-match", "\"a\""), ("if-none-match", "*")]).headers;
        assert_eq!(source_conditions(&headers).expect("fine").if_match, Some(ETagMatch::parse("a")));
        assert_eq!(source_conditions(&headers).expect("fine").if_none_match, None);
        assert_eq!(write_conditions(&headers).expect("fine").if_match, None);
        assert!(write_conditions(&headers).expect("fine").wants_absent());
    }

    #[test]
    fn write_conditions_that_s3_does_not_have_are_refused() {
        for (name, value) in
            [("if-none-match", "\"a\""), ("if-modified-since", "x"), ("if-unmodified-since", "x")]
        {
            let error = write_conditions(&request(&[(name, value)]).headers).expect_err("refused");
            assert_eq!(error.code, ErrorCode::NotImplemented, "{name}");
        }
        assert_eq!(
            delete_conditions(&request(&[("if-none-match", "*")]).headers).expect_err("refused").code,
            ErrorCode::NotImplemented
        );
    }

    #[test]
    fn a_412_names_the_condition_that_it_can_only_be_about() {
        let named = |method: Method, headers: &[(&'static str, &str)]| {
            first_condition(&Request { method, ..request(headers) })
        };
        let (tag, date) = (("if-match", "\"a\""), ("if-unmodified-since", "x"));
        assert_eq!(named(Method::PUT, &[("if-none-match", "*")]), Some("If-None-Match"));
        assert_eq!(named(Method::PUT, &[tag, ("if-none-match", "*")]), Some("If-None-Match"));
        assert_eq!(named(Method::GET, &[("if-none-match", "\"a\""), date]), Some("If-Unmodified-Since"));
        assert_eq!(named(Method::GET, &[date, tag]), Some("If-Match"));
        assert_eq!(named(Method::DELETE, &[("x-amz-if-match-size", "1")]), Some("x-amz-if-match-size"));
        assert_eq!(named(Method::PUT, &[("x-amz-copy-source-if-match", "a")]), None);
    }

    #[test]
    fn delete_conditions_that_do_not_parse_delete_nothing() {
        for name in ["x-amz-if-match-last-modified-time", "x-amz-if-match-size"] {
            let error = delete_conditions(&request(&[(name, "soon")]).headers).expect_err("refused");
            assert_eq!(error.code, ErrorCode::InvalidArgument, "{name}");
        }
    }
}
