//! Error replies, by their status: WebDAV has few error codes of its own.

use crate::{
    backend::wire::Reply,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
    xml,
};
use http::StatusCode;

/// The maximum size of an error document. Real ones are much shorter.
const LONGEST: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// The message, in the format of servers that are built on sabre: Nextcloud, ownCloud.
    message: String,
}

/// Reads an error reply. A 207 is one too if it reports an error; without one it counts as a server error.
pub(super) async fn read(reply: Reply) -> Refusal {
    let status = reply.status;
    let document = reply.bytes(LONGEST).await.unwrap_or_default();
    if status == StatusCode::MULTI_STATUS {
        let inner = xml::parse(&document, "multistatus").ok().and_then(|all| worst(&all));
        return Refusal {
            status: inner.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            message: String::new(),
        };
    }
    let message = xml::parse(&document, "error")
        .ok()
        .and_then(|error| Some(error.value("message")?.trim().chars().take(200).collect()));
    Refusal { status, message: message.unwrap_or_default() }
}

/// Returns the first error in a multistatus, except for failed dependencies, whose cause is another error.
fn worst(all: &xml::Element) -> Option<StatusCode> {
    let statuses = all.all("response").filter_map(|response| status(response.value("status")?));
    let errors: Vec<StatusCode> = statuses.filter(|status| !status.is_success()).collect();
    errors.iter().find(|status| **status != StatusCode::FAILED_DEPENDENCY).or(errors.first()).copied()
}

/// Parses `HTTP/1.1 404 Not Found`.
pub(super) fn status(line: &str) -> Option<StatusCode> {
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Returns whether the request was carried out. A multistatus as the reply to a change lists what failed.
pub(super) fn is_done(reply: &Reply) -> bool {
    reply.status.is_success() && reply.status != StatusCode::MULTI_STATUS
}

pub(super) async fn done(reply: Reply) -> Result<()> {
    if is_done(&reply) { Ok(()) } else { Err(read(reply).await.into()) }
}

impl Refusal {
    pub(super) fn kind(&self) -> StoreErrorKind {
        match self.status.as_u16() {
            // Another client has locked the file, or there is a limit on requests.
            423 | 425 | 429 => StoreErrorKind::Busy,
            403 => StoreErrorKind::AccessDenied,
            413 => StoreErrorKind::EntityTooLarge,
            414 | 431 => StoreErrorKind::KeyTooLong,
            400 | 415 | 422 => StoreErrorKind::InvalidRequest,
            405 | 501 => StoreErrorKind::NotImplemented,
            507 => StoreErrorKind::StorageFull,
            // These statuses result from a race with other writers.
            404 | 409 | 410 | 412 => StoreErrorKind::Unavailable,
            500..=599 => StoreErrorKind::Unavailable,
            401 | 407 => StoreErrorKind::NoConnection,
            _ => StoreErrorKind::Internal,
        }
    }
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        let words = match (refusal.kind(), refusal.status.as_u16()) {
            (StoreErrorKind::InvalidRequest, _) => "The storage behind this bucket does not take such a name",
            (StoreErrorKind::NotImplemented, _) => "The storage behind this bucket does not implement this",
            (StoreErrorKind::EntityTooLarge, _) => {
                "The storage behind this bucket takes no file of this size"
            }
            (_, 401) => "the storage refuses our credentials",
            (_, 300..=399) => "the storage answers with a redirect: the url has to be the final one",
            (_, 423) => "somebody has locked this file",
            _ => "the storage refused",
        };
        StoreError::new(refusal.kind(), words)
            .with_source(format!("{} {}", refusal.status.as_u16(), refusal.message).trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_inside_of_a_multistatus_is_found() {
        let document = b"<D:multistatus xmlns:D='DAV:'><D:response><D:href>/a</D:href><D:status>HTTP/1.1 424 Failed Dependency</D:status>\
            </D:response><D:response><D:href>/a/b</D:href><D:status>HTTP/1.1 423 Locked</D:status></D:response></D:multistatus>";
        let status = worst(&xml::parse(document, "multistatus").expect("is well-formed")).expect("an error");
        assert_eq!(Refusal { status, message: String::new() }.kind(), StoreErrorKind::Busy);
        assert_eq!(worst(&xml::parse(b"<multistatus/>", "multistatus").expect("is well-formed")), None);
    }

    #[test]
    fn every_status_has_a_kind_that_clients_can_use() {
        for (status, kind) in [
            (401, StoreErrorKind::NoConnection),
            (403, StoreErrorKind::AccessDenied),
            (302, StoreErrorKind::Internal),
            (423, StoreErrorKind::Busy),
            (429, StoreErrorKind::Busy),
            (503, StoreErrorKind::Unavailable),
            (507, StoreErrorKind::StorageFull),
            (501, StoreErrorKind::NotImplemented),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(Refusal { status, message: String::new() }.kind(), kind, "{status}");
        }
    }
}
