//! Senders that never finish.

use super::*;
use crate::{
    edge::{Paces, body::WireBody},
    store::payload::BodySource,
};
use http_body::Frame;
use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::{Sleep, sleep};

const PACE: Pace =
    Pace { stall: Duration::from_millis(40), window: Duration::from_millis(60), minimum: 1024 };

/// The pace of a server that does not stop.
fn usual(pace: Pace) -> Paces {
    Paces { usual: pace, ..Paces::default() }
}

/// Sends so many bytes at each tick, for ever.
struct Drip {
    bytes: usize,
    every: Duration,
    next: Pin<Box<Sleep>>,
}

impl Drip {
    fn new(bytes: usize, every: Duration) -> Self {
        Self { bytes, every, next: Box::pin(sleep(every)) }
    }
}

impl http_body::Body for Drip {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::ready!(self.next.as_mut().poll(cx));
        let every = self.every;
        self.next = Box::pin(sleep(every));
        Poll::Ready(Some(Ok(Frame::data(vec![0; self.bytes].into()))))
    }
}

async fn first_error(mut source: impl BodySource + Unpin, at_most: usize) -> Option<PayloadError> {
    for _ in 0..at_most {
        match poll_fn(|cx| Pin::new(&mut source).poll_frame(cx)).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => return Some(error),
            None => return None,
        }
    }
    None
}

#[tokio::test]
async fn a_silent_sender_times_out() {
    let body = WireBody::new(Drip::new(1, Duration::from_secs(3600)), None, usual(PACE), None);
    assert_eq!(first_error(body, 1).await, Some(PayloadError::Timeout));
}

#[tokio::test]
async fn a_sender_of_single_bytes_times_out_though_never_silent() {
    let body = WireBody::new(Drip::new(1, Duration::from_millis(2)), None, usual(PACE), None);
    assert_eq!(first_error(body, 1).await, Some(PayloadError::Timeout));
}

#[tokio::test]
async fn a_sender_that_keeps_the_pace_goes_on_over_many_windows() {
    let pace = Pace { stall: Duration::from_secs(60), window: Duration::from_millis(5), minimum: 1 };
    let body = WireBody::new(Drip::new(8192, Duration::from_millis(1)), None, usual(pace), None);
    assert_eq!(first_error(body, 50).await, None);
}

#[tokio::test]
async fn our_own_slowness_is_not_the_sender_s() {
    let pace = Pace { stall: Duration::from_millis(1), window: Duration::from_millis(1), minimum: u64::MAX };
    let ready = Full::new(Bytes::from(vec![0; 100_000]));
    let mut body = WireBody::new(ready, None, usual(pace), None);
    sleep(Duration::from_millis(5)).await;
    let piece = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
    assert_eq!(piece.map(|piece| piece.map(|bytes| bytes.len())), Some(Ok(100_000)));
    sleep(Duration::from_millis(5)).await;
    assert_eq!(first_error(body, 2).await, None);
}

#[tokio::test]
async fn an_error_is_the_last_thing_a_body_says() {
    let mut body = WireBody::new(Drip::new(1, Duration::from_secs(3600)), None, usual(PACE), None);
    for _ in 0..3 {
        assert_eq!(poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await, Some(Err(PayloadError::Timeout)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_gives_up_silent_senders_and_slow_ones_sooner() {
    const SECOND: Duration = Duration::from_secs(1);
    for (bytes, every) in [(1, 3600 * SECOND), (1, SECOND / 10)] {
        let paces = Paces { last: Pace::default().within(5 * SECOND), ..Paces::default() };
        let (stop, begun) = (paces.stop.clone(), tokio::time::Instant::now());
        let body =
            tokio::spawn(first_error(WireBody::new(Drip::new(bytes, every), None, paces, None), usize::MAX));
        sleep(20 * SECOND).await;
        assert!(!body.is_finished());
        stop.cancel();
        assert_eq!(body.await.expect("it ends"), Some(PayloadError::Timeout));
        assert!((25 * SECOND..26 * SECOND).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_keeps_the_pace_goes_on_while_the_server_stops() {
    let paces = Paces { last: Pace::default().within(Duration::from_secs(5)), ..Paces::default() };
    paces.stop.cancel();
    let body = WireBody::new(Drip::new(2048, Duration::from_secs(1)), None, paces, None);
    assert_eq!(first_error(body, 100).await, None);
}
