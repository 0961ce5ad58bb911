//! Error replies, by the summaries that Dropbox sends: `path/not_found/...`, from the general to the
//! specific.

use crate::{
    backend::oauth,
    store::error::{StoreError, StoreErrorKind},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    summary: String,
    /// The offset where an upload session continues, if the offset was the error.
    pub(super) correct_offset: Option<u64>,
    retry_after: Option<Duration>,
}

#[derive(Deserialize, Default)]
struct Document {
    #[serde(default)]
    error_summary: String,
    #[serde(default)]
    error: Value,
}

impl oauth::Refusal for Refusal {
    const SERVICE: &'static str = "Dropbox";

    fn read(status: StatusCode, retry_after: Option<Duration>, document: &[u8]) -> Self {
        let Document { error_summary, error } = serde_json::from_slice(document).unwrap_or_default();
        let told = error["retry_after"].as_u64().map(Duration::from_secs);
        let offset =
            [&error, &error["lookup_failed"]].iter().find_map(|error| error["correct_offset"].as_u64());
        // Errors about malformed requests are plain text.
        let summary = if error_summary.is_empty() {
            String::from_utf8_lossy(document).into_owned()
        } else {
            error_summary
        };
        Self {
            status,
            summary: summary.chars().take(200).collect(),
            correct_offset: offset,
            retry_after: retry_after.or(told),
        }
    }

    fn is_rate_limit(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS
            || self.says("too_many_write_operations")
            || self.says("too_many_requests")
    }

    fn is_of_token(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// Words of a summary and the errors they map to; the first match counts.
const TAGS: &[(&str, StoreErrorKind)] = &[
    ("insufficient_space", StoreErrorKind::StorageFull),
    ("insufficient_quota", StoreErrorKind::StorageFull),
    ("too_many_files", StoreErrorKind::StorageFull),
    ("too_many_write_operations", StoreErrorKind::Busy),
    ("too_many_requests", StoreErrorKind::Busy),
    ("too_large", StoreErrorKind::EntityTooLarge),
    ("malformed_path", StoreErrorKind::InvalidRequest),
    ("disallowed_name", StoreErrorKind::InvalidRequest),
    ("internal_error", StoreErrorKind::Unavailable),
    ("no_write_permission", StoreErrorKind::AccessDenied),
    ("restricted_content", StoreErrorKind::AccessDenied),
];

impl Refusal {
    /// Returns whether the summary contains this word.
    pub(super) fn says(&self, tag: &str) -> bool {
        self.status.is_client_error() && self.summary.split(['/', ' ']).any(|word| word == tag)
    }

    /// Returns whether the path does not exist. That includes a path below an entry that is not a folder.
    pub(super) fn is_not_found(&self) -> bool {
        self.says("not_found") || self.says("not_folder")
    }

    fn kind(&self) -> StoreErrorKind {
        if let Some((_, kind)) = TAGS.iter().find(|(tag, _)| self.says(tag)) {
            return *kind;
        }
        match self.status.as_u16() {
            429 => StoreErrorKind::Busy,
            400 => StoreErrorKind::InvalidRequest,
            // Another program changed the file during the request.
            409 => StoreErrorKind::Unavailable,
            500..=599 => StoreErrorKind::Unavailable,
            _ => StoreErrorKind::Internal,
        }
    }
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        let kind = refusal.kind();
        let words = match (kind, refusal.status.as_u16()) {
            (StoreErrorKind::InvalidRequest, _) => "Dropbox does not take such a request",
            (StoreErrorKind::EntityTooLarge, _) => "Dropbox takes no file of this size",
            (StoreErrorKind::StorageFull, _) => "the Dropbox is full",
            (StoreErrorKind::Busy, _) => "Dropbox limits the rate of requests",
            (_, 401) => "Dropbox refuses our credentials",
            _ => "Dropbox refused",
        };
        StoreError::new(kind, words).with_source(format!("{} {}", refusal.status.as_u16(), refusal.summary))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::oauth::Refusal as _;

    #[test]
    fn summaries_come_before_statuses() {
        for (status, summary, kind) in [
            (409, "path/insufficient_space/..", StoreErrorKind::StorageFull),
            (409, "path/too_many_write_operations/...", StoreErrorKind::Busy),
            (409, "path/conflict/file/..", StoreErrorKind::Unavailable),
            (409, "path/disallowed_name/", StoreErrorKind::InvalidRequest),
            (429, "too_many_requests/..", StoreErrorKind::Busy),
            (401, "expired_access_token/", StoreErrorKind::Internal),
            (500, "", StoreErrorKind::Unavailable),
        ] {
            let document = format!(r#"{{"error_summary":"{summary}","error":{{".tag":"other"}}}}"#);
            let refusal =
                Refusal::read(StatusCode::from_u16(status).expect("a status"), None, document.as_bytes());
            assert_eq!(refusal.kind(), kind, "{status} {summary}");
        }
        let nested =
            br#"{"error_summary":"lookup_failed/incorrect_offset/..","error":{".tag":"lookup_failed",
            "lookup_failed":{".tag":"incorrect_offset","correct_offset":7}}}"#;
        assert_eq!(Refusal::read(StatusCode::CONFLICT, None, nested).correct_offset, Some(7));
        let plain =
            Refusal::read(StatusCode::BAD_REQUEST, None, b"Error in call to API function \"files/upload\"");
        assert!(StoreError::from(plain).kind() == StoreErrorKind::InvalidRequest);
    }
}
