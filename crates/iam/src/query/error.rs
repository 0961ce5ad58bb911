//! Errors as IAM and STS answer them.
//!
//! Messages reach clients: they contain nothing of a source. Sources are for the log.

use crate::directory::DirectoryError;
use http::StatusCode;
use std::io;

macro_rules! codes {
    ($($name:ident $text:literal $status:literal),+ $(,)?) => {
        /// IAM API reference and STS API reference, "Common errors" and those of each action.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $($name),+ }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$name),+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            pub fn status(self) -> StatusCode {
                let status = match self { $(Self::$name => $status),+ };
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    };
}

codes! {
    AccessDenied "AccessDenied" 403,
    DeleteConflict "DeleteConflict" 409,
    EntityAlreadyExists "EntityAlreadyExists" 409,
    ExpiredToken "ExpiredToken" 403,
    ExpiredTokenException "ExpiredTokenException" 400,
    IdpCommunicationError "IDPCommunicationError" 400,
    IdpRejectedClaim "IDPRejectedClaim" 403,
    IncompleteSignature "IncompleteSignature" 400,
    InvalidAction "InvalidAction" 400,
    InvalidClientTokenId "InvalidClientTokenId" 403,
    InvalidIdentityToken "InvalidIdentityToken" 400,
    InvalidInput "InvalidInput" 400,
    LimitExceeded "LimitExceeded" 409,
    MalformedPolicyDocument "MalformedPolicyDocument" 400,
    MissingAction "MissingAction" 400,
    MissingAuthenticationToken "MissingAuthenticationToken" 403,
    NoSuchEntity "NoSuchEntity" 404,
    NotImplemented "NotImplemented" 501,
    PackedPolicyTooLarge "PackedPolicyTooLarge" 400,
    RequestEntityTooLarge "RequestEntityTooLarge" 413,
    RequestTimeout "RequestTimeout" 408,
    ServiceFailure "ServiceFailure" 500,
    ServiceUnavailable "ServiceUnavailable" 503,
    SignatureDoesNotMatch "SignatureDoesNotMatch" 403,
    Throttling "Throttling" 503,
    UnmodifiableEntity "UnmodifiableEntity" 400,
    ValidationError "ValidationError" 400,
}

#[derive(Debug)]
pub struct QueryError {
    pub code: Code,
    pub message: String,
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl QueryError {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), source: None }
    }

    /// 400 ValidationError.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::ValidationError, message)
    }

    fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let message = "The request processing has failed because of an unknown error";
        Self { source: Some(source.into()), ..Self::new(Code::ServiceFailure, message) }
    }
}

impl From<DirectoryError> for QueryError {
    fn from(error: DirectoryError) -> Self {
        Self::internal(error)
    }
}

impl From<io::Error> for QueryError {
    fn from(error: io::Error) -> Self {
        Self::internal(error)
    }
}
