//! Why the server did not start, or a backend could not be inspected.

use crate::model::Chain;
use std::fmt;

/// One clear message, which includes its causes.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(String, StartErrorKind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StartErrorKind {
    Other,
    /// Another process has the data directory.
    InUse,
}

impl StartError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into(), StartErrorKind::Other)
    }

    pub(crate) fn in_use(message: impl Into<String>) -> Self {
        Self(message.into(), StartErrorKind::InUse)
    }

    pub(crate) fn is_in_use(&self) -> bool {
        self.1 == StartErrorKind::InUse
    }

    /// The text of an error, with its causes.
    pub(crate) fn caused(error: &(dyn std::error::Error + 'static)) -> Self {
        Self(Chain(error).to_string(), StartErrorKind::Other)
    }

    /// Several problems as one error, with a line for each.
    pub(crate) fn all(problems: Vec<Self>) -> Self {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Self(lines.join("\n"), problems.first().map_or(StartErrorKind::Other, |first| first.1))
    }

    /// Makes an error from what was tried and why it failed.
    pub fn because(what: impl fmt::Display, error: impl Into<Box<dyn std::error::Error>>) -> Self {
        let error = error.into();
        Self(format!("{what}: {}", Chain(&*error)), StartErrorKind::Other)
    }
}
