//! The streams of HTTP/2 connections as tasks that can be ended individually.
//!
//! Ending the task of a stream whose reply is not read resets the stream: data queued on it is dropped, and
//! the other streams of its connection continue.

use hyper::rt::Executor;
use tokio_util::sync::CancellationToken;

tokio::task_local! {
    static STREAM: CancellationToken;
}

/// The token that ends the stream of this task; `None` if the connection carries one request at a time.
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
        // Boxed: each future around it would reserve its size twice, and thousands of streams may wait at
        // once.
        let stream = Box::pin(stream);
        tokio::spawn(STREAM.scope(end.clone(), end.run_until_cancelled_owned(stream)));
    }
}
