//! Errors of a command, and the S3 errors that they map to.

use super::reply::Reply;
use crate::{
    backend::tree::files::changed,
    store::error::{StoreError, StoreErrorKind},
};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// The server refuses all work: the login, or a connection with TLS.
    #[error("the server denies permission: {0}")]
    Denied(String),
    /// The server denies permission for this one operation.
    #[error("the server denies permission: {0}")]
    Forbidden(String),
    #[error("the server does not do this: {0}")]
    Unsupported(String),
    #[error("a name with a line end cannot be sent to the server")]
    BadName,
    #[error("a name is too long for a command to the server")]
    LongName,
    #[error("no space is left, or a quota is used up")]
    Full,
    /// The server refused for another reason. Replies do not name the reason reliably, so the caller checks
    /// the path.
    #[error("the server refused: {0}")]
    Refused(String),
    /// A file that was checked has been replaced or removed since.
    #[error("the file was changed while it was read")]
    Changed,
    /// The command had no effect; it may be sent again.
    #[error("the server cannot do it now: {0}")]
    Later(String),
    /// The connection could not be made.
    #[error("{0}")]
    Unreached(String),
    /// The connection was lost, so it is not known whether the command was carried out.
    #[error("{0}")]
    Lost(&'static str),
}

/// Words in the text of replies. The codes are too coarse: `550` is sent for everything from a missing file
/// to a full disk.
const DENIED: [&str; 5] = ["permission", "denied", "privilege", "not permitted", "not authorized"];
const FULL: [&str; 5] = ["no space", "quota", "disk full", "insufficient", "storage allocation"];

impl Failure {
    pub(super) fn of(reply: &Reply) -> Self {
        let words = reply.words();
        let lower = words.to_ascii_lowercase();
        let says = |signs: &[&str]| signs.iter().any(|sign| lower.contains(sign));
        match reply.code {
            421 => Self::Lost("the server has closed the connection"),
            425 | 426 => Self::Lost("the data connection was lost"),
            452 | 552 => Self::Full,
            400..500 if says(&FULL) => Self::Full,
            400..500 => Self::Later(words),
            500 | 502 | 504 => Self::Unsupported(words),
            530 | 532 => Self::Denied(words),
            500..600 if says(&DENIED) => Self::Forbidden(words),
            500..600 if says(&FULL) => Self::Full,
            500..600 => Self::Refused(words),
            _ => Self::Lost("the server answered something else than was asked"),
        }
    }

    /// Returns whether another attempt may succeed.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Later(_) | Self::Unreached(_))
    }

    /// Maps the failure to a store error; `what` names the operation.
    pub(super) fn during(self, what: &str) -> StoreError {
        let kind = match self {
            Self::Full => StoreErrorKind::StorageFull,
            Self::BadName => StoreErrorKind::InvalidRequest,
            Self::LongName => StoreErrorKind::KeyTooLong,
            Self::Unsupported(_) => StoreErrorKind::NotImplemented,
            Self::Lost(_) | Self::Later(_) | Self::Unreached(_) => StoreErrorKind::Unavailable,
            Self::Changed => return changed(),
            Self::Forbidden(_) => StoreErrorKind::AccessDenied,
            Self::Refused(_) => StoreErrorKind::Broken,
            Self::Denied(_) => StoreErrorKind::NoConnection,
        };
        StoreError::new(kind, format!("FTP: {what}: {self}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: u16, words: &str) -> Failure {
        Failure::of(&Reply { code, lines: vec![words.to_owned()] })
    }

    #[test]
    fn words_tell_what_codes_do_not() {
        assert_eq!(of(550, "Not enough privileges."), Failure::Forbidden("Not enough privileges.".into()));
        assert_eq!(of(553, "No such folder"), Failure::Refused("No such folder".into()));
        assert_eq!(of(451, "write: No space left on device"), Failure::Full);
        assert_eq!(of(552, "x"), Failure::Full);
        assert!(of(450, "busy").is_passing() && of(421, "bye").is_passing());
        assert_eq!(of(200, "OK"), Failure::Lost("the server answered something else than was asked"));
        assert_eq!(of(502, "no").during("x").kind(), StoreErrorKind::NotImplemented);
        assert_eq!(Failure::Full.during("x").kind(), StoreErrorKind::StorageFull);
    }
}
