//! What a storage keeps of S3's promises: known, told by the operator, or found out by trying it on objects of our own.
//!
//! What is found out holds until the process ends. Trying takes a dozen requests on short-lived names that listings leave
//! out; a storage that lets us write nothing keeps no promise about writing.

use super::{client::Client, dialect::Dialect, headers, refusal};
use crate::{
    backend::{
        place::Place,
        wire::{Again, Outgoing, Reply},
    },
    model::ChecksumAlgorithm,
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
    /// `x-amz-checksum-` headers and trailers.
    pub checksums: bool,
    pub tags: bool,
}

/// No object of ours has it.
const NO_TAG: &str = "\"00000000000000000000000000000000\"";

const ALL: Promises = Promises { create: true, swap: true, complete: true, conditional_deletes: true, checksums: true, tags: true };

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

async fn try_out(client: &Client, place: &Place) -> Result<Promises> {
    let mut random = [0; 8];
    let _ = getrandom::fill(&mut random);
    let trial = Trial { client, place, name: place.below(&format!("{SCRATCH}{}", hex::encode(random))) };
    let found = trial.run().await;
    // Whatever happened, nothing of it stays.
    let _ = trial.call(Method::DELETE).send(Again::Harmless).await;
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
    fn call(&self, method: Method) -> super::client::Call<'_> {
        self.client.call(method, &self.place.remote, Some(&self.name))
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
            return Ok(Promises { create: false, swap: false, complete: false, conditional_deletes: false, checksums: false, tags: false });
        }
        let refuses = |reply: &Reply| reply.status == StatusCode::PRECONDITION_FAILED;
        let create = refuses(&put().text("if-none-match", "*").send(Again::Harmless).await?);
        let swap = refuses(&put().text("if-match", NO_TAG).send(Again::Harmless).await?);
        let complete = create && self.completes_conditionally().await?;
        let sum = crc32(b"x");
        let summed = put().text(ChecksumAlgorithm::Crc32.header(), &sum).vendor("tagging", "a=b").send(Again::Harmless).await?;
        let seen = self.call(Method::HEAD).vendor("checksum-mode", "ENABLED").send(Again::Harmless).await?;
        let checksums = summed.status.is_success() && headers::checksum(&seen.headers).is_some_and(|shown| shown.text() == sum);
        let tagged = self.call(Method::GET).query(&[("tagging", None)]).send(Again::Harmless).await?;
        let tags = tagged.status.is_success() && String::from_utf8_lossy(&tagged.bytes(64 << 10).await?).contains("<Key>a</Key>");
        let deletes = self.call(Method::DELETE).text("if-match", NO_TAG).send(Again::OnlyIfRefused).await?;
        let conditional_deletes = refuses(&deletes);
        Ok(Promises { create, swap, complete, conditional_deletes, checksums, tags })
    }

    /// An upload of one part, which must not replace what is there.
    async fn completes_conditionally(&self) -> Result<bool> {
        let begun = self.call(Method::POST).query(&[("uploads", None)]).send(Again::OnlyIfRefused).await?;
        if !begun.status.is_success() {
            return Ok(false);
        }
        let document = begun.bytes(64 << 10).await?;
        let root = crate::xml::parse_reply(&document).unwrap_or_default();
        let Some(id) = root.value("UploadId") else { return Ok(false) };
        let query = [("partNumber", Some("1")), ("uploadId", Some(id))];
        let part = self.call(Method::PUT).query(&query).body(Outgoing::full("x".into())).send(Again::Harmless).await?;
        let etag = part.header("etag").unwrap_or_default().to_owned();
        let mut document = crate::xml::Writer::document();
        document.root("CompleteMultipartUpload", |w| {
            w.element("Part", |w| {
                w.number("PartNumber", 1u32);
                w.text("ETag", &etag);
            });
        });
        let document = document.finish();
        let mut refused = true;
        // Some know the one and not the other.
        for (name, value) in [("if-none-match", "*"), ("if-match", NO_TAG)] {
            let complete = self.call(Method::POST).query(&[("uploadId", Some(id))]).document(document.clone());
            let reply = complete.text(name, value).send(Again::OnlyIfRefused).await?;
            refused &= reply.status == StatusCode::PRECONDITION_FAILED;
        }
        let _ = self.call(Method::DELETE).query(&[("uploadId", Some(id))]).send(Again::Harmless).await;
        Ok(refused)
    }
}

fn crc32(bytes: &[u8]) -> String {
    let mut hasher = crate::model::ChecksumHasher::new(ChecksumAlgorithm::Crc32);
    hasher.update(bytes);
    hasher.finish().to_base64()
}
