//! Whether listings of a bucket can be trusted, for its waiters.

use crate::store::{
    Result,
    error::{StoreError, StoreErrorKind},
};
use tokio::sync::watch;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// The first look at all that is there has not ended.
    Awaited,
    Complete,
    /// The scan has failed: its waiters get the reason, and the next request begins another.
    Failed {
        kind: StoreErrorKind,
        message: String,
        source: Option<String>,
    },
}

impl Readiness {
    pub fn of(complete: bool) -> Self {
        if complete { Self::Complete } else { Self::Awaited }
    }

    /// Another attempt begins: the failure before is none any more.
    pub fn begin(ready: &watch::Sender<Self>) {
        ready.send_if_modified(|ready| {
            let failed = matches!(ready, Self::Failed { .. });
            if failed {
                *ready = Self::Awaited;
            }
            failed
        });
    }

    /// An attempt has failed. What was complete by then stays so: it was by another.
    pub fn fail(ready: &watch::Sender<Self>, error: &StoreError) {
        ready.send_if_modified(|ready| {
            let awaited = !ready.is_complete();
            if awaited {
                let source = std::error::Error::source(error).map(ToString::to_string);
                *ready = Self::Failed { kind: error.kind(), message: error.message().to_owned(), source };
            }
            awaited
        });
    }

    pub fn is_complete(&self) -> bool {
        *self == Self::Complete
    }

    pub fn is_decided(&self) -> bool {
        *self != Self::Awaited
    }

    /// Returns the decision to a waiter.
    pub fn answer(&self) -> Result<()> {
        match self {
            Self::Failed { kind, message, source } => {
                let error = StoreError::new(*kind, message.clone());
                Err(match source {
                    Some(source) => error.with_source(source.clone()),
                    None => error,
                })
            }
            Self::Complete | Self::Awaited => Ok(()),
        }
    }
}
