//! Error replies of Azure: read once, and mapped to error kinds by one table.

use crate::{
    backend::wire::Reply,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
    xml,
};
use http::StatusCode;
use std::fmt;

/// The maximum size of an error document. Real ones are much shorter.
const LONGEST: usize = 64 << 10;

#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: String,
    message: String,
}

pub(super) async fn read(reply: Reply) -> Refusal {
    let status = reply.status;
    let code = reply.header("x-ms-error-code").map(str::to_owned);
    let document = reply.bytes(LONGEST).await.unwrap_or_default();
    let error = xml::parse(&document, "Error").unwrap_or_default();
    let value = |name| error.value(name).unwrap_or_default().trim().to_owned();
    // The lines after the first one contain the request id and the time.
    let message = value("Message").lines().next().unwrap_or_default().to_owned();
    Refusal { status, code: code.unwrap_or_else(|| value("Code")), message }
}

/// Returns the reply if it reports success, otherwise its error.
pub(super) async fn accept(reply: Reply) -> Result<Reply> {
    if reply.status.is_success() { Ok(reply) } else { Err(read(reply).await.into()) }
}

/// Azure's codes ("Status and error codes", "Blob service error codes") and the errors they map to.
const CODES: &[(&str, StoreErrorKind)] = &[
    ("BlobNotFound", StoreErrorKind::NoSuchKey),
    ("ContainerNotFound", StoreErrorKind::Unavailable),
    ("ContainerDisabled", StoreErrorKind::Unavailable),
    ("ContainerBeingDeleted", StoreErrorKind::Busy),
    ("ResourceNotFound", StoreErrorKind::Unavailable),
    ("AccountBeingCreated", StoreErrorKind::Unavailable),
    ("BlobAlreadyExists", StoreErrorKind::PreconditionFailed),
    ("ConditionNotMet", StoreErrorKind::PreconditionFailed),
    ("TargetConditionNotMet", StoreErrorKind::PreconditionFailed),
    ("SourceConditionNotMet", StoreErrorKind::Conflict),
    // Another client holds the blob: by a lease, a copy to it, or a policy.
    ("LeaseIdMissing", StoreErrorKind::Conflict),
    ("LeaseLost", StoreErrorKind::Conflict),
    // Another program has staged blocks for this key whose ids have another length.
    ("InvalidBlobOrBlock", StoreErrorKind::Conflict),
    ("PendingCopyOperation", StoreErrorKind::Busy),
    ("SnapshotsPresent", StoreErrorKind::Conflict),
    ("BlobImmutableDueToPolicy", StoreErrorKind::Conflict),
    ("BlobArchived", StoreErrorKind::InvalidObjectState),
    ("BlobBeingRehydrated", StoreErrorKind::InvalidObjectState),
    ("ServerBusy", StoreErrorKind::Busy),
    ("OperationTimedOut", StoreErrorKind::Unavailable),
    ("InternalError", StoreErrorKind::Unavailable),
    ("RequestBodyTooLarge", StoreErrorKind::EntityTooLarge),
    ("BlockCountExceedsLimit", StoreErrorKind::EntityTooLarge),
    ("MetadataTooLarge", StoreErrorKind::InvalidRequest),
    ("InvalidResourceName", StoreErrorKind::InvalidRequest),
    ("OutOfRangeInput", StoreErrorKind::InvalidRequest),
];

impl Refusal {
    pub(super) fn kind(&self) -> StoreErrorKind {
        if let Some((_, kind)) = CODES.iter().find(|(code, _)| *code == self.code) {
            return *kind;
        }
        match self.status.as_u16() {
            304 => StoreErrorKind::NotModified,
            404 if self.code.is_empty() => StoreErrorKind::NoSuchKey,
            404 => StoreErrorKind::Unavailable,
            412 => StoreErrorKind::PreconditionFailed,
            409 => StoreErrorKind::Conflict,
            429 | 503 => StoreErrorKind::Busy,
            501 => StoreErrorKind::NotImplemented,
            507 => StoreErrorKind::StorageFull,
            500..=599 => StoreErrorKind::Unavailable,
            _ => StoreErrorKind::Internal,
        }
    }

    /// Returns whether a condition of the write was not met.
    pub(super) fn is_lost_race(&self) -> bool {
        self.kind() == StoreErrorKind::PreconditionFailed
    }

    /// Returns whether the source of a copy has been replaced.
    pub(super) fn is_about_source(&self) -> bool {
        self.code == "SourceConditionNotMet"
    }

    /// Returns whether blocks that were sent no longer exist: another writer has published, which discards
    /// them.
    pub(super) fn is_overtaken(&self) -> bool {
        self.code == "InvalidBlockList"
    }
}

/// Azure's own message, for the operator only.
#[derive(Debug)]
struct Said(Refusal);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.0.status.as_u16(), self.0.code, self.0.message)
    }
}

impl std::error::Error for Said {}

/// Returns whether an error is Azure's, with this code.
pub(super) fn is_of(error: &StoreError, code: &str) -> bool {
    let said = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Said>());
    said.is_some_and(|said| said.0.code == code)
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        let kind = refusal.kind();
        // The messages of kinds that reach clients are about the request; all other messages are for the
        // operator.
        let words = match (kind, refusal.code.as_str()) {
            (_, "BlobArchived" | "BlobBeingRehydrated") => {
                "The object is archived in the storage behind this bucket"
            }
            (StoreErrorKind::InvalidRequest, _) => {
                "The storage behind this bucket does not take this name or metadata"
            }
            (StoreErrorKind::NotImplemented, _) => "The storage behind this bucket does not implement this",
            (_, "ContainerNotFound" | "ResourceNotFound") => "the storage does not have the container",
            (StoreErrorKind::Internal, _) if matches!(refusal.status.as_u16(), 401 | 403) => {
                "the storage refuses our credentials"
            }
            _ => "the storage refused",
        };
        StoreError::new(kind, words).with_source(Said(refusal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, code: &str) -> Refusal {
        Refusal {
            status: StatusCode::from_u16(status).expect("a status"),
            code: code.to_owned(),
            message: "m".to_owned(),
        }
    }

    #[test]
    fn codes_come_before_statuses() {
        for (status, code, expected) in [
            (404, "BlobNotFound", StoreErrorKind::NoSuchKey),
            (404, "", StoreErrorKind::NoSuchKey),
            (404, "ContainerNotFound", StoreErrorKind::Unavailable),
            (404, "SomethingElse", StoreErrorKind::Unavailable),
            (412, "LeaseIdMissing", StoreErrorKind::Conflict),
            (412, "", StoreErrorKind::PreconditionFailed),
            (409, "BlobAlreadyExists", StoreErrorKind::PreconditionFailed),
            (409, "SomethingElse", StoreErrorKind::Conflict),
            (503, "ServerBusy", StoreErrorKind::Busy),
            (429, "", StoreErrorKind::Busy),
            (500, "InternalError", StoreErrorKind::Unavailable),
            (403, "AuthenticationFailed", StoreErrorKind::Internal),
            (418, "", StoreErrorKind::Internal),
        ] {
            assert_eq!(refusal(status, code).kind(), expected, "{status} {code}");
        }
    }

    #[test]
    fn refused_credentials_are_told_to_the_operator_alone() {
        let error = StoreError::from(refusal(403, "AuthenticationFailed"));
        assert!(is_of(&error, "AuthenticationFailed") && !is_of(&error, "ServerBusy"));
        assert_eq!(error.message(), "the storage refuses our credentials");
        assert!(error.to_string().contains("AuthenticationFailed"));
    }
}
