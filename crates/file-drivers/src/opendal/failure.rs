//! Maps errors to the kinds that S3 has replies for. OpenDAL's own texts are not passed on: they contain URLs
//! and headers, and those contain secrets. The storage's own message is passed on, after known secrets were
//! removed.

use super::transport::LastReply;
use crate::{
    model::Secret,
    store::error::{StoreError, StoreErrorKind},
};
use ::opendal::{Error, ErrorKind};

/// Words in error replies of providers that mean a quota is used up.
const QUOTA: &[&str] = &[
    "storage_cap_exceeded",
    "DiskStorageQuotaExceeded",
    "DiskResourceLockedError: quota",
    "\"result\": 2008",
    "\"result\":2008",
    "QuotaExceeded",
    "quota exceeded",
    "out of quota",
    "Out of quota",
    "InsufficientStorage",
];
/// Codes for a limit on requests or traffic, which is reset at the end of the day or sooner.
const CAPS: &[&str] = &["download_cap_exceeded", "transaction_cap_exceeded"];

#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: StoreErrorKind,
    text: String,
    /// Whether it is certain that the operation was not carried out.
    pub(super) is_refused: bool,
    /// Whether new credentials may help.
    pub(super) is_unauthorised: bool,
    /// The storage accepts the credentials, but denies this operation.
    is_forbidden: bool,
}

impl Failure {
    pub(super) fn new(kind: StoreErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), is_refused: false, is_unauthorised: false, is_forbidden: false }
    }

    pub(super) fn of(error: &Error, seen: &LastReply, secrets: &[Secret]) -> Self {
        let status = seen
            .status
            .filter(|status| status.is_client_error() || status.is_server_error())
            .map(|status| status.as_u16());
        let excerpt = scrubbed(&seen.excerpt, secrets);
        let says = |words: &[&str]| words.iter().any(|word| seen.excerpt.contains(word));
        let kind = match (seen.lost, status, error.kind()) {
            (Some(kind), ..) => kind,
            (_, Some(507), _) => StoreErrorKind::StorageFull,
            _ if says(QUOTA) || error_says(error, QUOTA) => StoreErrorKind::StorageFull,
            _ if says(CAPS) => StoreErrorKind::Busy,
            (_, Some(413), _) => StoreErrorKind::EntityTooLarge,
            (_, Some(423 | 429 | 503), _) | (_, _, ErrorKind::RateLimited) => StoreErrorKind::Busy,
            (_, Some(408 | 500 | 502 | 504), _) => StoreErrorKind::Unavailable,
            // The file was replaced while it was read: its tag or its size shows that.
            (_, Some(412 | 416), _) | (_, _, ErrorKind::ConditionNotMatch | ErrorKind::RangeNotSatisfied) => {
                StoreErrorKind::Conflict
            }
            (_, _, ErrorKind::Unsupported) => StoreErrorKind::NotImplemented,
            (_, None, ErrorKind::Unexpected) if error.is_temporary() => StoreErrorKind::Unavailable,
            _ => StoreErrorKind::Internal,
        };
        let text = match (status, seen.lost.is_some(), excerpt.is_empty()) {
            (_, true, false) => excerpt,
            (Some(status), _, true) => format!("the storage answered {status}"),
            (Some(status), _, false) => format!("the storage answered {status}: {excerpt}"),
            // Only the message is used, because the library adds URLs and headers to the full text.
            _ => scrubbed(&error.message().chars().take(200).collect::<String>(), secrets),
        };
        Self {
            kind,
            text,
            is_refused: matches!(status, Some(400..=499 | 503)),
            is_unauthorised: matches!(status, Some(401 | 403)) && kind == StoreErrorKind::Internal,
            is_forbidden: status == Some(403) && kind == StoreErrorKind::Internal,
        }
    }

    pub(super) fn is_temporary(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Busy | StoreErrorKind::Unavailable)
    }

    pub(super) fn into_error(self, what: &str) -> StoreError {
        // New credentials were tried before this point.
        let kind = if self.is_forbidden { StoreErrorKind::AccessDenied } else { self.kind };
        StoreError::new(kind, format!("{what}: {}", self.text))
    }
}

/// Returns whether the message contains one of the words. Some services reply 200 with an error in the body.
fn error_says(error: &Error, words: &[&str]) -> bool {
    words.iter().any(|word| error.message().contains(word)) || error.message().contains("result: 2008")
}

/// Returns whether a 200 of pCloud contains its code for "File not found" or "Directory does not exist".
pub(super) fn is_gone(error: &Error) -> bool {
    ["result: 2009,", "result: 2005,"].iter().any(|word| error.message().contains(word))
}

fn scrubbed(text: &str, secrets: &[Secret]) -> String {
    let text = secrets
        .iter()
        .map(Secret::expose)
        .filter(|secret| secret.len() > 3)
        .fold(text.to_owned(), |text, secret| text.replace(secret, "(secret)"));
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    fn seen(status: u16, excerpt: &str) -> LastReply {
        LastReply {
            status: StatusCode::from_u16(status).ok(),
            excerpt: excerpt.to_owned(),
            ..LastReply::default()
        }
    }

    #[test]
    fn replies_have_the_kinds_that_s3_answers_by() {
        let error = Error::new(ErrorKind::Unexpected, "x");
        for (status, excerpt, kind) in [
            (429, "", StoreErrorKind::Busy),
            (503, "", StoreErrorKind::Busy),
            (500, "", StoreErrorKind::Unavailable),
            (507, "", StoreErrorKind::StorageFull),
            (403, r#"{"code": "storage_cap_exceeded"}"#, StoreErrorKind::StorageFull),
            (403, r#"{"code": "transaction_cap_exceeded"}"#, StoreErrorKind::Busy),
            (403, "no", StoreErrorKind::Internal),
            (413, "", StoreErrorKind::EntityTooLarge),
        ] {
            assert_eq!(Failure::of(&error, &seen(status, excerpt), &[]).kind, kind, "{status} {excerpt}");
        }
        assert!(Failure::of(&error, &seen(401, ""), &[]).is_unauthorised);
    }

    #[test]
    fn no_secret_comes_through() {
        let error =
            Error::new(ErrorKind::Unexpected, "https://x/?password=hunter2").with_context("uri", "hunter2");
        let failure = Failure::of(&error, &seen(400, "bad\n password 'hunter2'"), &[Secret::new("hunter2")]);
        let text = failure.into_error("looking").to_string();
        assert_eq!(text, "looking: the storage answered 400: bad password '(secret)'");
    }
}
