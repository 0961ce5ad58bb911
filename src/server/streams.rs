//! The streams of HTTP/2 connections as tasks, each of which can be ended by itself.
//!
//! Ending the task of a stream whose reply is not taken resets the stream: what waits to be sent on it is dropped, and the
//! others of its connection go on.

use hyper::rt::Executor;
use tokio_util::sync::CancellationToken;

tokio::task_local! {
    static STREAM: CancellationToken;
}

/// What ends the stream that this task serves; `None` where a connection carries one request at a time.
pub(super) fn current() -> Option<CancellationToken> {
    STREAM.try_with(CancellationToken::clone).ok()
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Streams;

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let end = CancellationToken::new();
        // In a box: each future around it would have room for it twice, and thousands of streams may wait at once.
        let stream = Box::pin(stream);
        tokio::spawn(STREAM.scope(end.clone(), end.run_until_cancelled_owned(stream)));
    }
}
