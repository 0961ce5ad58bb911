//! A body that continues from another replica, at the same byte, when one breaks off.

use super::{bucket::Bucket, member::Member, opening::open, record::Record};
use crate::{
    model::{ObjectKey, Span},
    store::{
        ByteStream, ObjectBody, Result,
        error::{StoreError, StoreErrorKind},
    },
};
use bytes::Bytes;
use futures_util::StreamExt;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// After this long without a byte, another replica is asked for the rest.
const STALL: Duration = Duration::from_secs(2);

/// The bytes to be read, and the replicas to read from.
pub(super) struct Wanted {
    pub(super) span: Span,
    pub(super) member: Arc<Member>,
    pub(super) body: ObjectBody,
}

pub(super) struct Relay {
    bucket: Arc<Bucket>,
    key: ObjectKey,
    record: Arc<Record>,
    member: Arc<Member>,
    rest: Span,
    body: ByteStream,
    /// The replicas that broke off.
    failed: Vec<usize>,
}

impl Relay {
    pub(super) fn begin(
        bucket: Arc<Bucket>,
        key: ObjectKey,
        record: Arc<Record>,
        wanted: Wanted,
    ) -> ObjectBody {
        let Wanted { span, member, body } = wanted;
        let relay =
            Self { bucket, key, record, member, rest: span, body: body.into_stream(), failed: Vec::new() };
        let frames = futures_util::stream::try_unfold(relay, |mut relay| async move {
            Ok(relay.next().await?.map(|frame| (frame, relay)))
        });
        ObjectBody::Stream(frames.boxed())
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        while !self.rest.is_empty() {
            let error = match timeout(STALL, self.body.next()).await {
                Ok(Some(Ok(frame))) if frame.len() as u64 <= self.rest.len() => {
                    if frame.is_empty() {
                        continue;
                    }
                    self.rest.start += frame.len() as u64;
                    return Ok(Some(frame));
                }
                Ok(Some(Ok(_))) => {
                    StoreError::new(StoreErrorKind::Internal, "a replica sent more than it was asked for")
                }
                Ok(Some(Err(error))) => error,
                Ok(None) => StoreError::new(StoreErrorKind::Unavailable, "a replica's reply ended early"),
                Err(_) => StoreError::new(StoreErrorKind::Unavailable, "a replica's reply stalled"),
            };
            self.go_on(error).await?;
        }
        Ok(None)
    }

    async fn go_on(&mut self, error: StoreError) -> Result<()> {
        tracing::warn!(key = %self.key, backend = self.member.name, at = self.rest.start, %error, "a replica broke off; another goes on");
        self.failed.push(self.member.number);
        let outcome = Err(error);
        self.member.judge::<()>(&outcome);
        // The broken body must not hold resources of its storage, such as a permit among its requests, while
        // other replicas are asked.
        self.body = futures_util::stream::empty().boxed();
        let opened = open(&self.bucket, &self.key, &self.record, self.rest, &self.failed).await;
        match (opened, outcome) {
            (Ok(opened), _) => {
                self.member = opened.member;
                self.body = opened.body.into_stream();
                Ok(())
            }
            // No replica is left: the error of the first that broke off is reported.
            (Err(_), Err(first)) => Err(first),
            (Err(error), Ok(())) => Err(error),
        }
    }
}
