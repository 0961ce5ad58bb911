//! Errors as S3 answers them, and the one place where inner errors are mapped to them. The codes are in
//! `code`; what a request adds to its error document is in `about`.
//!
//! Messages reach clients: they must contain nothing of a source (paths, SQL, secrets). Sources are for the
//! log.

mod code;

use crate::{
    buckets::BucketError,
    model::{MAX_KEY_BYTES, ObjectKeyError},
    store::{
        error::{StoreError, StoreErrorKind},
        payload::PayloadError,
    },
    xml,
};
use base64::{Engine, engine::general_purpose::STANDARD};
pub use code::ErrorCode;
use http::{HeaderName, HeaderValue, StatusCode, header};
use std::{fmt, time::Duration};

/// The message for a full data directory. It differs from that for a full storage, which may have another
/// operator.
const DATA_FULL: &str =
    "The data directory of the gateway is full. Objects can be deleted and uploads aborted.";

/// The message of the code speaks of parts.
const FILE_TOO_SMALL: &str = "Your proposed upload is smaller than the minimum allowed size.";

/// Maximum number of seconds that a client is asked to wait: SDKs obey it, and an operator may end a longer
/// outage.
const LONGEST_WAIT: u64 = 3600;

#[derive(Debug)]
pub struct S3Error {
    pub code: ErrorCode,
    pub message: String,
    /// Further elements of the error document: `ArgumentName`, `Key`, `BucketName`, …
    pub details: Vec<(&'static str, String)>,
    /// Headers of the reply. This is a list and not a map: errors travel in every `Result`, and few of them
    /// have any.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl S3Error {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Vec::new(), headers: Vec::new(), source: None }
    }

    /// 400 InvalidArgument with the argument named.
    pub fn argument(name: impl Into<String>, value: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidArgument, message)
            .detail("ArgumentName", name)
            .detail("ArgumentValue", value)
    }

    /// 501 for a header that we cannot honour.
    pub fn unsupported_header(name: &str) -> Self {
        Self::not_implemented(format_args!("The header {name}")).detail("Header", name)
    }

    pub fn not_implemented(what: impl fmt::Display) -> Self {
        Self::new(ErrorCode::NotImplemented, format!("{what} is not implemented"))
    }

    pub fn detail(mut self, element: &'static str, value: impl Into<String>) -> Self {
        self.details.push((element, value.into()));
        self
    }

    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With `Retry-After`, in whole seconds and never none.
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds.clamp(1, LONGEST_WAIT)))
    }

    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub fn status(&self) -> StatusCode {
        self.code.status()
    }
}

impl From<ErrorCode> for S3Error {
    fn from(code: ErrorCode) -> Self {
        Self::new(code, code.message())
    }
}

impl From<ObjectKeyError> for S3Error {
    fn from(error: ObjectKeyError) -> Self {
        match error {
            ObjectKeyError::Empty => ErrorCode::InvalidURI.into(),
            ObjectKeyError::TooLong(size) => Self::from(ErrorCode::KeyTooLongError)
                .detail("Size", size.to_string())
                .detail("MaxSizeAllowed", MAX_KEY_BYTES.to_string()),
        }
    }
}

impl From<PayloadError> for S3Error {
    fn from(error: PayloadError) -> Self {
        let code = match error {
            // S3 does not tell broken framing from a body that was cut short.
            PayloadError::Incomplete | PayloadError::Disconnected | PayloadError::Framing(_) => {
                ErrorCode::IncompleteBody
            }
            PayloadError::Sha256Mismatch { .. } => ErrorCode::XAmzContentSHA256Mismatch,
            PayloadError::Md5Mismatch { .. } | PayloadError::ChecksumMismatch(_) => ErrorCode::BadDigest,
            PayloadError::SignatureMismatch => ErrorCode::SignatureDoesNotMatch,
            PayloadError::InvalidChecksum(_) => ErrorCode::InvalidRequest,
            PayloadError::Trailer(_) => ErrorCode::MalformedTrailerError,
            PayloadError::TooLarge(_) => ErrorCode::MaxMessageLengthExceeded,
            PayloadError::Form(_) => ErrorCode::MalformedPOSTRequest,
            PayloadError::FileTooLarge { .. } => ErrorCode::EntityTooLarge,
            PayloadError::FileTooSmall { .. } => ErrorCode::EntityTooSmall,
            PayloadError::Timeout => ErrorCode::RequestTimeout,
            PayloadError::Source => ErrorCode::InternalError,
            PayloadError::NoMemory => ErrorCode::SlowDown,
        };
        let message = match error {
            PayloadError::ChecksumMismatch(_)
            | PayloadError::Md5Mismatch { .. }
            | PayloadError::InvalidChecksum(_)
            | PayloadError::Framing(_)
            | PayloadError::Form(_)
            | PayloadError::Trailer(_) => error.to_string(),
            PayloadError::FileTooSmall { .. } => FILE_TOO_SMALL.to_owned(),
            _ => code.message().to_owned(),
        };
        let s3 = Self::new(code, message);
        let s3 = match error {
            PayloadError::FileTooLarge { length, most } => {
                s3.detail("ProposedSize", length.to_string()).detail("MaxSizeAllowed", most.to_string())
            }
            PayloadError::FileTooSmall { length, least } => {
                s3.detail("ProposedSize", length.to_string()).detail("MinSizeAllowed", least.to_string())
            }
            PayloadError::TooLarge(limit) => s3.detail("MaxMessageLengthBytes", limit.to_string()),
            // S3 writes the one as it was computed and the other as it came, in these two forms.
            PayloadError::Md5Mismatch { announced, computed } => s3
                .detail("ExpectedDigest", hex::encode(announced))
                .detail("CalculatedDigest", STANDARD.encode(computed)),
            PayloadError::Sha256Mismatch { announced, computed } => s3
                .detail("ClientComputedContentSHA256", hex::encode(announced))
                .detail("S3ComputedContentSHA256", hex::encode(computed)),
            PayloadError::NoMemory => s3.retry_after(Duration::ZERO),
            _ => s3,
        };
        s3.with_source(error)
    }
}

impl From<StoreError> for S3Error {
    fn from(error: StoreError) -> Self {
        use StoreErrorKind as Kind;
        let code = match error.kind() {
            Kind::NoSuchKey => ErrorCode::NoSuchKey,
            Kind::NoSuchVersion => ErrorCode::NoSuchVersion,
            Kind::NoSuchUpload => ErrorCode::NoSuchUpload,
            Kind::PreconditionFailed => ErrorCode::PreconditionFailed,
            Kind::NotModified => ErrorCode::NotModified,
            Kind::Conflict => ErrorCode::ConditionalRequestConflict,
            Kind::InvalidRange { .. } => ErrorCode::InvalidRange,
            Kind::InvalidPartNumber { .. } => ErrorCode::InvalidPartNumber,
            Kind::InvalidPart => ErrorCode::InvalidPart,
            Kind::EntityTooSmall => ErrorCode::EntityTooSmall,
            Kind::EntityTooLarge => ErrorCode::EntityTooLarge,
            Kind::BadDigest => ErrorCode::BadDigest,
            Kind::InvalidRequest => ErrorCode::InvalidRequest,
            Kind::InvalidObjectState => ErrorCode::InvalidObjectState,
            Kind::InvalidStorageClass => ErrorCode::InvalidStorageClass,
            Kind::KeyTooLong => ErrorCode::KeyTooLongError,
            Kind::AccessDenied => ErrorCode::AccessDenied,
            Kind::AclNotSupported => ErrorCode::AccessControlListNotSupported,
            Kind::NotImplemented => ErrorCode::NotImplemented,
            Kind::Busy => ErrorCode::SlowDown,
            Kind::Unavailable | Kind::NoConnection => ErrorCode::ServiceUnavailable,
            Kind::StorageFull | Kind::DataFull => ErrorCode::StorageFull,
            Kind::Internal | Kind::Broken => ErrorCode::InternalError,
            Kind::Payload => match error.payload() {
                Some(payload) => return (*payload).into(),
                None => ErrorCode::InternalError,
            },
        };
        // These two kinds carry words meant for the client; the others may hold paths.
        let message = match error.kind() {
            Kind::InvalidRequest | Kind::NotImplemented | Kind::BadDigest => error.message().to_owned(),
            Kind::DataFull => DATA_FULL.to_owned(),
            _ => code.message().to_owned(),
        };
        let mut s3 = Self::new(code, message);
        s3.details.extend_from_slice(error.details());
        match error.kind() {
            Kind::InvalidRange { size } => {
                s3 = s3.detail("ActualObjectSize", size.to_string());
                if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
                    s3 = s3.header(header::CONTENT_RANGE, value);
                }
            }
            Kind::InvalidPartNumber { parts } => s3 = s3.detail("ActualPartCount", parts.to_string()),
            Kind::Busy | Kind::Unavailable | Kind::NoConnection => {
                s3 = s3.retry_after(error.wait().unwrap_or_default())
            }
            _ => {}
        }
        s3.with_source(error)
    }
}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for S3Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<xml::Malformed> for S3Error {
    fn from(_: xml::Malformed) -> Self {
        ErrorCode::MalformedXML.into()
    }
}

impl From<BucketError> for S3Error {
    fn from(error: BucketError) -> Self {
        let code = match error {
            BucketError::NoSuchBucket => ErrorCode::NoSuchBucket,
            BucketError::Exists(_) | BucketError::LocationTaken(_) => ErrorCode::BucketAlreadyExists,
            BucketError::NotEmpty => ErrorCode::BucketNotEmpty,
            BucketError::Migrating => ErrorCode::OperationAborted,
            BucketError::NothingThere | BucketError::Foreign(_) | BucketError::NoSuchBackend(_) => {
                ErrorCode::InternalError
            }
            BucketError::NoDefaultBackend => {
                return S3Error::not_implemented("CreateBucket without a default backend");
            }
            BucketError::Store(error) => return error.into(),
        };
        S3Error::from(code).with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_how_long_to_wait_in_whole_seconds_within_reason() {
        let told = |error: StoreError| {
            let headers = S3Error::from(error).headers;
            let after = headers.iter().find(|(name, _)| *name == header::RETRY_AFTER);
            after.map(|(_, value)| value.to_str().expect("a number").to_owned())
        };
        let busy =
            |wait| told(StoreError::from(StoreErrorKind::Busy).with_retry_after(Duration::from_micros(wait)));
        assert_eq!(told(StoreErrorKind::Busy.into()).as_deref(), Some("1"), "nobody knows");
        for (micros, seconds) in
            [(0, "1"), (1_000_000, "1"), (1_000_001, "2"), (90_000_000, "90"), (u64::MAX, "3600")]
        {
            assert_eq!(busy(micros).as_deref(), Some(seconds), "{micros}");
        }
        assert_eq!(told(StoreErrorKind::Internal.into()), None);
    }
}
