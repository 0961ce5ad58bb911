//! Copies within one account: Azure makes them, and no byte passes through the gateway. All other copies use
//! the default, which streams.
//!
//! Copy Blob publishes atomically, under conditions on source and target, with the metadata of the request
//! and the headers of the source. Within an account the copy is usually complete when Azure replies. If it is
//! not, the gateway waits for it, and until then the target is not an object (see `headers::whole`).

use super::{
    guard::{Guard, Unwritten},
    headers::{Draft, Found},
    refusal,
    store::{AzblobStore, ROUNDS},
};
use crate::{
    backend::wire::{Again, Reply},
    model::{Attributes, ChecksumKind, ObjectInfo, ObjectKey},
    store::{
        CopyRequest, Result, Written,
        condition::WriteConditions,
        copy,
        error::{StoreError, StoreErrorKind},
        record::ObjectRecord,
    },
};
use http::{HeaderMap, Method};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The pause between two checks of a copy that is in progress.
const PAUSE: Duration = Duration::from_millis(500);

/// The blob to copy from.
pub(super) struct SourceBlob {
    pub(super) url: String,
    /// The condition that the source still has this tag.
    pub(super) tag: Option<String>,
    /// The blob's own headers, which a copy keeps.
    pub(super) native: Attributes,
}

impl AzblobStore {
    pub(super) async fn copy_object(&self, key: &ObjectKey, request: CopyRequest) -> Result<Written> {
        for _ in 0..ROUNDS {
            let from = request.source.native::<Self>().filter(|from| Arc::ptr_eq(&from.client, &self.client));
            let Some(from) = from else { break };
            let name = from.name_of_existing(&request.source.key)?;
            let found = from.look_for(&name, true).await?;
            request.source.conditions.check_source(&found.info.etag, found.info.last_modified)?;
            if !may_be_copied(&found, &request) {
                break;
            }
            let ObjectInfo { size, etag, last_modified, attributes, checksum, .. } = found.info;
            let draft = Draft::new(ObjectRecord {
                attributes: request.attributes.apply(&attributes),
                checksum,
                ..ObjectRecord::new(size, last_modified, etag)
            });
            let url = self.client.source(&from.location.remote, &name);
            let source = SourceBlob { url, tag: Some(found.tag), native: found.native };
            match self.publish_copy(key, &request.conditions, &source, &draft).await? {
                Ok(reply) => return Ok(draft.written(&reply)),
                // The source was replaced since it was checked: the loop tries again with the new one.
                Err(Unwritten::Refused(refusal))
                    if refusal.is_about_source()
                        || (request.conditions.is_empty() && refusal.is_lost_race()) => {}
                Err(Unwritten::Blocked) => break,
                Err(Unwritten::Refused(refusal)) => return Err(refusal.into()),
            }
        }
        copy::stream_object(self, key, request).await
    }

    pub(super) async fn publish_copy(
        &self,
        key: &ObjectKey,
        conditions: &WriteConditions,
        source: &SourceBlob,
        draft: &Draft,
    ) -> Result<std::result::Result<Reply, Unwritten>> {
        let name = self.name(key)?;
        let metadata = self.metadata(key, draft, &source.native).await?;
        let copied = self
            .guarded(&name, conditions, |guard| {
                Box::pin(self.copy_blob(&name, source, metadata.clone(), guard))
            })
            .await?;
        if let Ok(reply) = &copied {
            self.wait_for_copy(&name, reply).await?;
        }
        Ok(copied)
    }

    async fn copy_blob(
        &self,
        name: &str,
        source: &SourceBlob,
        metadata: HeaderMap,
        guard: Guard,
    ) -> Result<Reply> {
        let mut call = self.blob(Method::PUT, name).headers(metadata).header("x-ms-copy-source", &source.url);
        if let Some(tag) = &source.tag {
            call = call.header("x-ms-source-if-match", tag);
        }
        guard.apply(call).patiently().send(Again::OnlyIfRefused).await
    }

    async fn wait_for_copy(&self, name: &str, reply: &Reply) -> Result<()> {
        let (mut status, id) = (
            reply.header("x-ms-copy-status").map(str::to_owned),
            reply.header("x-ms-copy-id").map(str::to_owned),
        );
        let begun = Instant::now();
        loop {
            match status.as_deref() {
                Some("pending") if begun.elapsed() < super::client::PATIENCE => {}
                Some("pending") => {
                    return Err(StoreError::new(
                        StoreErrorKind::Unavailable,
                        "the storage does not end a copy",
                    ));
                }
                Some("failed" | "aborted") => {
                    return Err(StoreError::new(StoreErrorKind::Unavailable, "the storage failed to copy"));
                }
                _ => return Ok(()),
            }
            tokio::time::sleep(PAUSE).await;
            let reply = refusal::accept(self.blob(Method::HEAD, name).send(Again::Harmless).await?).await?;
            // Another writer has replaced the copy.
            if reply.header("x-ms-copy-id") != id.as_deref() {
                return Ok(());
            }
            status = reply.header("x-ms-copy-status").map(str::to_owned);
        }
    }
}

/// Returns whether Azure can make the copy. A copy has no parts, its ETag is the MD5 of its bytes, and its
/// checksum is over all of them; so the source must be like that too.
fn may_be_copied(found: &Found, request: &CopyRequest) -> bool {
    let checksum = found.info.checksum.as_ref();
    let wanted = request.checksum.is_none_or(|wanted| checksum.is_some_and(|sum| sum.algorithm() == wanted));
    let whole = checksum.is_none_or(|sum| sum.kind == ChecksumKind::FullObject);
    found.info.parts.is_empty() && found.info.etag.as_md5().is_some() && wanted && whole
}
