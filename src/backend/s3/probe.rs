//! What a storage keeps of S3's promises: known, told by the operator, or found out by trying it on objects of our own.
//!
//! What is found out holds until the process ends. Trying takes a dozen requests on short-lived names that listings leave
//! out; a storage that lets us write nothing keeps no promise about writing.

use super::{
    client::{Call, Client},
    dialect::Dialect,
    headers, refusal,
};
use crate::{
    backend::{
        place::Place,
        wire::{Again, Outgoing, Reply, encode_path},
    },
    model::{ChecksumAlgorithm, ETag},
    store::{Capabilities, Durability, Guarantee, Keeping, MultipartSupport, Result, error::StoreError},
};
use http::{Method, StatusCode};
use serde::Serialize;

/// The names of what is tried begin with this.
pub(super) const SCRATCH: &str = ".causeway-probe-";

/// Each is kept or not; nothing in between is any use to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Promises {
    /// `If-None-Match: *` of PUT.
    pub create: bool,
    /// `If-Match` of PUT.
    pub swap: bool,
    /// Conditions of CompleteMultipartUpload.
    pub complete: bool,
    /// `If-Match` of DELETE.
    pub conditional_deletes: bool,
    /// `x-amz-checksum-` headers and trailers: compared with the body, and kept.
    pub checksums: bool,
    pub tags: bool,
    /// CopyObject, with its metadata kept or replaced. What is not kept goes through the gateway.
    pub copies: bool,
    /// UploadPartCopy, likewise.
    pub part_copies: bool,
    /// Complete answers with the ETag that the object has.
    pub upload_etags: bool,
    /// The header `Expires`.
    pub expires: bool,
    /// Listings grouped by any text, not by `/` alone.
    pub delimiters: bool,
}

/// No object of ours has it.
const NO_TAG: &str = "\"00000000000000000000000000000000\"";

const ALL: Promises = Promises {
    create: true,
    swap: true,
    complete: true,
    conditional_deletes: true,
    checksums: true,
    tags: true,
    copies: true,
    part_copies: true,
    upload_etags: true,
    expires: true,
    delimiters: true,
};

const NONE: Promises = Promises {
    create: false,
    swap: false,
    complete: false,
    conditional_deletes: false,
    checksums: false,
    tags: false,
    copies: false,
    part_copies: false,
    upload_etags: false,
    expires: false,
    delimiters: false,
};

/// Before anything is known: operations find out, and refuse what is not kept.
pub(super) fn hoped_for(dialect: Dialect) -> Capabilities {
    capabilities(dialect, None)
}

pub(super) fn capabilities(dialect: Dialect, known: Option<Promises>) -> Capabilities {
    let promises = known.unwrap_or(ALL);
    let guarantee = |kept| if kept { Guarantee::Native } else { Guarantee::Refused };
    let keeping = |kept| if kept { Keeping::Kept } else { Keeping::NotKept };
    Capabilities {
        conditional_writes: guarantee(promises.create && promises.swap),
        conditional_completes: guarantee(promises.complete),
        conditional_deletes: guarantee(promises.conditional_deletes),
        checksums: keeping(promises.checksums),
        tags: keeping(promises.tags),
        object_acls: keeping(dialect == Dialect::Gcs),
        parts: Keeping::Kept,
        // Whether it really has one is tried out when it is asked for.
        storage_classes: keeping(dialect == Dialect::S3),
        encryption: keeping(dialect == Dialect::S3),
        late_conditions: false,
        multipart: MultipartSupport::InPlace,
        durability: Durability::Strict,
    }
}

impl Client {
    /// What is known already.
    pub(super) fn known(&self) -> Option<Promises> {
        match (self.dialect(), &self.settings().endpoint) {
            // By its preconditions on generations, and by metadata of ours: see `gcs`.
            (Dialect::Gcs, _) => Some(ALL),
            // AWS itself.
            (Dialect::S3, None) => Some(ALL),
            (Dialect::S3, Some(_)) => self.tried().get().copied(),
        }
    }

    pub(super) async fn promises(&self, place: &Place) -> Result<Promises> {
        if let Some(known) = self.known() {
            return Ok(known);
        }
        self.tried().get_or_try_init(|| try_out(self, place)).await.copied()
    }
}

/// A name of nobody's.
pub(super) fn scratch() -> String {
    let mut random = [0; 8];
    let _ = getrandom::fill(&mut random);
    format!("{SCRATCH}{}", hex::encode(random))
}

async fn try_out(client: &Client, place: &Place) -> Result<Promises> {
    let trial = Trial { client, place, name: place.below(&scratch()) };
    let found = trial.run().await;
    // Whatever happened, nothing of it stays.
    for name in [trial.name.clone(), trial.copy()] {
        let _ = trial.on(Method::DELETE, &name).send(Again::Harmless).await;
    }
    let mut promises = found?;
    if let Some(told) = client.settings().conditional_writes {
        (promises.create, promises.swap) = (told, told);
        promises.complete &= told;
        promises.conditional_deletes &= told;
    }
    promises.checksums = client.settings().checksums.unwrap_or(promises.checksums);
    tracing::info!(remote = place.remote, ?promises, "tried out what a storage keeps");
    Ok(promises)
}

struct Trial<'t> {
    client: &'t Client,
    place: &'t Place,
    name: String,
}

impl Trial<'_> {
    fn call(&self, method: Method) -> Call<'_> {
        self.on(method, &self.name)
    }

    fn on(&self, method: Method, name: &str) -> Call<'_> {
        self.client.call(method, &self.place.remote, Some(name))
    }

    fn copy(&self) -> String {
        format!("{}-copy", self.name)
    }

    fn source(&self) -> String {
        format!("/{}/{}", encode_path(&self.place.remote), encode_path(&self.name))
    }

    async fn run(&self) -> Result<Promises> {
        let put = || self.call(Method::PUT).body(Outgoing::full("x".into()));
        let first = put().text("if-none-match", "*").send(Again::Harmless).await?;
        if !first.status.is_success() && first.status != StatusCode::NOT_IMPLEMENTED {
            let refused = refusal::read(first).await;
            // A storage that is away is asked again; one that lets us write nothing is not.
            let kind = refused.kind();
            if refused.status.is_server_error() || refused.code == "NoSuchBucket" || kind != crate::store::error::StoreErrorKind::Internal {
                return Err(StoreError::from(refused));
            }
            tracing::warn!(remote = self.place.remote, refused = %StoreError::from(refused), "the storage lets us write nothing");
            return Ok(NONE);
        }
        let refuses = |reply: &Reply| reply.status == StatusCode::PRECONDITION_FAILED;
        let create = refuses(&put().text("if-none-match", "*").send(Again::Harmless).await?);
        let swap = refuses(&put().text("if-match", NO_TAG).send(Again::Harmless).await?);
        let uploads = self.uploads(create).await?;
        let sum = crc32(b"x");
        let with_sum = |sum: &str| put().text(ChecksumAlgorithm::Crc32.header(), sum);
        // Some keep whatever a header says: only who refuses what is wrong has looked.
        let compared = !with_sum(&crc32(b"y")).send(Again::Harmless).await?.status.is_success();
        let given = with_sum(&sum).vendor("tagging", "a=b").vendor("meta-a", "1").text("expires", EXPIRES);
        let summed = given.text("content-type", "text/x-causeway").send(Again::Harmless).await?;
        let seen = self.call(Method::HEAD).vendor("checksum-mode", "ENABLED").send(Again::Harmless).await?;
        let shown = headers::checksum(&seen.headers).is_some_and(|shown| shown.text() == sum);
        let checksums = compared && summed.status.is_success() && shown;
        let expires = seen.header("expires") == Some(EXPIRES);
        let (copies, delimiters) = (self.copies().await?, self.delimiters().await?);
        let tagged = self.call(Method::GET).query(&[("tagging", None)]).send(Again::Harmless).await?;
        let tags = tagged.status.is_success() && String::from_utf8_lossy(&tagged.bytes(64 << 10).await?).contains("<Key>a</Key>");
        let deletes = self.call(Method::DELETE).text("if-match", NO_TAG).send(Again::OnlyIfRefused).await?;
        let conditional_deletes = refuses(&deletes);
        Ok(Promises { create, swap, conditional_deletes, checksums, tags, copies, expires, delimiters, ..uploads })
    }

    /// Our name grouped by its own end, in front of which nothing else begins as it does.
    async fn delimiters(&self) -> Result<bool> {
        let (prefix, end) = self.name.split_at(self.name.len() - 4);
        let query = [("list-type", Some("2")), ("prefix", Some(prefix)), ("delimiter", Some(end))];
        let reply = self.client.call(Method::GET, &self.place.remote, None).query(&query).send(Again::Harmless).await?;
        let document = reply.bytes(1 << 20).await?;
        let root = crate::xml::parse_reply(&document).unwrap_or_default();
        let groups: Vec<_> = root.all("CommonPrefixes").filter_map(|group| group.value("Prefix")).collect();
        Ok(groups == [self.name.as_str()] && root.child("Contents").is_none())
    }

    /// With the metadata of its source, and with others.
    async fn copies(&self) -> Result<bool> {
        let name = self.copy();
        for (directive, expected) in [("COPY", ("text/x-causeway", Some("1"), None)), ("REPLACE", ("text/other", None, Some("2")))] {
            let mut call = self.on(Method::PUT, &name).vendor("copy-source", &self.source()).vendor("metadata-directive", directive);
            if directive == "REPLACE" {
                call = call.vendor("meta-b", "2").text("content-type", "text/other");
            }
            let reply = call.send(Again::Harmless).await?;
            let done = reply.status.is_success();
            let document = reply.bytes(64 << 10).await?;
            let root = crate::xml::parse_reply(&document).unwrap_or_default();
            if !done || root.value("ETag").is_none() {
                return Ok(false);
            }
            let seen = self.on(Method::HEAD, &name).send(Again::Harmless).await?;
            let user = seen.headers.keys().filter(|name| name.as_str().starts_with("x-amz-meta-")).count();
            let has = (seen.header("content-type").unwrap_or_default(), seen.header("x-amz-meta-a"), seen.header("x-amz-meta-b"));
            if has != expected || user != 1 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// An upload of one part, copied if that can be. It must not replace what is there, unless nothing was asked of it.
    async fn uploads(&self, conditions: bool) -> Result<Promises> {
        let begun = self.call(Method::POST).query(&[("uploads", None)]).send(Again::OnlyIfRefused).await?;
        if !begun.status.is_success() {
            return Ok(NONE);
        }
        let document = begun.bytes(64 << 10).await?;
        let root = crate::xml::parse_reply(&document).unwrap_or_default();
        let Some(id) = root.value("UploadId") else { return Ok(NONE) };
        let query = [("partNumber", Some("1")), ("uploadId", Some(id))];
        let part = || self.call(Method::PUT).query(&query);
        // Some take it for a part without a body.
        let copied = part().vendor("copy-source", &self.source()).send(Again::Harmless).await?;
        let done = copied.status.is_success();
        let document = copied.bytes(64 << 10).await?;
        let etag = crate::xml::parse_reply(&document).unwrap_or_default().value("ETag").filter(|_| done).map(str::to_owned);
        let part_copies = etag.is_some();
        let etag = match etag {
            Some(etag) => etag,
            None => {
                let sent = part().body(Outgoing::full("x".into())).send(Again::Harmless).await?;
                sent.header("etag").unwrap_or_default().to_owned()
            }
        };
        let mut document = crate::xml::Writer::document();
        document.root("CompleteMultipartUpload", |w| {
            w.element("Part", |w| {
                w.number("PartNumber", 1u32);
                w.text("ETag", &etag);
            });
        });
        let document = document.finish();
        let complete = || self.call(Method::POST).query(&[("uploadId", Some(id))]).document(document.clone());
        let (mut refused, mut said) = (conditions, None);
        // Some know the one condition and not the other.
        let asked = [("if-none-match", "*"), ("if-match", NO_TAG)].into_iter().filter(|_| conditions).map(Some);
        for condition in asked.chain([None]) {
            let call = condition.into_iter().fold(complete(), |call, (name, value)| call.text(name, value));
            let reply = call.send(Again::OnlyIfRefused).await?;
            refused &= condition.is_none() || reply.status == StatusCode::PRECONDITION_FAILED;
            if reply.status.is_success() {
                let document = reply.bytes(64 << 10).await?;
                said = crate::xml::parse_reply(&document).unwrap_or_default().value("ETag").map(ETag::parse);
                break;
            }
        }
        let seen = self.call(Method::HEAD).send(Again::Harmless).await?;
        let upload_etags = said.is_some() && said == seen.header("etag").map(ETag::parse);
        let _ = self.call(Method::DELETE).query(&[("uploadId", Some(id))]).send(Again::Harmless).await;
        Ok(Promises { complete: refused, part_copies, upload_etags, ..NONE })
    }
}

/// Any date that is not now.
const EXPIRES: &str = "Fri, 01 Jan 2100 00:00:00 GMT";

fn crc32(bytes: &[u8]) -> String {
    let mut hasher = crate::model::ChecksumHasher::new(ChecksumAlgorithm::Crc32);
    hasher.update(bytes);
    hasher.finish().to_base64()
}
