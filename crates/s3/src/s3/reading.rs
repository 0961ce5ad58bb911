//! What GetObject and HeadObject share: which bytes are selected, and which headers describe them.

use super::{
    ErrorCode, HeaderMapExt, Query, Request, S3Error,
    headers::{self, ReplyView},
    reader::Reader,
};
use crate::{
    model::{ByteRange, ETag, ObjectInfo, PartNumber, Principal, Span, StorageClass, Timestamp},
    store::{Selection, condition::ReadConditions, error::StoreError, error::StoreErrorKind},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// Query parameters that replace headers of the reply.
const OVERRIDES: [(&str, HeaderName); 6] = [
    ("response-cache-control", header::CACHE_CONTROL),
    ("response-content-disposition", header::CONTENT_DISPOSITION),
    ("response-content-encoding", header::CONTENT_ENCODING),
    ("response-content-language", header::CONTENT_LANGUAGE),
    ("response-content-type", header::CONTENT_TYPE),
    ("response-expires", header::EXPIRES),
];

/// A read as it was asked for.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) conditions: ReadConditions,
    pub(super) selection: Selection,
    if_range: Option<Validator>,
    overrides: HeaderMap,
    checksum: bool,
}

impl Reading {
    pub(super) fn of(request: &Request) -> Result<Self, S3Error> {
        Ok(Self {
            conditions: headers::read_conditions(&request.headers)?,
            selection: selection(request)?,
            if_range: request.headers.text(header::IF_RANGE)?.map(Validator::parse),
            overrides: overrides(&request.query, &request.context.principal)?,
            checksum: headers::checksum_mode(&request.headers)?,
        })
    }

    /// RFC 9110 section 13.1.5: the range counts only if the object is still the one the client has a part
    /// of.
    pub(super) fn outdated(&self, info: &ObjectInfo) -> bool {
        matches!(self.selection, Selection::Range(_))
            && self.if_range.as_ref().is_some_and(|validator| !validator.holds(info))
    }

    /// Whether looking at the object may change what is selected of it.
    pub(super) fn has_if_range(&self) -> bool {
        self.if_range.is_some()
    }

    /// Status and headers of a reply whose body is, or on HEAD would be, `span`. `tags`: it may say how many
    /// tags there are.
    pub(super) fn reply(
        &self,
        tags: bool,
        info: &ObjectInfo,
        selection: Selection,
        span: Span,
    ) -> (StatusCode, HeaderMap) {
        let part = match selection {
            Selection::Part(number) => info.parts.iter().find(|part| part.number == number.get()),
            Selection::Whole | Selection::Range(_) => None,
        };
        let whole = part.is_none() && span == Span::whole(info.size);
        let view = ReplyView { checksum: self.checksum && whole, parts: part.is_some(), tags };
        let mut headers = headers::object_headers(info, view);
        if let (true, Some(sum), Some(object)) =
            (self.checksum, part.and_then(|part| part.checksum.as_ref()), &info.checksum)
        {
            let (name, value) = headers::part_checksum_header(sum);
            headers.insert(name, value);
            headers.insert(headers::CHECKSUM_TYPE, HeaderValue::from_static(object.kind.as_str()));
        }
        headers.extend(self.overrides.clone());
        headers.insert(header::CONTENT_LENGTH, span.len().into());
        // An empty object has no range to speak of, though it has a part 1.
        if selection == Selection::Whole || span.is_empty() {
            return (StatusCode::OK, headers);
        }
        if let Ok(value) =
            HeaderValue::try_from(format!("bytes {}-{}/{}", span.start, span.end - 1, info.size))
        {
            headers.insert(header::CONTENT_RANGE, value);
        }
        (StatusCode::PARTIAL_CONTENT, headers)
    }
}

fn selection(request: &Request) -> Result<Selection, S3Error> {
    let range = request.headers.text(header::RANGE)?;
    let Some(text) = request.query.get("partNumber") else {
        return Ok(range.and_then(ByteRange::parse).map_or(Selection::Whole, Selection::Range));
    };
    if range.is_some() {
        return Err(S3Error::new(
            ErrorCode::InvalidRequest,
            "Cannot specify both Range header and partNumber query parameter",
        ));
    }
    let number = text.parse().ok().and_then(PartNumber::new);
    let message = "Part number must be an integer between 1 and 10000, inclusive";
    number.map(Selection::Part).ok_or_else(|| S3Error::argument("partNumber", text, message))
}

fn overrides(query: &Query, principal: &Principal) -> Result<HeaderMap, S3Error> {
    let mut headers = HeaderMap::new();
    let known = |asked: &str| OVERRIDES.iter().any(|(parameter, _)| *parameter == asked);
    if let Some((unknown, value)) =
        query.iter().find(|(name, _)| name.starts_with("response-") && !known(name))
    {
        let names = OVERRIDES.map(|(parameter, _)| parameter).join(", ");
        let message =
            format!("{unknown} is not in the set of overridable response headers. They are: {names}");
        return Err(S3Error::argument(unknown, value, message));
    }
    for (parameter, name) in OVERRIDES {
        let Some(text) = query.get(parameter) else { continue };
        if *principal == Principal::Anonymous {
            let message = "Request specific response headers cannot be used for anonymous GET requests.";
            return Err(S3Error::new(ErrorCode::InvalidRequest, message));
        }
        let value = HeaderValue::from_bytes(text.as_bytes());
        headers.insert(
            name,
            value.map_err(|_| S3Error::argument(parameter, "", "Header value cannot be represented"))?,
        );
    }
    Ok(headers)
}

/// An `If-Range`.
#[derive(Debug, PartialEq, Eq)]
enum Validator {
    Tag(ETag),
    Date(Timestamp),
    /// A weak tag or nonsense: never the same object.
    Never,
}

impl Validator {
    fn parse(text: &str) -> Self {
        match text.trim() {
            tag if tag.starts_with('"') => Self::Tag(ETag::parse(tag)),
            date => Timestamp::parse_http_date(date).map_or(Self::Never, Self::Date),
        }
    }

    fn holds(&self, info: &ObjectInfo) -> bool {
        match self {
            Self::Tag(tag) => *tag == info.etag,
            Self::Date(date) => date.seconds() == info.last_modified.seconds(),
            Self::Never => false,
        }
    }
}

/// A failed read as a reply. A 304 names what the client has (RFC 9110 section 15.4.5), if it is still what
/// is there; what is said of an archived object names its class.
pub(super) async fn failure(reader: &Reader<'_>, conditions: &ReadConditions, error: StoreError) -> S3Error {
    let kind = error.kind();
    let mut error = S3Error::from(error);
    if !matches!(kind, StoreErrorKind::NotModified | StoreErrorKind::InvalidObjectState) {
        return error;
    }
    let Ok(Ok(info)) = reader.head(&Default::default()).await else { return error };
    if kind == StoreErrorKind::InvalidObjectState {
        return error.detail("StorageClass", StorageClass::shown(info.attributes.storage_class));
    }
    if conditions.check(&info.etag, info.last_modified) == Err(StoreErrorKind::NotModified) {
        let all = headers::object_headers(&info, ReplyView::default());
        for name in
            [header::ETAG, header::LAST_MODIFIED, header::CACHE_CONTROL, header::EXPIRES, headers::CACHE]
        {
            if let Some(value) = all.get(&name) {
                error = error.header(name, value.clone());
            }
        }
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            AccessKey, Attributes, Checksum, ChecksumAlgorithm, ChecksumKind, Identity, ObjectChecksum,
            ObjectPart, Owner, Role,
        },
        s3::tests::request,
    };

    fn multipart() -> ObjectInfo {
        let crc = |byte| Checksum::new(ChecksumAlgorithm::Crc32, &[byte; 4]).expect("4 bytes");
        let part = |number, size| ObjectPart { number, size, checksum: Some(crc(number as u8)) };
        ObjectInfo {
            size: 8,
            etag: ETag::parse("abc-2"),
            last_modified: Timestamp::from_millis(1_255_369_830_042),
            attributes: Attributes { content_type: Some("a/b".into()), ..Default::default() },
            tag_count: 0,
            checksum: Some(ObjectChecksum { checksum: crc(9), kind: ChecksumKind::Composite, parts: 2 }),
            parts: vec![part(1, 5), part(3, 3)],
            version: None,
            notes: Default::default(),
        }
    }

    fn reading(headers: &[(&'static str, &str)], query: &[(&str, &str)]) -> Result<Reading, ErrorCode> {
        let mut request = request(headers);
        request.query = Query::new(query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect());
        let owner = Owner { id: "id".into(), display_name: "name".into() };
        request.context.principal =
            Principal::Identity(Identity::account(AccessKey("k".into()), Role::Admin, owner).into());
        Reading::of(&request).map_err(|error| error.code)
    }

    fn reply(headers: &[(&'static str, &str)], query: &[(&str, &str)], span: (u64, u64)) -> (u16, HeaderMap) {
        let reading = reading(headers, query).expect("fine");
        let (status, headers) =
            reading.reply(true, &multipart(), reading.selection, Span { start: span.0, end: span.1 });
        (status.as_u16(), headers)
    }

    #[test]
    fn a_part_shows_its_own_checksum_with_the_type_of_the_whole() {
        let (status, headers) = reply(&[("x-amz-checksum-mode", "ENABLED")], &[("partNumber", "3")], (5, 8));
        assert_eq!(status, 206);
        assert_eq!(headers["content-range"], "bytes 5-7/8");
        assert_eq!(headers["content-length"], "3");
        assert_eq!(headers["x-amz-mp-parts-count"], "2");
        assert_eq!(headers["x-amz-checksum-crc32"], "AwMDAw==");
        assert_eq!(headers["x-amz-checksum-type"], "COMPOSITE");
    }

    #[test]
    fn a_range_shows_no_checksum_and_the_whole_does_when_asked() {
        let (status, headers) =
            reply(&[("x-amz-checksum-mode", "ENABLED"), ("range", "bytes=1-2")], &[], (1, 3));
        assert_eq!((status, headers.get("x-amz-checksum-crc32")), (206, None));
        let (status, headers) = reply(&[("x-amz-checksum-mode", "ENABLED")], &[], (0, 8));
        assert_eq!(
            (status, &headers["x-amz-checksum-crc32"]),
            (200, &HeaderValue::from_static("CQkJCQ==-2"))
        );
        let (_, headers) = reply(&[], &[], (0, 8));
        assert!(!headers.contains_key("x-amz-checksum-crc32"));
    }

    #[test]
    fn overrides_replace_headers_and_never_split_them() {
        let (_, headers) =
            reply(&[], &[("response-content-type", "x/y"), ("response-expires", "123")], (0, 8));
        assert_eq!(
            (&headers["content-type"], &headers["expires"]),
            (&"x/y".parse().expect("ok"), &"123".parse().expect("ok"))
        );
        assert_eq!(
            reading(&[], &[("response-content-type", "x\r\nSet-Cookie: a")]).err(),
            Some(ErrorCode::InvalidArgument)
        );
        let mut anonymous = request(&[]);
        anonymous.query = Query::new(vec![("response-content-type".into(), "x/y".into())]);
        assert_eq!(Reading::of(&anonymous).expect_err("refused").code, ErrorCode::InvalidRequest);
    }

    #[test]
    fn a_header_that_cannot_be_overridden_is_refused_by_name() {
        for name in ["response-etag", "response-content-length", "response-"] {
            assert_eq!(reading(&[], &[(name, "x")]).err(), Some(ErrorCode::InvalidArgument), "{name}");
        }
        assert!(reading(&[], &[("x-response-type", "x")]).is_ok());
    }

    #[test]
    fn part_numbers_outside_their_range_or_with_a_range_are_refused() {
        for number in ["0", "10001", "-1", "one", ""] {
            assert_eq!(
                reading(&[], &[("partNumber", number)]).err(),
                Some(ErrorCode::InvalidArgument),
                "{number}"
            );
        }
        assert_eq!(
            reading(&[("range", "bytes=0-1")], &[("partNumber", "1")]).err(),
            Some(ErrorCode::InvalidRequest)
        );
    }

    #[test]
    fn an_if_range_that_does_not_hold_makes_the_range_outdated() {
        let outdated = |if_range: &str| {
            reading(&[("range", "bytes=0-1"), ("if-range", if_range)], &[])
                .expect("fine")
                .outdated(&multipart())
        };
        assert!(!outdated("\"abc-2\""));
        assert!(outdated("\"abc-3\""));
        assert!(outdated("W/\"abc-2\""));
        assert!(!outdated("Mon, 12 Oct 2009 17:50:30 GMT"));
        assert!(outdated("Mon, 12 Oct 2009 17:50:31 GMT"));
        assert!(outdated("soon"));
        assert!(!reading(&[("if-range", "\"x\"")], &[]).expect("fine").outdated(&multipart()));
    }
}
