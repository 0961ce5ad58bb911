//! Whether the index of a bucket is complete, so that listings can be served. Listings wait for this state.

use crate::store::{
    Result,
    error::{StoreError, StoreErrorKind},
};
use tokio::sync::watch;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// The first full scan has not ended.
    Awaited,
    Complete,
    /// The scan has failed: its waiters get the reason, and the next request begins another scan.
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

    /// Must be called when another attempt begins: it removes the earlier failure.
    pub fn begin(ready: &watch::Sender<Self>) {
        ready.send_if_modified(|ready| {
            let failed = matches!(ready, Self::Failed { .. });
            if failed {
                *ready = Self::Awaited;
            }
            failed
        });
    }

    /// Must be called when an attempt has failed. An index that is complete stays complete.
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

    /// Returns the result for a waiter.
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
