//! S3's error codes, and the one place where inner errors become them.
//!
//! Messages reach clients: nothing of a source (paths, SQL, secrets) may be in one. Sources are for the log.

use crate::{
    buckets::BucketError,
    store::{
        error::{StoreError, StoreErrorKind},
        payload::PayloadError,
    },
    xml,
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use std::fmt;

macro_rules! codes {
    ($($name:ident $status:literal $message:literal),+ $(,)?) => {
        /// S3 API reference, "Error responses".
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ErrorCode { $($name),+ }

        impl ErrorCode {
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }

            pub fn status(self) -> StatusCode {
                let status = match self { $(Self::$name => $status),+ };
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }

            pub fn message(self) -> &'static str {
                match self { $(Self::$name => $message),+ }
            }
        }
    };
}

codes! {
    AccessDenied 403 "Access Denied",
    AccessControlListNotSupported 400 "The bucket does not allow ACLs",
    AccessForbidden 403 "CORSResponse: CORS is not enabled for this bucket.",
    AuthorizationHeaderMalformed 400 "The authorization header that you provided is not valid.",
    AuthorizationQueryParametersError 400 "The authorization query parameters that you provided are not valid.",
    BadDigest 400 "The Content-MD5 or checksum value that you specified did not match what the server received.",
    BadRequest 400 "Bad Request",
    BucketAlreadyExists 409 "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.",
    BucketAlreadyOwnedByYou 409 "The bucket that you tried to create already exists, and you own it.",
    BucketNotEmpty 409 "The bucket that you tried to delete is not empty.",
    ConditionalRequestConflict 409 "The conditional request cannot succeed due to a conflicting operation against this resource.",
    EntityTooLarge 400 "Your proposed upload exceeds the maximum allowed object size.",
    EntityTooSmall 400 "Your proposed upload is smaller than the minimum allowed object size. Each part except the last must be at least 5 MB in size.",
    ExpectationFailed 417 "The expectation of the Expect header cannot be met.",
    IllegalLocationConstraintException 400 "The specified location constraint is not valid.",
    IncompleteBody 400 "You did not provide the number of bytes specified by the Content-Length HTTP header.",
    InternalError 500 "We encountered an internal error. Please try again.",
    InvalidAccessKeyId 403 "The AWS access key ID that you provided does not exist in our records.",
    InvalidArgument 400 "Invalid Argument",
    InvalidBucketName 400 "The specified bucket is not valid.",
    InvalidDigest 400 "The Content-MD5 or checksum value that you specified is not valid.",
    InvalidEncryptionAlgorithmError 400 "The encryption request that you specified is not valid.",
    InvalidLocationConstraint 400 "The specified location constraint is not valid.",
    InvalidObjectState 403 "The operation is not valid for the current state of the object.",
    InvalidPart 400 "One or more of the specified parts could not be found. The part might not have been uploaded, or the specified entity tag might not have matched the part's entity tag.",
    InvalidPartNumber 416 "The requested partnumber is not satisfiable",
    InvalidPartOrder 400 "The list of parts was not in ascending order. Parts must be ordered by part number.",
    InvalidRange 416 "The requested range is not satisfiable",
    InvalidRedirectLocation 400 "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
    InvalidRequest 400 "Invalid Request",
    InvalidSecurity 403 "The provided security credentials are not valid.",
    InvalidStorageClass 400 "The storage class you specified is not valid",
    InvalidTag 400 "The tag provided was not a valid tag.",
    InvalidToken 400 "The provided token is malformed or otherwise not valid.",
    InvalidURI 400 "The specified URI couldn't be parsed.",
    KeyTooLongError 400 "Your key is too long.",
    MalformedACLError 400 "The ACL that you provided was not well formed or did not validate against our published schema.",
    MalformedXML 400 "The XML that you provided was not well formed or did not validate against our published schema.",
    MaxMessageLengthExceeded 400 "Your request was too large.",
    MetadataTooLarge 400 "Your metadata headers exceed the maximum allowed metadata size.",
    MethodNotAllowed 405 "The specified method is not allowed against this resource.",
    MissingContentLength 411 "You must provide the Content-Length HTTP header.",
    MissingRequestBodyError 400 "Request body is empty.",
    MissingSecurityHeader 400 "Your request is missing a required header.",
    NoSuchBucket 404 "The specified bucket does not exist.",
    NoSuchKey 404 "The specified key does not exist.",
    NoSuchTagSet 404 "The TagSet does not exist.",
    NoSuchUpload 404 "The specified multipart upload does not exist. The upload ID might be invalid, or the multipart upload might have been aborted or completed.",
    NoSuchVersion 404 "The specified version does not exist.",
    NotImplemented 501 "A header or operation that you provided implies functionality that is not implemented.",
    NotModified 304 "Not Modified",
    OperationAborted 409 "A conflicting conditional operation is currently in progress against this resource. Try again.",
    PreconditionFailed 412 "At least one of the preconditions that you specified did not hold.",
    RequestHeaderSectionTooLarge 400 "Your request header and query parameters exceed the maximum allowed size.",
    RequestTimeTooSkewed 403 "The difference between the request time and the server's time is too large.",
    RequestTimeout 400 "Your socket connection to the server was not read from or written to within the timeout period.",
    ServiceUnavailable 503 "Service is unable to handle request.",
    SignatureDoesNotMatch 403 "The request signature that we calculated does not match the signature that you provided. Check your secret access key and signing method.",
    SlowDown 503 "Please reduce your request rate.",
    StorageFull 507 "The storage behind this bucket is full.",
    UnexpectedContent 400 "This request contains unsupported content.",
    XAmzContentSHA256Mismatch 400 "The provided 'x-amz-content-sha256' header does not match what was computed.",
}

/// Told apart from a storage that is full: its operator is another one.
const DATA_FULL: &str = "The data directory of the gateway is full. Objects can be deleted and uploads aborted.";

#[derive(Debug)]
pub struct S3Error {
    pub code: ErrorCode,
    pub message: String,
    /// Further elements of the error document: `ArgumentName`, `Key`, `BucketName`, …
    pub details: Vec<(&'static str, String)>,
    /// Of the reply. A list, not a map: errors travel in every `Result`, and few of them have any.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl S3Error {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Vec::new(), headers: Vec::new(), source: None }
    }

    /// 400 InvalidArgument with the argument named.
    pub fn argument(name: impl Into<String>, value: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidArgument, message).detail("ArgumentName", name).detail("ArgumentValue", value)
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

impl From<PayloadError> for S3Error {
    fn from(error: PayloadError) -> Self {
        let code = match error {
            PayloadError::Incomplete | PayloadError::Disconnected => ErrorCode::IncompleteBody,
            PayloadError::Sha256Mismatch => ErrorCode::XAmzContentSHA256Mismatch,
            PayloadError::Md5Mismatch | PayloadError::ChecksumMismatch(_) => ErrorCode::BadDigest,
            PayloadError::SignatureMismatch => ErrorCode::SignatureDoesNotMatch,
            PayloadError::Framing(_) => ErrorCode::InvalidRequest,
            PayloadError::Trailer(_) => ErrorCode::InvalidRequest,
            PayloadError::TooLarge => ErrorCode::MaxMessageLengthExceeded,
            PayloadError::Timeout => ErrorCode::RequestTimeout,
            PayloadError::Source => ErrorCode::InternalError,
            PayloadError::NoMemory => ErrorCode::SlowDown,
        };
        let message = match error {
            PayloadError::ChecksumMismatch(_) | PayloadError::Md5Mismatch | PayloadError::Framing(_) | PayloadError::Trailer(_) => {
                error.to_string()
            }
            _ => code.message().to_owned(),
        };
        Self::new(code, message).with_source(error)
    }
}

impl From<StoreError> for S3Error {
    fn from(error: StoreError) -> Self {
        use StoreErrorKind as Kind;
        let code = match error.kind() {
            Kind::NoSuchKey => ErrorCode::NoSuchKey,
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
            Kind::Unavailable => ErrorCode::ServiceUnavailable,
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
        match error.kind() {
            Kind::InvalidRange { size } => {
                s3 = s3.detail("ActualObjectSize", size.to_string());
                if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
                    s3 = s3.header(header::CONTENT_RANGE, value);
                }
            }
            Kind::InvalidPartNumber { parts } => s3 = s3.detail("ActualPartCount", parts.to_string()),
            Kind::Busy | Kind::Unavailable => s3 = s3.header(header::RETRY_AFTER, HeaderValue::from_static("1")),
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
            BucketError::Exists(_) | BucketError::PlaceTaken(_) => ErrorCode::BucketAlreadyExists,
            BucketError::NotEmpty => ErrorCode::BucketNotEmpty,
            BucketError::NothingThere | BucketError::Foreign(_) | BucketError::NoSuchBackend(_) => ErrorCode::InternalError,
            BucketError::NoDefaultBackend => return S3Error::not_implemented("CreateBucket without a default backend"),
            BucketError::Store(error) => return error.into(),
        };
        S3Error::from(code).with_source(error)
    }
}
