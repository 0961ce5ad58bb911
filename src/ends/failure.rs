//! Why a command on data failed, in a form that says what to do, and the exit code that follows from it.

use crate::{
    assembly::StartError,
    model::Chain,
    store::error::{StoreError, StoreErrorKind},
};
use std::fmt;

/// The kinds of failures that have an exit code of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// It was tried, and failed.
    Failed,
    /// The request makes no sense, or the configuration is wrong.
    Senseless,
    /// There is no such bucket, object, file or folder.
    Missing,
    /// What was compared differs.
    Different,
    /// It was stopped before its end, by a signal.
    Stopped,
    /// Nobody reads what the command prints: it is no failure.
    Unread,
}

#[derive(Debug)]
pub struct Failure {
    kind: FailureKind,
    message: String,
}

impl Failure {
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Failed, message)
    }

    pub fn senseless(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Senseless, message)
    }

    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Missing, message)
    }

    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Makes a failure of what a store answered while the command was doing `what`.
    pub fn of_store(what: impl fmt::Display, error: &StoreError) -> Self {
        let kind = match error.kind() {
            StoreErrorKind::NoSuchKey | StoreErrorKind::NoSuchVersion => FailureKind::Missing,
            StoreErrorKind::InvalidRequest | StoreErrorKind::KeyTooLong | StoreErrorKind::NotImplemented => {
                FailureKind::Senseless
            }
            _ => FailureKind::Failed,
        };
        let why = match error.kind() {
            StoreErrorKind::NoSuchKey => "there is no such object".to_owned(),
            StoreErrorKind::PreconditionFailed => {
                "the object exists already, or is not the one that was expected".to_owned()
            }
            _ => Chain(error).to_string(),
        };
        let advice = advice(error.kind()).map(|words| format!(". {words}")).unwrap_or_default();
        Self::new(kind, format!("{what}: {why}{advice}"))
    }

    pub fn of_start(error: &StartError) -> Self {
        Self::failed(error.to_string())
    }

    /// Makes a failure of what writing the output answered.
    pub fn of_output(error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(FailureKind::Unread, "nobody reads the output");
        }
        Self::failed(format!("writing the output: {error}"))
    }
}

/// What a person can do about a failure.
fn advice(kind: StoreErrorKind) -> Option<&'static str> {
    Some(match kind {
        StoreErrorKind::AccessDenied => {
            "Check that the credentials are the right ones, and that they, or you, may do this"
        }
        StoreErrorKind::NoConnection | StoreErrorKind::Unavailable => {
            "Check the address, the network and the credentials, and try again"
        }
        StoreErrorKind::Busy => "Try again later",
        StoreErrorKind::StorageFull | StoreErrorKind::DataFull => "Make room, and try again",
        _ => return None,
    })
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
