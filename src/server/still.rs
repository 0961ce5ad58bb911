//! Replies of which nothing is read, on any connection.
//!
//! Does not own when something was read (`progress`, `idle`), nor which reply is ended (`relief`).

use super::{holding::Holding, idle::Activity, progress::Progress};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// A reply that holds memory and of which nothing is read.
#[derive(Debug)]
pub(super) struct Still {
    pub(super) since: Instant,
    pub(super) holding: Holding,
    pub(super) of: Of,
}

/// The transport of the reply.
#[derive(Debug)]
pub(super) enum Of {
    Stream(Arc<Progress>),
    Connection(Arc<Activity>),
}

impl Still {
    /// Ends the reply, or asks its connection to end it.
    pub(super) fn give_way(self) {
        match self.of {
            Of::Stream(progress) => {
                // Part of it may have been read since it was found.
                if progress.still().is_some_and(|(since, _)| since == self.since) {
                    progress.give_up();
                }
            }
            Of::Connection(activity) => activity.press(),
        }
    }
}

/// Replies of a connection that hold memory, and of which nothing was read for this long.
pub(super) fn replies(activity: &Arc<Activity>, long: Duration) -> Vec<Still> {
    let still = |(since, holding), of| Still { since, holding, of };
    let streams = activity.replies();
    let streams = streams.iter().filter_map(|reply| Some(still(reply.still()?, Of::Stream(reply.clone()))));
    let plain = activity.still_plain().map(|found| still(found, Of::Connection(activity.clone())));
    streams.chain(plain).filter(|still| still.since.elapsed() >= long).collect()
}
