//! Error replies of the storage: read once, and mapped to error kinds by one table and by what was requested.

use crate::{
    backend::wire::Reply,
    store::error::{StoreError, StoreErrorKind},
    xml,
};
use http::StatusCode;

/// The maximum size of an error document. Real ones are much shorter.
const LONGEST: usize = 64 << 10;

/// The subject of a request. A 404 without a document is about this subject: a request for a bucket never
/// fails because a key is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestSubject {
    /// The bucket itself, its listings, or a new entry in it.
    Bucket,
    /// An object, or the source of a copy.
    Object,
    /// An upload, or a part of one.
    Upload,
}

#[derive(Debug, Clone)]
pub(super) struct Refusal {
    asked: RequestSubject,
    pub(super) status: StatusCode,
    /// The error code. It is empty if the reply had no document, for example a reply to HEAD.
    pub(super) code: String,
    message: String,
    /// The size of the object, if the requested range is outside it.
    size: Option<u64>,
    details: Vec<(&'static str, String)>,
}

/// Details of a storage's error that have the same meaning for the client.
const PASSED_ON: &[&str] = &["PartNumber", "ETag", "ProposedSize", "MinSizeAllowed", "MaxSizeAllowed"];

pub(super) async fn read(reply: Reply, asked: RequestSubject) -> Refusal {
    let status = reply.status;
    let of_range =
        reply.header("content-range").and_then(|range| range.strip_prefix("bytes */")?.parse().ok());
    let document = reply.bytes(LONGEST).await.unwrap_or_default();
    let mut refusal = of_document(status, &document, asked);
    refusal.size = refusal.size.or(of_range);
    refusal
}

/// Parses an error document. It may follow a 200, which S3 sends at the beginning of long operations.
pub(super) fn of_document(status: StatusCode, document: &[u8], asked: RequestSubject) -> Refusal {
    of_element(status, &xml::parse(document, "Error").unwrap_or_default(), asked)
}

/// Parses what a reply of success says of one of several entries. The status is the one that the error would
/// have by itself, where the code alone does not determine the kind.
pub(super) fn of_entry(error: &xml::Element, asked: RequestSubject) -> Refusal {
    let status = match error.value("Code").unwrap_or_default().trim() {
        "AccessDenied" | "AllAccessDisabled" => StatusCode::FORBIDDEN,
        "InternalError" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::OK,
    };
    of_element(status, error, asked)
}

fn of_element(status: StatusCode, error: &xml::Element, asked: RequestSubject) -> Refusal {
    let value = |name| error.value(name).unwrap_or_default().trim().to_owned();
    Refusal {
        asked,
        status,
        code: value("Code"),
        message: value("Message"),
        size: error.value("ActualObjectSize").and_then(|size| size.parse().ok()),
        details: PASSED_ON
            .iter()
            .filter_map(|name| Some((*name, error.value(name)?.trim().to_owned())))
            .collect(),
    }
}

/// S3's error codes, which all storages that speak S3 use, including GCS.
const CODES: &[(&str, StoreErrorKind)] = &[
    ("NoSuchKey", StoreErrorKind::NoSuchKey),
    ("NoSuchUpload", StoreErrorKind::NoSuchUpload),
    ("PreconditionFailed", StoreErrorKind::PreconditionFailed),
    ("ConditionalRequestConflict", StoreErrorKind::Conflict),
    ("OperationAborted", StoreErrorKind::Conflict),
    ("InvalidPart", StoreErrorKind::InvalidPart),
    ("InvalidPartOrder", StoreErrorKind::InvalidPart),
    ("EntityTooSmall", StoreErrorKind::EntityTooSmall),
    ("EntityTooLarge", StoreErrorKind::EntityTooLarge),
    ("BadDigest", StoreErrorKind::BadDigest),
    ("InvalidDigest", StoreErrorKind::BadDigest),
    ("XAmzContentSHA256Mismatch", StoreErrorKind::BadDigest),
    ("XAmzContentChecksumMismatch", StoreErrorKind::BadDigest),
    ("InvalidObjectState", StoreErrorKind::InvalidObjectState),
    ("ObjectNotInActiveTierError", StoreErrorKind::InvalidObjectState),
    ("InvalidStorageClass", StoreErrorKind::InvalidStorageClass),
    ("KeyTooLongError", StoreErrorKind::KeyTooLong),
    ("NotImplemented", StoreErrorKind::NotImplemented),
    ("MethodNotAllowed", StoreErrorKind::NotImplemented),
    ("RequestTimeout", StoreErrorKind::Unavailable),
    ("SlowDown", StoreErrorKind::Busy),
    ("TooManyRequests", StoreErrorKind::Busy),
    ("RequestLimitExceeded", StoreErrorKind::Busy),
    ("ServiceUnavailable", StoreErrorKind::Unavailable),
    ("StorageFull", StoreErrorKind::StorageFull),
    ("XMinioStorageFull", StoreErrorKind::StorageFull),
    ("QuotaExceeded", StoreErrorKind::StorageFull),
    ("NoSuchBucket", StoreErrorKind::Unavailable),
    // These come with status 400, but are about the gateway's own signature, so no client can correct them.
    ("AuthorizationHeaderMalformed", StoreErrorKind::Internal),
    ("AuthorizationQueryParametersError", StoreErrorKind::Internal),
    ("ExpiredToken", StoreErrorKind::Internal),
    ("InvalidToken", StoreErrorKind::Internal),
    ("TokenRefreshRequired", StoreErrorKind::Internal),
    ("MissingSecurityHeader", StoreErrorKind::Internal),
    ("InvalidBucketName", StoreErrorKind::Internal),
];

impl Refusal {
    pub(super) fn kind(&self) -> StoreErrorKind {
        match (self.said(), self.asked) {
            (StoreErrorKind::NoSuchKey | StoreErrorKind::NoSuchUpload, RequestSubject::Bucket) => {
                StoreErrorKind::Unavailable
            }
            (StoreErrorKind::NoSuchKey, RequestSubject::Upload) if self.code.is_empty() => {
                StoreErrorKind::NoSuchUpload
            }
            (kind, _) => kind,
        }
    }

    /// Returns whether the bucket does not exist at the storage.
    pub(super) fn is_no_bucket(&self) -> bool {
        let silent = self.asked == RequestSubject::Bucket
            && self.status == StatusCode::NOT_FOUND
            && self.code.is_empty();
        silent || self.code == "NoSuchBucket"
    }

    fn said(&self) -> StoreErrorKind {
        if self.status == StatusCode::RANGE_NOT_SATISFIABLE || self.code == "InvalidRange" {
            return match self.size {
                Some(size) => StoreErrorKind::InvalidRange { size },
                None => StoreErrorKind::InvalidRequest,
            };
        }
        if let Some((_, kind)) = CODES.iter().find(|(code, _)| *code == self.code) {
            return *kind;
        }
        match self.status.as_u16() {
            // Any other error about the request: storages have codes of their own.
            400 if !self.code.is_empty() => StoreErrorKind::InvalidRequest,
            405 => StoreErrorKind::NotImplemented,
            304 => StoreErrorKind::NotModified,
            404 if self.code.is_empty() => StoreErrorKind::NoSuchKey,
            412 => StoreErrorKind::PreconditionFailed,
            409 => StoreErrorKind::Conflict,
            429 => StoreErrorKind::Busy,
            501 => StoreErrorKind::NotImplemented,
            507 => StoreErrorKind::StorageFull,
            500..=599 => StoreErrorKind::Unavailable,
            _ => StoreErrorKind::Internal,
        }
    }
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        let kind = refusal.kind();
        let said =
            format!("{} {} {}", refusal.status.as_u16(), refusal.code, refusal.message).trim_end().to_owned();
        // The messages of kinds that reach clients are about the request; all other messages are for the
        // operator.
        let words = match kind {
            StoreErrorKind::InvalidRequest if refusal.code != "InvalidRequest" => {
                format!("The storage behind this bucket refuses it: {}: {}", refusal.code, refusal.message)
            }
            StoreErrorKind::InvalidRequest | StoreErrorKind::BadDigest if !refusal.message.is_empty() => {
                refusal.message
            }
            StoreErrorKind::NotImplemented => {
                "The storage behind this bucket does not implement this".to_owned()
            }
            StoreErrorKind::Unavailable if refusal.is_no_bucket() => {
                "the storage does not have the bucket".to_owned()
            }
            StoreErrorKind::Internal if matches!(refusal.status.as_u16(), 400 | 401 | 403) => {
                "the storage refuses our credentials".to_owned()
            }
            _ => "the storage refused".to_owned(),
        };
        refusal
            .details
            .into_iter()
            .fold(StoreError::new(kind, words), |error, (name, value)| error.with_detail(name, value))
            .with_source(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(status: u16, code: &str, asked: RequestSubject) -> StoreErrorKind {
        let document = format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
        let document = if code.is_empty() { "" } else { &document };
        of_document(StatusCode::from_u16(status).expect("a status"), document.as_bytes(), asked).kind()
    }

    fn kind(status: u16, code: &str) -> StoreErrorKind {
        kind_of(status, code, RequestSubject::Object)
    }

    #[test]
    fn what_is_missing_is_what_was_asked_about() {
        for (code, asked, expected) in [
            ("", RequestSubject::Bucket, StoreErrorKind::Unavailable),
            ("NoSuchKey", RequestSubject::Bucket, StoreErrorKind::Unavailable),
            ("NoSuchBucket", RequestSubject::Bucket, StoreErrorKind::Unavailable),
            ("", RequestSubject::Object, StoreErrorKind::NoSuchKey),
            ("", RequestSubject::Upload, StoreErrorKind::NoSuchUpload),
            // Complete and UploadPartCopy access objects too.
            ("NoSuchKey", RequestSubject::Upload, StoreErrorKind::NoSuchKey),
            ("NoSuchUpload", RequestSubject::Object, StoreErrorKind::NoSuchUpload),
        ] {
            assert_eq!(kind_of(404, code, asked), expected, "{code} {asked:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_part_is_passed_on() {
        let document =
            b"<Error><Code>EntityTooSmall</Code><PartNumber>1</PartNumber><ProposedSize>9</ProposedSize><HostId>x</HostId></Error>";
        let error = StoreError::from(of_document(StatusCode::BAD_REQUEST, document, RequestSubject::Upload));
        assert_eq!(error.details(), [("PartNumber", "1".to_owned()), ("ProposedSize", "9".to_owned())]);
    }

    #[test]
    fn codes_come_before_statuses() {
        for (status, code, expected) in [
            (404, "NoSuchKey", StoreErrorKind::NoSuchKey),
            (404, "", StoreErrorKind::NoSuchKey),
            (404, "NoSuchBucket", StoreErrorKind::Unavailable),
            (404, "NoSuchUpload", StoreErrorKind::NoSuchUpload),
            (412, "", StoreErrorKind::PreconditionFailed),
            (409, "SomethingElse", StoreErrorKind::Conflict),
            (503, "SlowDown", StoreErrorKind::Busy),
            (503, "", StoreErrorKind::Unavailable),
            (403, "SignatureDoesNotMatch", StoreErrorKind::Internal),
            (403, "InvalidObjectState", StoreErrorKind::InvalidObjectState),
            (400, "ExpiredToken", StoreErrorKind::Internal),
            (400, "XAmzContentChecksumMismatch", StoreErrorKind::BadDigest),
            (400, "SomethingOfItsOwn", StoreErrorKind::InvalidRequest),
            (400, "", StoreErrorKind::Internal),
            (405, "", StoreErrorKind::NotImplemented),
            (418, "", StoreErrorKind::Internal),
        ] {
            assert_eq!(kind(status, code), expected, "{status} {code}");
        }
        let range = of_document(
            StatusCode::RANGE_NOT_SATISFIABLE,
            b"<Error><Code>InvalidRange</Code><ActualObjectSize>7</ActualObjectSize></Error>",
            RequestSubject::Object,
        );
        assert_eq!(range.kind(), StoreErrorKind::InvalidRange { size: 7 });
    }

    #[test]
    fn what_a_storage_says_of_a_request_reaches_its_client() {
        let document =
            b"<Error><Code>XMinioInvalidObjectName</Code><Message>Object name contains unsupported characters.</Message></Error>";
        let error = StoreError::from(of_document(StatusCode::BAD_REQUEST, document, RequestSubject::Object));
        assert_eq!(error.kind(), StoreErrorKind::InvalidRequest);
        let words = "The storage behind this bucket refuses it: XMinioInvalidObjectName: Object name contains unsupported characters.";
        assert_eq!(error.message(), words);
    }

    #[test]
    fn refused_credentials_are_told_to_the_operator_alone() {
        let document = b"<Error><Code>InvalidAccessKeyId</Code><Message>m</Message></Error>";
        let error = StoreError::from(of_document(StatusCode::FORBIDDEN, document, RequestSubject::Object));
        assert_eq!(error.kind(), StoreErrorKind::Internal);
        assert!(error.to_string().contains("InvalidAccessKeyId"));
    }
}
