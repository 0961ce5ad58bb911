//! Frees memory for waiting requests by ending replies that are not read.
//!
//! A reply holds memory for as long as it lasts, and its client may read nothing for `idle_timeout`. Clients
//! at ten addresses could so hold all memory, and all other requests would be refused. So a reply of which
//! nothing was read for [`STILL`] ends as soon as a request waits for its memory, or was refused for lack of
//! it.
//!
//! Owns which reply is ended. Does not own the memory (`store::memory`), which replies are not read
//! (`still`), nor when something was read (`progress`, `idle`).
//!
//! Invariants:
//! - a reply of which something was read within [`STILL`] is never ended;
//! - no reply is ended for a peer that holds more: a peer that fills its own share takes nothing from others;
//! - no more replies end than the waiters need for one reply each; one task checks for all waiters, every
//!   [`LOOK`].

use super::{
    guests::Guests,
    holding::{Holding, REPLY},
    peers::Peers,
    still::Still,
};
use crate::store::memory::Memory;
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// Shorter than requests wait for memory, so that they get it. `idle_timeout` applies if it is shorter still.
pub(super) const STILL: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(100);

/// Makes room for waiters, for ever.
pub(super) async fn relieve(guests: Arc<Guests>, peers: Arc<Peers>) {
    loop {
        peers.memory().wanted().await;
        loop {
            let wanting = peers.wanting();
            if wanting.is_empty() {
                break;
            }
            make_room(wanting, guests.still_replies(STILL));
            sleep(LOOK).await;
        }
    }
}

/// The waiters that hold least come first; the replies that were not read for longest are ended first.
fn make_room(mut wanting: Vec<Arc<Memory>>, mut still: Vec<Still>) {
    let has = |memory: &Memory| if memory.is_whole() { 0 } else { memory.used() };
    wanting.sort_by_key(|share| has(share));
    still.sort_by_key(|still| still.since);
    let mut still = still.into_iter();
    let (mut freed, mut promised) = (0, 0);
    for share in wanting {
        let (most, needed, mut own) = (has(&share), share.lacks() + promised, 0);
        while freed + own < needed
            // Later waiters hold no less: replies that are skipped now would not be ended for them either.
            && let Some(reply) = still.find(|still| still.holding.memory.used() >= most)
        {
            let Holding { memory, bytes } = &reply.holding;
            freed += bytes;
            // Memory that a peer gives back counts twice for it: it holds that much less, and that much more
            // is free.
            own += if Arc::ptr_eq(memory, &share) { *bytes } else { 0 };
            reply.give_way();
        }
        promised += REPLY;
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{progress::Progress, still::Of},
        *,
    };
    use crate::store::memory::Held;
    use tokio_util::sync::CancellationToken;

    /// A reply that holds memory of one peer, and whether it has ended.
    struct Reply {
        progress: Arc<Progress>,
        end: CancellationToken,
        _held: Held,
    }

    impl Reply {
        fn new(share: &Arc<Memory>) -> Self {
            let end = CancellationToken::new();
            let progress = Progress::new(end.clone());
            progress.holds(Some(Holding { memory: share.clone(), bytes: REPLY }));
            progress.offered();
            Self { progress, end, _held: share.hold(REPLY) }
        }
    }

    fn still(replies: &[Reply]) -> Vec<Still> {
        let still = |reply: &Reply| {
            let (since, holding) = reply.progress.still().filter(|(since, _)| since.elapsed() >= STILL)?;
            Some(Still { since, holding, of: Of::Stream(reply.progress.clone()) })
        };
        replies.iter().filter_map(still).collect()
    }

    fn ended(replies: &[Reply]) -> Vec<bool> {
        replies.iter().map(|reply| reply.end.is_cancelled()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_stillest_reply_gives_way_and_one_that_is_taken_never_does() {
        let whole = Memory::new(4 * REPLY);
        let (share, newcomer) = (whole.share(), whole.share());
        let mut replies = Vec::new();
        for _ in 0..4 {
            replies.push(Reply::new(&share));
            tokio::time::advance(STILL / 8).await;
        }
        make_room(vec![newcomer.clone()], still(&replies));
        assert_eq!(ended(&replies), [false; 4], "none was left alone for long");
        tokio::time::advance(STILL).await;
        replies[0].progress.offered();
        make_room(vec![newcomer.clone()], still(&replies));
        assert_eq!(ended(&replies), [false, true, false, false], "one is enough");
        replies.retain(|reply| !reply.end.is_cancelled());
        make_room(vec![newcomer.clone(), whole.share()], still(&replies));
        assert_eq!(ended(&replies), [false, true, false], "there is room for one of two");
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_peer_takes_after_it_was_found_still_keeps_its_reply() {
        let whole = Memory::new(REPLY);
        let replies = [Reply::new(&whole.share())];
        tokio::time::advance(STILL).await;
        let found = still(&replies);
        tokio::time::advance(STILL / 8).await;
        replies[0].progress.offered();
        make_room(vec![whole.share()], found);
        assert_eq!(ended(&replies), [false]);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_gives_way_to_a_peer_that_has_more() {
        let whole = Memory::new(4 * REPLY);
        let (small, large) = (whole.share(), whole.share());
        let replies = [&small, &large, &large, &large].map(Reply::new);
        tokio::time::advance(STILL).await;
        make_room(vec![large.clone()], still(&replies));
        assert_eq!(
            ended(&replies),
            [false, true, true, false],
            "its own give way, until it has less than is left"
        );
    }
}
