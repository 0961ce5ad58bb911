//! Writes objects, and changes their tags and ACLs.

use super::{
    blocks::{self, Body, Staged},
    guard::{Guard, Unwritten},
    headers::{self, Draft},
    judging::judge,
    refusal,
    store::{AzblobStore, ROUNDS},
};
use crate::{
    backend::wire::{Again, Outgoing, Reply},
    model::{Attributes, ChecksumAlgorithm, ETag, ObjectChecksum, ObjectKey, Timestamp},
    store::{
        Change, PutRequest, Result, Written,
        condition::WriteConditions,
        error::{StoreError, StoreErrorKind},
        payload::Arrived,
        record::ObjectRecord,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method};

/// The checksum that S3 computes when a client asks for none.
const DEFAULT_CHECKSUM: ChecksumAlgorithm = ChecksumAlgorithm::Crc64Nvme;

impl AzblobStore {
    pub(super) async fn put_object(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        let name = self.name(key)?;
        let PutRequest { attributes, conditions, payload } = request;
        match blocks::ready(payload, DEFAULT_CHECKSUM).await? {
            Body::Short(bytes, arrived) => {
                let (draft, md5) = drafted(attributes, &arrived)?;
                let headers = self.described(key, &draft, &draft.native()).await?;
                let put = |guard| self.put_blob(&name, &bytes, &md5, &headers, guard);
                match self.guarded(&name, &conditions, put).await? {
                    Ok(reply) => Ok(draft.written(&reply)),
                    Err(Unwritten::Blocked) => {
                        let body = Body::Short(bytes.clone(), arrived);
                        self.put_blocks(key, &name, draft.object.attributes, &conditions, body).await
                    }
                    Err(unwritten) => Err(unwritten.into()),
                }
            }
            long => self.put_blocks(key, &name, attributes, &conditions, long).await,
        }
    }

    async fn put_blocks(
        &self,
        key: &ObjectKey,
        name: &str,
        attributes: Attributes,
        conditions: &WriteConditions,
        body: Body,
    ) -> Result<Written> {
        let Staged { blocks, arrived, begun } = self.stage(name, body).await?;
        let (draft, md5) = drafted(attributes, &arrived)?;
        let headers = self.described(key, &draft, &draft.native()).await?;
        let list = blocks::list([&blocks].into_iter());
        let commit = |guard| self.commit(name, &list, Some(&md5), &headers, guard);
        match self.guarded(name, conditions, commit).await? {
            Ok(reply) => Ok(draft.written(&reply)),
            Err(Unwritten::Refused(refusal)) if refusal.is_overtaken() => {
                self.overtaken(name, conditions, draft, begun).await
            }
            Err(unwritten) => Err(unwritten.into()),
        }
    }

    /// Decides what to reply when another writer of this key published while the blocks of this one were
    /// staged, which discards them. A write without conditions counts as made and overwritten at once, if the
    /// other write happened during this request.
    async fn overtaken(
        &self,
        name: &str,
        conditions: &WriteConditions,
        draft: Draft,
        begun: Timestamp,
    ) -> Result<Written> {
        let found = self.find(name).await?;
        judge(conditions, found.as_ref())?;
        match found {
            Some(found) if conditions.is_empty() && found.changed >= begun => {
                Ok(Written { last_modified: found.changed, ..draft.object.written() })
            }
            // There is no proof that the other write happened during this request.
            _ if conditions.is_empty() => {
                Err(StoreError::new(StoreErrorKind::Busy, "another writer of this key came between"))
            }
            _ => Err(StoreError::new(StoreErrorKind::Conflict, "another writer of this key came between")),
        }
    }

    fn put_blob<'s>(
        &'s self,
        name: &'s str,
        bytes: &'s Bytes,
        md5: &'s str,
        headers: &'s HeaderMap,
        guard: Guard,
    ) -> BoxFuture<'s, Result<Reply>> {
        let call =
            self.blob(Method::PUT, name).header("x-ms-blob-type", "BlockBlob").header("content-md5", md5);
        let call = guard.apply(call.headers(headers.clone())).body(Outgoing::full(bytes.clone()));
        Box::pin(call.send(Again::OnlyIfRefused))
    }

    /// Sends Put Block List, which makes a blob of blocks.
    pub(super) fn commit<'s>(
        &'s self,
        name: &'s str,
        list: &'s Bytes,
        md5: Option<&'s str>,
        headers: &'s HeaderMap,
        guard: Guard,
    ) -> BoxFuture<'s, Result<Reply>> {
        let mut call = self.blob(Method::PUT, name).query("comp", "blocklist").headers(headers.clone());
        if let Some(md5) = md5 {
            call = call.header("x-ms-blob-content-md5", md5);
        }
        Box::pin(guard.apply(call).body(Outgoing::full(list.clone())).patiently().send(Again::OnlyIfRefused))
    }

    /// Returns the headers with all attributes of an object whose blob has the headers `native`.
    pub(super) async fn described(
        &self,
        key: &ObjectKey,
        draft: &Draft,
        native: &Attributes,
    ) -> Result<HeaderMap> {
        let mut headers = headers::of_native(native);
        headers.extend(self.metadata(key, draft, native).await?);
        Ok(headers)
    }

    pub(super) async fn metadata(
        &self,
        key: &ObjectKey,
        draft: &Draft,
        native: &Attributes,
    ) -> Result<HeaderMap> {
        let (mut record, mut user) = (draft.record(native), draft.object.attributes.user.clone());
        self.fit(key, &mut record, &mut user).await?;
        Ok(headers::of_metadata(&record, &user))
    }

    /// Changes metadata. It is replaced as a whole, on the condition that it is still the one that was read.
    pub(super) async fn change(&self, key: &ObjectKey, change: Change) -> Result<()> {
        let name = self.name_of_existing(key)?;
        for _ in 0..ROUNDS {
            let found = self.look_for(&name, true).await?;
            let mut attributes = found.info.attributes.clone();
            match &change {
                Change::Tags(tags) => attributes.tags = tags.clone(),
                Change::Acl(acl) => attributes.acl = acl.clone(),
            }
            let draft = Draft { object: ObjectRecord { attributes, ..found.object() }, keeps_time: true };
            let headers = self.metadata(key, &draft, &found.native).await?;
            let call = self
                .blob(Method::PUT, &name)
                .query("comp", "metadata")
                .headers(headers)
                .header("if-match", &found.tag);
            let reply = call.send(Again::OnlyIfRefused).await?;
            if reply.status.is_success() {
                return Ok(());
            }
            let refusal = refusal::read(reply).await;
            if !refusal.is_lost_race() {
                return Err(refusal.into());
            }
        }
        Err(StoreError::new(StoreErrorKind::Conflict, "the object changes faster than its tags can be set"))
    }
}

impl Draft {
    pub(super) fn written(self, reply: &Reply) -> Written {
        Written { last_modified: headers::written_at(reply), ..self.object.written() }
    }
}

/// Returns a draft of an object without parts, and its MD5 as a header value.
fn drafted(attributes: Attributes, arrived: &Arrived) -> Result<(Draft, String)> {
    let md5 =
        arrived.md5.ok_or_else(|| StoreError::new(StoreErrorKind::Internal, "a body was not digested"))?;
    let checksum = arrived.checksum.clone().map(ObjectChecksum::full);
    let etag = ETag::from_md5(md5);
    let object =
        ObjectRecord { attributes, checksum, ..ObjectRecord::new(arrived.size, Timestamp::now(), etag) };
    Ok((Draft::new(object), STANDARD.encode(md5)))
}
