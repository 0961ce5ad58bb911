//! Why the server did not start, or a backend could not be looked at.

use crate::telemetry::log::Chain;
use std::fmt;

/// One clear message; its causes are told in it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(String);

impl StartError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// `what`, and why it failed.
    pub fn because(what: impl fmt::Display, error: impl Into<Box<dyn std::error::Error>>) -> Self {
        let error = error.into();
        Self(format!("{what}: {}", Chain(&*error)))
    }
}
