//! Finds which features of S3 a storage has: they are known, set by the operator, or found by a probe on
//! scratch objects.
//!
//! The result holds until the process ends. A probe takes two dozen requests on [`scratch`] objects. A
//! storage on which nothing can be written has no feature of writing. A storage that becomes unreachable
//! during the probe is probed again later.

use super::{
    client::{Call, Client},
    deleting,
    dialect::Dialect,
    features::Features,
    headers,
    refusal::{self, RequestSubject},
    scratch::{self, LONGEST_TRIAL, NO_TAG, Scratch, ask},
};
use crate::{
    backend::{
        location::RemoteLocation,
        wire::{Again, Outgoing, Reply, encode_path},
    },
    model::{ChecksumAlgorithm, ETag},
    store::{
        Capabilities, Durability, Guarantee, Keeping, MultipartSupport, Result,
        error::{StoreError, StoreErrorKind},
    },
};
use http::{Method, StatusCode};
use std::sync::Arc;
use tracing::Instrument;

const ALL: Features = Features {
    create: true,
    swap: true,
    complete: true,
    conditional_deletes: true,
    deletes_together: true,
    // It was never tried on AWS.
    conditional_deletes_together: false,
    checksums: true,
    tags: true,
    copies: true,
    part_copies: true,
    summed_part_copies: true,
    upload_etags: true,
    expires: true,
    delimiters: true,
};

const NONE: Features = Features {
    create: false,
    swap: false,
    complete: false,
    conditional_deletes: false,
    deletes_together: false,
    conditional_deletes_together: false,
    checksums: false,
    tags: false,
    copies: false,
    part_copies: false,
    summed_part_copies: false,
    upload_etags: false,
    expires: false,
    delimiters: false,
};

/// Returns the capabilities before the probe: operations probe first, and then refuse what is not supported.
pub(super) fn hoped_for(dialect: Dialect) -> Capabilities {
    capabilities(dialect, None)
}

pub(super) fn capabilities(dialect: Dialect, known: Option<Features>) -> Capabilities {
    let features = known.unwrap_or(ALL);
    let guarantee = |kept| if kept { Guarantee::Native } else { Guarantee::Refused };
    let keeping = |kept| if kept { Keeping::Kept } else { Keeping::NotKept };
    Capabilities {
        conditional_writes: guarantee(features.create && features.swap),
        conditional_completes: guarantee(features.complete),
        conditional_deletes: guarantee(features.conditional_deletes),
        checksums: keeping(features.checksums),
        tags: keeping(features.tags),
        object_acls: keeping(dialect == Dialect::Gcs),
        versions: Keeping::NotKept,
        parts: Keeping::Kept,
        // A storage class is tried out when a client requests it.
        storage_classes: keeping(dialect == Dialect::S3),
        encryption: keeping(dialect == Dialect::S3),
        late_conditions: false,
        needs_length: true,
        multipart: MultipartSupport::InPlace,
        durability: Durability::Strict,
    }
}

impl Client {
    /// Returns the features that are known already.
    pub(super) fn known(&self) -> Option<Features> {
        match (self.dialect(), &self.settings().endpoint) {
            // GCS has all features, by preconditions on generations and by metadata: see `gcs`.
            (Dialect::Gcs, _) => Some(ALL),
            // The storage is AWS.
            (Dialect::S3, None) => Some(ALL),
            (Dialect::S3, Some(_)) => self.tried().get().copied(),
        }
    }

    pub(super) async fn features(self: &Arc<Self>, location: &RemoteLocation) -> Result<Features> {
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let tried = self.tried().get_or_try_init(|| async {
            // The probe is a task of its own, because its first caller may be dropped while others wait for
            // the result.
            let (client, location) = (self.clone(), location.clone());
            let trial = tokio::spawn(async move { try_out(&client, &location).await }.in_current_span());
            trial.await.unwrap_or_else(|panic| {
                Err(StoreError::new(StoreErrorKind::Internal, "trying out what the storage keeps failed")
                    .with_source(panic))
            })
        });
        tried.await.copied()
    }
}

async fn try_out(client: &Arc<Client>, location: &RemoteLocation) -> Result<Features> {
    let name = location.below(&scratch::name());
    let scratch = Scratch::new(client, location, vec![name.clone(), format!("{name}-copy")]);
    let mut trial = Trial { client, location, name, scratch };
    let found = tokio::time::timeout(LONGEST_TRIAL, trial.run()).await;
    trial.scratch.remove().await;
    let mut features = found.unwrap_or_else(|_| {
        Err(StoreError::new(StoreErrorKind::Unavailable, "the storage took too long to show what it keeps"))
    })?;
    if let Some(told) = client.settings().conditional_writes {
        (features.create, features.swap) = (told, told);
        features.complete &= told;
        features.conditional_deletes &= told;
        features.conditional_deletes_together &= told;
    }
    features.checksums = client.settings().checksums.unwrap_or(features.checksums);
    tracing::info!(remote = location.remote, features = ?features, "tried out what a storage keeps");
    Ok(features)
}

struct Trial<'t> {
    client: &'t Client,
    location: &'t RemoteLocation,
    name: String,
    scratch: Scratch,
}

impl Trial<'_> {
    fn call(&self, method: Method) -> Call<'_> {
        self.on(method, &self.name)
    }

    fn on(&self, method: Method, name: &str) -> Call<'_> {
        self.client.call(method, &self.location.remote, Some(name))
    }

    fn put(&self) -> Call<'_> {
        self.call(Method::PUT).body(Outgoing::full("x".into()))
    }

    fn copy(&self) -> String {
        format!("{}-copy", self.name)
    }

    fn source(&self) -> String {
        format!("/{}/{}", encode_path(&self.location.remote), encode_path(&self.name))
    }

    async fn run(&mut self) -> Result<Features> {
        let first = self.put().text("if-none-match", "*").send(Again::Harmless).await?;
        if !first.status.is_success() && first.status != StatusCode::NOT_IMPLEMENTED {
            let refused = refusal::read(first, RequestSubject::Bucket).await;
            // A storage that cannot be reached is probed again; one that refuses to write is not.
            let kind = refused.kind();
            if refused.status.is_server_error()
                || refused.code == "NoSuchBucket"
                || kind != StoreErrorKind::Internal
            {
                return Err(StoreError::from(refused));
            }
            tracing::warn!(remote = self.location.remote, refused = %StoreError::from(refused), "the storage lets us write nothing");
            return Ok(NONE);
        }
        let create = refuses(&ask(self.put().text("if-none-match", "*"), Again::Harmless).await?);
        let swap = refuses(&ask(self.put().text("if-match", NO_TAG), Again::Harmless).await?);
        let uploads = self.uploads(create).await?;
        let sum = crc32(b"x");
        // Some storages store any header: only one that refuses a wrong checksum has compared it.
        let compared =
            !ask(self.put().text(ChecksumAlgorithm::Crc32.header(), &crc32(b"y")), Again::Harmless)
                .await?
                .status
                .is_success();
        let given = self
            .put()
            .text(ChecksumAlgorithm::Crc32.header(), &sum)
            .vendor("tagging", "a=b")
            .vendor("meta-a", "1")
            .text("expires", EXPIRES);
        let summed = ask(given.text("content-type", "text/x-causeway"), Again::Harmless).await?;
        let seen = ask(self.call(Method::HEAD).vendor("checksum-mode", "ENABLED"), Again::Harmless).await?;
        let shown = headers::checksum(&seen.headers).is_some_and(|shown| shown.text() == sum);
        let checksums = compared && summed.status.is_success() && shown;
        let expires = seen.header("expires") == Some(EXPIRES);
        let summed_part_copies =
            checksums && uploads.part_copies && self.copies_into_summed_uploads().await?;
        let (copies, delimiters) = (self.copies().await?, self.delimiters().await?);
        let tagged = ask(self.call(Method::GET).query(&[("tagging", None)]), Again::Harmless).await?;
        let tags = tagged.status.is_success()
            && String::from_utf8_lossy(&tagged.bytes(64 << 10).await?).contains("<Key>a</Key>");
        let deletes = ask(self.call(Method::DELETE).text("if-match", NO_TAG), Again::OnlyIfRefused).await?;
        let conditional_deletes = refuses(&deletes);
        // A storage that did not check the condition has deleted the object.
        ask(self.put(), Again::Harmless).await?;
        let together = deleting::try_out(self.client, &self.location.remote, &self.name).await?;
        Ok(Features {
            create,
            swap,
            conditional_deletes,
            deletes_together: together.deletes_together,
            conditional_deletes_together: together.conditional_deletes_together,
            checksums,
            tags,
            copies,
            summed_part_copies,
            expires,
            delimiters,
            ..uploads
        })
    }

    /// Lists the scratch object with the end of its own name as the delimiter.
    async fn delimiters(&self) -> Result<bool> {
        let (prefix, end) = self.name.split_at(self.name.len() - 4);
        let query = [("list-type", Some("2")), ("prefix", Some(prefix)), ("delimiter", Some(end))];
        let reply =
            ask(self.client.call(Method::GET, &self.location.remote, None).query(&query), Again::Harmless)
                .await?;
        let root = document(reply).await?;
        let groups: Vec<_> = root.all("CommonPrefixes").filter_map(|group| group.value("Prefix")).collect();
        Ok(groups == [self.name.as_str()] && root.child("Contents").is_none())
    }

    /// Copies with the metadata of the source, and with new metadata.
    async fn copies(&self) -> Result<bool> {
        let name = self.copy();
        for (directive, expected) in
            [("COPY", ("text/x-causeway", Some("1"), None)), ("REPLACE", ("text/other", None, Some("2")))]
        {
            let mut call = self
                .on(Method::PUT, &name)
                .vendor("copy-source", &self.source())
                .vendor("metadata-directive", directive);
            if directive == "REPLACE" {
                call = call.vendor("meta-b", "2").text("content-type", "text/other");
            }
            let reply = ask(call, Again::Harmless).await?;
            let done = reply.status.is_success();
            if document(reply).await?.value("ETag").is_none() || !done {
                return Ok(false);
            }
            let seen = ask(self.on(Method::HEAD, &name), Again::Harmless).await?;
            let user = seen.headers.keys().filter(|name| name.as_str().starts_with("x-amz-meta-")).count();
            let has = (
                seen.header("content-type").unwrap_or_default(),
                seen.header("x-amz-meta-a"),
                seen.header("x-amz-meta-b"),
            );
            if has != expected || user != 1 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Begins an upload. `None`: the storage does not support uploads.
    async fn begin(&mut self, algorithm: Option<ChecksumAlgorithm>) -> Result<Option<String>> {
        let mut call = self.call(Method::POST).query(&[("uploads", None)]);
        if let Some(algorithm) = algorithm {
            call = call.vendor("checksum-algorithm", algorithm.as_str());
        }
        let begun = ask(call, Again::OnlyIfRefused).await?;
        if !begun.status.is_success() {
            return Ok(None);
        }
        let id = document(begun).await?.value("UploadId").map(str::to_owned);
        if let Some(id) = &id {
            self.scratch.began(&self.name, id);
        }
        Ok(id)
    }

    async fn abort(&self, id: &str) {
        let _ = self.call(Method::DELETE).query(&[("uploadId", Some(id))]).send(Again::Harmless).await;
    }

    /// Copies the scratch object into a part and returns the ETag. Some storages treat this request as a part
    /// without a body.
    async fn copy_part(&self, id: &str) -> Result<Option<String>> {
        let part = self.call(Method::PUT).query(&[("partNumber", Some("1")), ("uploadId", Some(id))]);
        let copied = ask(part.vendor("copy-source", &self.source()), Again::Harmless).await?;
        let done = copied.status.is_success();
        Ok(document(copied).await?.value("ETag").filter(|_| done).map(str::to_owned))
    }

    /// Some storages require a checksum with every part of such an upload, and compute none for copied parts.
    async fn copies_into_summed_uploads(&mut self) -> Result<bool> {
        let Some(id) = self.begin(Some(ChecksumAlgorithm::Crc32)).await? else { return Ok(false) };
        let copied = self.copy_part(&id).await?;
        self.abort(&id).await;
        Ok(copied.is_some())
    }

    /// Makes an upload of one part, which is a copy if the storage supports that. With `conditions`, Complete
    /// must not replace the existing object.
    async fn uploads(&mut self, conditions: bool) -> Result<Features> {
        let Some(id) = self.begin(None).await? else { return Ok(NONE) };
        let copied = self.copy_part(&id).await?;
        let part_copies = copied.is_some();
        let etag = match copied {
            Some(etag) => etag,
            None => {
                let part =
                    self.call(Method::PUT).query(&[("partNumber", Some("1")), ("uploadId", Some(&id))]);
                let sent = ask(part.body(Outgoing::full("x".into())), Again::Harmless).await?;
                sent.header("etag").unwrap_or_default().to_owned()
            }
        };
        let mut parts = crate::xml::Writer::document();
        parts.root("CompleteMultipartUpload", |w| {
            w.element("Part", |w| {
                w.number("PartNumber", 1u32);
                w.text("ETag", &etag);
            });
        });
        let parts = parts.finish();
        let complete = || self.call(Method::POST).query(&[("uploadId", Some(&id))]).document(parts.clone());
        let (mut refused, mut said) = (conditions, None);
        // Some storages support only one of the two conditions.
        let asked =
            [("if-none-match", "*"), ("if-match", NO_TAG)].into_iter().filter(|_| conditions).map(Some);
        for condition in asked.chain([None]) {
            let call = condition.into_iter().fold(complete(), |call, (name, value)| call.text(name, value));
            let reply = ask(call, Again::OnlyIfRefused).await?;
            refused &= condition.is_none() || refuses(&reply);
            if reply.status.is_success() {
                said = document(reply).await?.value("ETag").map(ETag::parse);
                break;
            }
        }
        let seen = ask(self.call(Method::HEAD), Again::Harmless).await?;
        let upload_etags = said.is_some() && said == seen.header("etag").map(ETag::parse);
        self.abort(&id).await;
        Ok(Features { complete: refused, part_copies, upload_etags, ..NONE })
    }
}

fn refuses(reply: &Reply) -> bool {
    reply.status == StatusCode::PRECONDITION_FAILED
}

/// Returns the document of a reply, which may be empty.
async fn document(reply: Reply) -> Result<crate::xml::Element> {
    Ok(crate::xml::parse_reply(&reply.bytes(1 << 20).await?).unwrap_or_default())
}

/// Any date that is not now.
const EXPIRES: &str = "Fri, 01 Jan 2100 00:00:00 GMT";

fn crc32(bytes: &[u8]) -> String {
    let mut hasher = crate::model::ChecksumHasher::new(ChecksumAlgorithm::Crc32);
    hasher.update(bytes);
    hasher.finish().to_base64()
}
