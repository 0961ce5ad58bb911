//! Writes and changes objects together with their stored attributes.
//!
//! A body in memory, or one whose checksum was announced before it, needs only its PUT. Attributes that are
//! known only after a long body are added by a copy of the object onto itself, and so is a change of tags or
//! ACL: GCS has no other way to change metadata here. Each copy names the generation that was read.

use super::{
    ROUNDS,
    facts::{self, Facts},
    not_ours,
};
use crate::{
    backend::wire::{Again, Reply, encode_path},
    model::{ChecksumAlgorithm, ChecksumKind, ObjectChecksum, ObjectInfo, ObjectKey, Timestamp},
    s3::{
        bucket::S3Store,
        copying::{copied, modified},
        guard::Guard,
        headers::answered,
        refusal::{self, RequestSubject},
        writing::{Announced, Verification, reply_etag, unread},
    },
    store::{
        Change, CopyRequest, CopySource, PutRequest, Result, Written, copy,
        error::{StoreError, StoreErrorKind},
        payload::AnnouncedChecksum,
        record::ObjectRecord,
    },
};
use http::{HeaderMap, Method};
use std::sync::Arc;

const STORAGE_CLASS: &str = "x-goog-storage-class";

/// An object of this storage, as the source of a copy.
pub(super) struct SourceObject {
    pub(super) path: String,
    /// The only generation that may be copied. If it is gone, the result is `NoSuchKey`.
    pub(super) generation: Option<u64>,
}

impl S3Store {
    pub(in crate::s3) async fn put_with_facts(
        &self,
        key: &ObjectKey,
        request: PutRequest,
    ) -> Result<Written> {
        let PutRequest { attributes, conditions, payload } = request;
        not_ours(key)?;
        let name = self.name(key).await?;
        // Attributes that do not fit are refused before any byte is sent.
        let mut facts = Facts::of(attributes);
        facts.headers()?;
        let guard = self.guard(&name, &conditions, false).await?;
        let algorithm = payload.checksum_algorithm();
        let announced_sum = match payload.announced_checksum() {
            AnnouncedChecksum::Header(sum) => Some(sum.clone()),
            _ => None,
        };
        let announced = self.announce(payload, algorithm, None).await?;
        let Announced { body, headers, verification } = announced;
        let known = match &verification {
            Verification::Done(arrived) => arrived.checksum.clone(),
            Verification::Pending(_) => announced_sum,
        };
        facts.object.checksum = known.map(ObjectChecksum::full);
        let described = facts.headers()?;
        let call = guard.apply(self.call(Method::PUT, &name).headers(described).headers(headers)).body(body);
        let (reply, arrived) = verification.settle(call.send(Again::OnlyIfRefused).await)?;
        if !reply.status.is_success() {
            return Err(refusal::read(reply, RequestSubject::Object).await.into());
        }
        let Some(arrived) = arrived else { return Err(unread()) };
        let (etag, last_modified) = (reply_etag(&reply, &arrived)?, answered(&reply));
        let written = Written { etag, last_modified, checksum: facts.object.checksum.clone(), version: None };
        let Some(sum) = arrived.checksum.map(ObjectChecksum::full) else {
            return Ok(Written { checksum: facts::native(&reply.headers), ..written });
        };
        // GCS computes and stores CRC32C by itself.
        if facts.object.checksum.is_some() || sum.algorithm() == ChecksumAlgorithm::Crc32c {
            return Ok(Written { checksum: Some(sum), ..written });
        }
        facts.object.checksum = Some(sum);
        let at = self.add_facts(&name, &reply, &facts).await;
        Ok(Written {
            checksum: facts.object.checksum,
            last_modified: at.unwrap_or(written.last_modified),
            ..written
        })
    }

    /// Adds attributes that are known only after the body. If the object was replaced already, there is
    /// nothing to do. If it cannot be changed now, it is complete without them and has its CRC32C.
    async fn add_facts(&self, name: &str, put: &Reply, facts: &Facts) -> Option<Timestamp> {
        let generation = generation(&put.headers).ok()?;
        let mut described = facts.headers().ok()?;
        described.extend(class(&put.headers));
        let source = SourceObject { path: self.path(name), generation: Some(generation) };
        match self.rewrite(name, &source, described, &Guard::Generation(generation)).await {
            Ok(at) => Some(at),
            Err(error) => {
                tracing::debug!(%error, "the checksum of a long body is not kept");
                None
            }
        }
    }

    pub(in crate::s3) async fn change_facts(&self, key: &ObjectKey, change: Change) -> Result<()> {
        let name = self.name(key).await?;
        for _ in 0..ROUNDS {
            let (info, headers) = self.look(&name, HeaderMap::new()).await?;
            let mut attributes = info.attributes.clone();
            match &change {
                Change::Tags(tags) => attributes.tags = tags.clone(),
                Change::Acl(acl) => attributes.acl = acl.clone(),
            }
            if attributes == info.attributes {
                return Ok(());
            }
            let generation = generation(&headers)?;
            let mut facts = Facts { says_time: true, ..Facts::read(&headers, info.size) };
            (facts.object.modified, facts.object.attributes) = (info.last_modified, attributes);
            let mut described = facts.headers()?;
            described.extend(class(&headers));
            // Google's own tools change metadata without a new generation, so the metageneration is checked
            // too.
            described
                .extend(headers.get("x-goog-metageneration").map(|seen| (IF_METAGENERATION, seen.clone())));
            let source = SourceObject { path: self.path(&name), generation: Some(generation) };
            match self.rewrite(&name, &source, described, &Guard::Generation(generation)).await {
                Err(error) if is_lost_race(&error) => {}
                other => return other.map(drop),
            }
        }
        Err(StoreError::new(StoreErrorKind::Conflict, "the object changes faster than its tags can be set"))
    }

    pub(in crate::s3) async fn copy_with_facts(
        &self,
        key: &ObjectKey,
        request: CopyRequest,
    ) -> Result<Written> {
        not_ours(key)?;
        let name = self.name(key).await?;
        for _ in 0..ROUNDS {
            let Some(from) = self.neighbour(&request.source) else { break };
            let source_name = from.name(&request.source.key).await?;
            let (info, headers) = from.look(&source_name, HeaderMap::new()).await?;
            request.source.conditions.check_source(&info.etag, info.last_modified)?;
            let known = Facts::read(&headers, info.size).object.checksum;
            if !carries(&info, known.as_ref(), request.checksum) {
                break;
            }
            // An ETag that is not an MD5 is kept, because it still shows that the bytes are the same.
            let says_etag = info.etag.as_md5().is_none();
            let object = ObjectRecord {
                attributes: request.attributes.apply(&info.attributes),
                checksum: known,
                ..ObjectRecord::new(info.size, info.last_modified, info.etag.clone())
            };
            let described = Facts { says_etag, ..Facts::new(object) }.headers()?;
            let guard = self.guard(&name, &request.conditions, false).await?;
            let source =
                SourceObject { path: from.path(&source_name), generation: Some(generation(&headers)?) };
            match self.rewrite(&name, &source, described, &guard).await {
                Ok(last_modified) => {
                    return Ok(Written {
                        etag: info.etag,
                        last_modified,
                        checksum: info.checksum,
                        version: None,
                    });
                }
                // The source or the target was replaced: conditions are evaluated again.
                Err(error) if error.kind() == StoreErrorKind::NoSuchKey => {}
                Err(error)
                    if error.kind() == StoreErrorKind::PreconditionFailed
                        && !request.conditions.wants_absent() => {}
                Err(error) => return Err(error),
            }
        }
        copy::stream_object(self, key, request).await
    }

    /// Copies an object within the storage. No bytes are transferred, and all attributes of the new object
    /// are in `described`.
    pub(super) async fn rewrite(
        &self,
        name: &str,
        source: &SourceObject,
        described: HeaderMap,
        guard: &Guard,
    ) -> Result<Timestamp> {
        let mut call = self.call(Method::PUT, name).headers(described);
        call = call.vendor("copy-source", &source.path).vendor("metadata-directive", "REPLACE");
        if let Some(generation) = source.generation {
            call = call.vendor("copy-source-generation", &generation.to_string());
        }
        let root = copied(guard.apply(call).patiently().send(Again::OnlyIfRefused).await?).await?;
        Ok(modified(&root))
    }

    /// Returns an object of this bucket as the source of a copy.
    pub(super) fn path(&self, name: &str) -> String {
        format!("/{}/{}", encode_path(&self.location.remote), encode_path(name))
    }

    /// Returns the bucket of a source, if it is on this storage too.
    fn neighbour<'s>(&self, source: &'s CopySource) -> Option<&'s S3Store> {
        source.native::<S3Store>().filter(|store| Arc::ptr_eq(&store.client, &self.client))
    }
}

const IF_METAGENERATION: http::HeaderName = http::HeaderName::from_static("x-goog-if-metageneration-match");

/// Keeps the storage class: without this header a copy gets the default class of the bucket.
fn class(headers: &HeaderMap) -> Option<(http::HeaderName, http::HeaderValue)> {
    headers.get(STORAGE_CLASS).map(|class| (http::HeaderName::from_static(STORAGE_CLASS), class.clone()))
}

pub(super) fn is_lost_race(error: &StoreError) -> bool {
    matches!(error.kind(), StoreErrorKind::PreconditionFailed | StoreErrorKind::NoSuchKey)
}

fn generation(headers: &HeaderMap) -> Result<u64> {
    let generation = headers.get("x-goog-generation").and_then(|value| value.to_str().ok()?.parse().ok());
    generation
        .ok_or_else(|| StoreError::new(StoreErrorKind::Internal, "the storage's reply has no generation"))
}

/// Returns whether a copy that reads no byte has the wanted checksum: it can only have that of the source,
/// over all bytes.
fn carries(info: &ObjectInfo, known: Option<&ObjectChecksum>, wanted: Option<ChecksumAlgorithm>) -> bool {
    let whole = known.is_none_or(|sum| sum.kind == ChecksumKind::FullObject);
    let shown = info.checksum.as_ref().map(ObjectChecksum::algorithm);
    whole && wanted.is_none_or(|wanted| shown == Some(wanted))
}
