//! Bodies at the rate of their limits: they are cut into slices, and each slice waits for its turn among
//! those of all other bodies.

use super::{
    budget::Account,
    limiter::{Limiter, Slot},
    rate::Rate,
};
use crate::{
    model::Checksum,
    store::{
        ByteStream, ObjectBody, Result,
        payload::{Arrived, BodySource, Payload, PayloadError},
    },
};
use bytes::Bytes;
use futures_core::Stream;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::time::{Instant, Sleep};

impl Limiter {
    /// Limits the body of a request.
    pub fn upload(self: &Arc<Self>, payload: Payload) -> Payload {
        match self.upload {
            Some(_) => {
                let pace = Pace::new(self, |limiter| limiter.upload.as_ref());
                payload.through(|source| Incoming { source, pace })
            }
            None => payload,
        }
    }

    /// Limits the body of a reply. Its request counts as in progress until the body ends.
    pub fn download(self: &Arc<Self>, frames: ByteStream, slot: Slot) -> ByteStream {
        self.counted(frames, slot, None)
    }

    /// Like `download`, for the body of a store. If the body is already in memory, the request to the storage
    /// is over, and the body waits only for its rate.
    pub(super) fn outgoing(
        self: &Arc<Self>,
        body: ObjectBody,
        slot: Slot,
        account: Option<Arc<Account>>,
    ) -> ObjectBody {
        match body {
            ObjectBody::Full(bytes) => {
                if let Some(account) = account {
                    account.downloaded(bytes.len());
                }
                if self.download.is_none() {
                    return ObjectBody::Full(bytes);
                }
                let frames = futures_util::stream::iter([Ok(bytes)]);
                ObjectBody::Stream(self.counted(Box::pin(frames), Slot::default(), None))
            }
            body => ObjectBody::Stream(self.counted(body.into_stream(), slot, account)),
        }
    }

    fn counted(
        self: &Arc<Self>,
        frames: ByteStream,
        slot: Slot,
        account: Option<Arc<Account>>,
    ) -> ByteStream {
        let pace = self.download.is_some().then(|| Pace::new(self, |limiter| limiter.download.as_ref()));
        Box::pin(Outgoing { frames, pace, slot, account })
    }
}

type Way = fn(&Limiter) -> Option<&Rate>;

/// Cuts one body into slices.
struct Pace {
    limiter: Arc<Limiter>,
    way: Way,
    /// The part of the last frame that is not cut yet.
    rest: Bytes,
    turn: Option<Turn>,
}

/// A slice that waits for its turn.
struct Turn {
    slice: Bytes,
    since: Instant,
    until: Pin<Box<Sleep>>,
}

impl Pace {
    fn new(limiter: &Arc<Limiter>, way: Way) -> Self {
        Self { limiter: limiter.clone(), way, rest: Bytes::new(), turn: None }
    }

    /// Returns the next slice when its turn has come; `None` means that the next frame is needed.
    fn poll_slice(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(turn) = &mut self.turn {
            ready!(turn.until.as_mut().poll(cx));
            self.limiter.meter.waited(turn.since.elapsed());
            return Poll::Ready(self.turn.take().map(|turn| turn.slice));
        }
        let Some(rate) = (self.way)(&self.limiter) else {
            return Poll::Ready(Some(std::mem::take(&mut self.rest)));
        };
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let slice = self.rest.split_to(self.rest.len().min(rate.slice()));
        let wait = rate.take(slice.len());
        if wait.is_zero() {
            return Poll::Ready(Some(slice));
        }
        self.turn = Some(Turn { slice, since: Instant::now(), until: Box::pin(tokio::time::sleep(wait)) });
        self.poll_slice(cx)
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        if let (Some(turn), Some(rate)) = (&self.turn, (self.way)(&self.limiter)) {
            rate.give_back(turn.slice.len());
        }
    }
}

struct Incoming {
    source: Pin<Box<dyn BodySource>>,
    pace: Pace,
}

impl BodySource for Incoming {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Bytes, PayloadError>>> {
        loop {
            if let Some(slice) = ready!(self.pace.poll_slice(cx)) {
                return Poll::Ready(Some(Ok(slice)));
            }
            match ready!(self.source.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => self.pace.rest = frame,
                end => return Poll::Ready(end),
            }
        }
    }

    fn trailing_checksum(&self) -> Option<Checksum> {
        self.source.trailing_checksum()
    }

    fn foretold(&self) -> Option<Arrived> {
        self.source.foretold()
    }
}

struct Outgoing {
    frames: ByteStream,
    pace: Option<Pace>,
    slot: Slot,
    account: Option<Arc<Account>>,
}

impl Outgoing {
    fn poll_below(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let polled = ready!(self.frames.as_mut().poll_next(cx));
        match &polled {
            Some(Ok(frame)) => {
                if let Some(account) = &self.account {
                    account.downloaded(frame.len());
                }
            }
            // The storage has finished the request, even if the last slices still wait.
            Some(Err(_)) | None => self.slot = Slot::default(),
        }
        Poll::Ready(polled)
    }
}

impl Stream for Outgoing {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(pace) = &mut self.pace else { return self.poll_below(cx) };
            if let Some(slice) = ready!(pace.poll_slice(cx)) {
                return Poll::Ready(Some(Ok(slice)));
            }
            match ready!(self.poll_below(cx)) {
                Some(Ok(frame)) => {
                    if let Some(pace) = &mut self.pace {
                        pace.rest = frame;
                    }
                }
                end => return Poll::Ready(end),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::limiter::Limits, *};
    use crate::store::payload::Announced;
    use futures_util::{StreamExt, future::join_all};
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn limiter(bytes: u64) -> Arc<Limiter> {
        Limiter::new(Limits {
            upload: Some(bytes),
            download: Some(bytes),
            concurrency: Some(1),
            ..Limits::default()
        })
    }

    fn frames(sizes: &[usize]) -> ByteStream {
        let frames: Vec<_> = sizes.iter().map(|size| Ok(Bytes::from(vec![1; *size]))).collect();
        Box::pin(futures_util::stream::iter(frames))
    }

    async fn total(body: ByteStream) -> usize {
        body.map(|frame| frame.expect("a frame").len()).fold(0, async |sum, len| sum + len).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_takes_the_time_of_its_bytes_less_the_second_that_was_saved() {
        let limiter = limiter(1000);
        let begun = Instant::now();
        let sent = total(limiter.download(frames(&[1, 0, 3000, 999]), Slot::default())).await;
        assert_eq!((sent, begun.elapsed().as_millis()), (4000, 3000));
        let payload = limiter.upload(Payload::from_stream(
            futures_util::stream::iter([Ok(vec![0; 2000].into())]),
            Announced::default(),
        ));
        let begun = Instant::now();
        assert_eq!(payload.collect(5000).await.expect("whole").len(), 2000);
        assert_eq!(begun.elapsed(), SECOND, "ways do not share");
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_share_the_pace_fairly() {
        let limiter = limiter(16_000);
        assert_eq!(
            total(limiter.download(frames(&[16_000]), Slot::default())).await,
            16_000,
            "what was saved"
        );
        let begun = Instant::now();
        let bodies = (0..4).map(|_| async {
            let sent = total(limiter.download(frames(&[64_000]), Slot::default())).await;
            (sent, begun.elapsed())
        });
        let ends = join_all(bodies).await;
        assert!(
            ends.iter().all(|(sent, at)| *sent == 64_000 && *at > 15 * SECOND && *at <= 16 * SECOND),
            "{ends:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_holds_its_slot_until_it_ends_or_is_dropped() {
        let limiter = limiter(1 << 20);
        let slot = limiter.admit().await.expect("is free");
        let mut body = limiter.download(frames(&[10, 10]), slot);
        body.next().await.expect("a frame").expect("a frame");
        assert!(limiter.admit().await.is_err());
        assert_eq!(body.by_ref().count().await, 1);
        let slot = limiter.admit().await.expect("is free");
        let body = limiter.download(frames(&[10, 10]), slot);
        assert!(limiter.admit().await.is_err());
        drop(body);
        limiter.admit().await.expect("is free");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_given_up_leaves_its_turn_to_others() {
        let limiter = limiter(512);
        let mut given_up = limiter.download(frames(&[512, 512]), Slot::default());
        given_up.next().await.expect("a frame").expect("a frame");
        assert!(futures_util::poll!(given_up.next()).is_pending());
        drop(given_up);
        let begun = Instant::now();
        assert_eq!(total(limiter.download(frames(&[512]), Slot::default())).await, 512);
        assert_eq!(begun.elapsed(), SECOND);
    }
}
