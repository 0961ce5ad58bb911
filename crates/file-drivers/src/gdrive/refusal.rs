//! Error replies, by the reasons that Drive sends ("Resolve errors" in its documentation).

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
    pub(super) reason: String,
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
    message: String,
    #[serde(default)]
    errors: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    reason: String,
}

const REASONS: &[(&str, StoreErrorKind)] = &[
    ("rateLimitExceeded", StoreErrorKind::Busy),
    ("userRateLimitExceeded", StoreErrorKind::Busy),
    ("sharingRateLimitExceeded", StoreErrorKind::Busy),
    ("dailyLimitExceeded", StoreErrorKind::Busy),
    ("downloadQuotaExceeded", StoreErrorKind::Busy),
    ("backendError", StoreErrorKind::Unavailable),
    ("storageQuotaExceeded", StoreErrorKind::StorageFull),
    ("quotaExceeded", StoreErrorKind::StorageFull),
    ("teamDriveFileLimitExceeded", StoreErrorKind::StorageFull),
    ("numChildrenInNonRootLimitExceeded", StoreErrorKind::StorageFull),
    ("activeItemCreationLimitExceeded", StoreErrorKind::StorageFull),
    ("uploadTooLarge", StoreErrorKind::EntityTooLarge),
    ("myDriveHierarchyDepthLimitExceeded", StoreErrorKind::KeyTooLong),
    ("teamDriveHierarchyTooDeep", StoreErrorKind::KeyTooLong),
    ("invalid", StoreErrorKind::InvalidRequest),
];

impl oauth::Refusal for Refusal {
    const SERVICE: &'static str = "Google Drive";

    fn read(status: StatusCode, retry_after: Option<Duration>, document: &[u8]) -> Self {
        let Document { error } = serde_json::from_slice(document).unwrap_or_default();
        let reason = error.errors.into_iter().next().map(|error| error.reason).unwrap_or_default();
        Self { status, reason, message: error.message.chars().take(200).collect(), retry_after }
    }

    fn is_rate_limit(&self) -> bool {
        self.status == StatusCode::FORBIDDEN
            && matches!(self.reason.as_str(), "rateLimitExceeded" | "userRateLimitExceeded")
    }

    fn is_of_token(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl Refusal {
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self.status, StatusCode::NOT_FOUND | StatusCode::GONE)
    }

    fn kind(&self) -> StoreErrorKind {
        if let Some((_, kind)) = REASONS.iter().find(|(reason, _)| *reason == self.reason) {
            return *kind;
        }
        match self.status.as_u16() {
            403 => StoreErrorKind::AccessDenied,
            429 => StoreErrorKind::Busy,
            413 => StoreErrorKind::EntityTooLarge,
            400 => StoreErrorKind::InvalidRequest,
            // Another program removed the file during the request.
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
            (StoreErrorKind::InvalidRequest, _) => "Google Drive does not take such a request",
            (StoreErrorKind::EntityTooLarge, _) => "Google Drive takes no file of this size",
            (StoreErrorKind::KeyTooLong, _) => "Google Drive has no folders so deep",
            (StoreErrorKind::StorageFull, _) => "the drive is full",
            (StoreErrorKind::Busy, _) => "Google Drive limits the rate of requests",
            (_, 401) => "Google Drive refuses our credentials",
            _ => "Google Drive refused",
        };
        StoreError::new(kind, words).with_source(format!(
            "{} {} {}",
            refusal.status.as_u16(),
            refusal.reason,
            refusal.message
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_come_before_statuses() {
        for (status, reason, kind) in [
            (403, "userRateLimitExceeded", StoreErrorKind::Busy),
            (403, "storageQuotaExceeded", StoreErrorKind::StorageFull),
            (403, "insufficientFilePermissions", StoreErrorKind::AccessDenied),
            (429, "", StoreErrorKind::Busy),
            (503, "", StoreErrorKind::Unavailable),
            (404, "notFound", StoreErrorKind::Unavailable),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let refusal =
                Refusal { status, reason: reason.into(), message: String::new(), retry_after: None };
            assert_eq!(refusal.kind(), kind, "{status} {reason}");
        }
    }
}
