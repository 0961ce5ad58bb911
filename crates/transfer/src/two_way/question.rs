//! What somebody is asked about a conflict. Who asks, and where, is the caller's.

use crate::own_time::OwnTime;
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// What somebody is asked.
#[derive(Debug, Clone)]
pub struct Question {
    pub name: String,
    /// Size and own time of the source's version. `None`: the source has deleted it.
    pub source: Option<(u64, OwnTime)>,
    pub destination: Option<(u64, OwnTime)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The source's version wins, or its deletion.
    Source,
    Destination,
    Both,
    Skip,
}

/// Asks somebody.
pub type Ask = Arc<dyn Fn(Question) -> BoxFuture<'static, Answer> + Send + Sync>;
