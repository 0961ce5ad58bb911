//! Error replies, by the codes that Microsoft Graph sends ("Microsoft Graph error responses and resource
//! types").

use crate::{
    backend::oauth,
    store::error::{StoreError, StoreErrorKind},
};
use http::StatusCode;
use serde::Deserialize;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: String,
    message: String,
    retry_after: Option<Duration>,
}

#[derive(Deserialize, Default)]
struct Document {
    #[serde(default)]
    error: Inner,
}

#[derive(Deserialize, Default)]
struct Inner {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl oauth::Refusal for Refusal {
    const SERVICE: &'static str = "OneDrive";

    fn read(status: StatusCode, retry_after: Option<Duration>, document: &[u8]) -> Self {
        let Document { error } = serde_json::from_slice(document).unwrap_or_default();
        Self { status, code: error.code, message: error.message.chars().take(200).collect(), retry_after }
    }

    /// 509 is sent to clients that ignored 429.
    fn is_rate_limit(&self) -> bool {
        matches!(self.status.as_u16(), 429 | 509)
            || (self.status == StatusCode::SERVICE_UNAVAILABLE && self.retry_after.is_some())
    }

    fn is_of_token(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

const CODES: &[(&str, StoreErrorKind)] = &[
    ("quotaLimitReached", StoreErrorKind::StorageFull),
    ("insufficientStorage", StoreErrorKind::StorageFull),
    ("activityLimitReached", StoreErrorKind::Busy),
    ("pathIsTooLong", StoreErrorKind::KeyTooLong),
    ("resourceLocked", StoreErrorKind::Busy),
];

impl Refusal {
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self.status, StatusCode::NOT_FOUND | StatusCode::GONE)
    }

    /// Returns whether the name is taken.
    pub(super) fn is_conflict(&self) -> bool {
        self.status == StatusCode::CONFLICT
    }

    fn kind(&self) -> StoreErrorKind {
        if let Some((_, kind)) = CODES.iter().find(|(code, _)| *code == self.code) {
            return *kind;
        }
        match self.status.as_u16() {
            507 => StoreErrorKind::StorageFull,
            423 | 429 | 509 => StoreErrorKind::Busy,
            403 => StoreErrorKind::AccessDenied,
            413 => StoreErrorKind::EntityTooLarge,
            400 => StoreErrorKind::InvalidRequest,
            // Another program changed the file during the request.
            404 | 409 | 410 | 412 => StoreErrorKind::Unavailable,
            500..=599 => StoreErrorKind::Unavailable,
            _ => StoreErrorKind::Internal,
        }
    }
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        let kind = refusal.kind();
        let words = match (kind, refusal.status.as_u16()) {
            (StoreErrorKind::InvalidRequest, _) => "OneDrive does not take such a request",
            (StoreErrorKind::EntityTooLarge, _) => "OneDrive takes no file of this size",
            (StoreErrorKind::KeyTooLong, _) => super::TOO_LONG,
            (StoreErrorKind::StorageFull, _) => "the drive is full",
            (StoreErrorKind::Busy, _) => "OneDrive limits the rate of requests",
            (_, 401) => "OneDrive refuses our credentials",
            _ => "OneDrive refused",
        };
        StoreError::new(kind, words).with_source(format!(
            "{} {} {}",
            refusal.status.as_u16(),
            refusal.code,
            refusal.message
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::oauth::Refusal as _;

    #[test]
    fn codes_come_before_statuses() {
        for (status, code, kind) in [
            (429, "activityLimitReached", StoreErrorKind::Busy),
            (509, "", StoreErrorKind::Busy),
            (507, "quotaLimitReached", StoreErrorKind::StorageFull),
            (403, "quotaLimitReached", StoreErrorKind::StorageFull),
            (403, "accessDenied", StoreErrorKind::AccessDenied),
            (503, "serviceNotAvailable", StoreErrorKind::Unavailable),
            (404, "itemNotFound", StoreErrorKind::Unavailable),
        ] {
            let document = format!(r#"{{"error":{{"code":"{code}","message":"m","innerError":{{}}}}}}"#);
            let refusal =
                Refusal::read(StatusCode::from_u16(status).expect("a status"), None, document.as_bytes());
            assert_eq!(refusal.kind(), kind, "{status} {code}");
        }
    }
}
