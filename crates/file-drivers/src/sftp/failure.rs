//! Errors of a request to the server, and the S3 errors that they map to.

use crate::{
    backend::tree::files::changed,
    store::error::{StoreError, StoreErrorKind},
};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("there is no such file")]
    Missing,
    #[error("the server denies permission")]
    Denied,
    #[error("the server does not do this")]
    Unsupported,
    #[error("the server does not take this name")]
    BadName,
    #[error("no space is left, or a quota is used up")]
    Full,
    #[error("the file was changed while it was read")]
    Changed,
    /// The server refused for another reason, which servers do not report.
    #[error("the server refused: {0}")]
    Refused(String),
    /// The connection was lost, so it is not known whether the request was carried out.
    #[error("{0}")]
    Lost(&'static str),
}

impl Failure {
    /// Maps the code of a status and its message. Version 3 has no codes above 8, but some servers send codes
    /// of later versions.
    pub(super) fn of(code: u32, words: &str) -> Self {
        let lower = words.to_ascii_lowercase();
        match code {
            2 | 10 => Self::Missing,
            3 | 12 => Self::Denied,
            5 | 20 => Self::BadName,
            6 | 7 => Self::Lost("the server has lost its connection"),
            8 => Self::Unsupported,
            14 | 15 => Self::Full,
            _ if ["no space", "quota", "disk full"].iter().any(|sign| lower.contains(sign)) => Self::Full,
            _ => Self::Refused(words.chars().filter(|c| !c.is_control()).take(200).collect()),
        }
    }

    /// Maps the failure to a store error; `what` names the operation.
    pub(super) fn during(self, what: &str) -> StoreError {
        let kind = match self {
            Self::Changed => return changed(),
            Self::Full => StoreErrorKind::StorageFull,
            Self::BadName => StoreErrorKind::InvalidRequest,
            Self::Unsupported => StoreErrorKind::NotImplemented,
            Self::Lost(_) => StoreErrorKind::Unavailable,
            Self::Denied => StoreErrorKind::AccessDenied,
            Self::Missing | Self::Refused(_) => StoreErrorKind::Broken,
        };
        StoreError::new(kind, format!("SFTP: {what}: {self}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_other_failures_where_the_server_says_so() {
        assert_eq!(Failure::of(4, "write: No space left on device"), Failure::Full);
        assert_eq!(Failure::of(4, "Disk quota exceeded"), Failure::Full);
        assert_eq!(Failure::of(15, ""), Failure::Full);
        assert_eq!(Failure::of(4, "Failure"), Failure::Refused("Failure".to_owned()));
        assert_eq!(Failure::of(3, "x").during("writing").kind(), StoreErrorKind::AccessDenied);
        assert_eq!(Failure::Full.during("writing").kind(), StoreErrorKind::StorageFull);
    }
}
