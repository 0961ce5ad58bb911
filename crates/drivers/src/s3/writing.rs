//! PUT of an object, and of a part. The body is streamed, and its last piece is sent only after it was
//! verified.

use super::{
    bucket::S3Store,
    describing::no_tags,
    dialect::Dialect,
    guard::Guard,
    headers::{self, answered},
    refusal::{self, RequestSubject},
    wish::Wish,
};
use crate::{
    backend::wire::{Again, BodyOutcome, Framing, Outgoing, Reply, Sent, gather_or_stream},
    model::{Attributes, ChecksumAlgorithm, ETag, ObjectChecksum, ObjectKey},
    store::{
        PutRequest, Result, Written,
        error::{StoreError, StoreErrorKind},
        payload::{AnnouncedChecksum, Arrived, Payload},
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Method, header};

/// A body with the headers that announce it.
pub(super) struct Announced {
    pub(super) body: Outgoing,
    pub(super) headers: HeaderMap,
    pub(super) verification: Verification,
}

pub(super) enum Verification {
    Done(Arrived),
    Pending(BodyOutcome),
}

impl Verification {
    /// Returns the digests of the sent body. It is checked against what the client announced before the reply
    /// is used.
    pub(super) fn settle(self, reply: Result<Reply>) -> Result<(Reply, Option<Arrived>)> {
        match self {
            Self::Done(arrived) => Ok((reply?, Some(arrived))),
            Self::Pending(outcome) => match outcome.take() {
                Some(Err(error)) => Err(error.into()),
                Some(Ok(arrived)) => Ok((reply?, Some(arrived))),
                None => Ok((reply?, None)),
            },
        }
    }
}

impl S3Store {
    pub(super) async fn write(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        let PutRequest { attributes, conditions, payload } = request;
        let name = self.name(key).await?;
        let wish = Wish { class: attributes.storage_class, encryption: attributes.encryption.clone() };
        let mut described = self.described(&attributes).await?;
        described.extend(self.kept_as(&wish).await?);
        let guard = self.guard(&name, &conditions, false).await?;
        // A checksum that the client did not request still protects the transfer to the storage. It is the
        // one that S3 itself would compute.
        let guarding =
            self.client.known().filter(|features| features.checksums).map(|_| ChecksumAlgorithm::Crc64Nvme);
        let algorithm = payload.checksum_algorithm().or(guarding);
        let announced = self.announce(payload, algorithm, attributes.content_encoding.as_deref()).await?;
        let Announced { body, headers: announcing, verification } = announced;
        let call =
            guard.apply(self.call(Method::PUT, &name).headers(described).headers(announcing)).body(body);
        let (reply, arrived) = verification.settle(call.send(Again::OnlyIfRefused).await)?;
        if !reply.status.is_success() {
            // Without a condition, only the bucket can be missing.
            let asked = if guard == Guard::None { RequestSubject::Bucket } else { RequestSubject::Object };
            return Err(refusal::read(reply, asked).await.into());
        }
        let Some(arrived) = arrived else { return Err(unread()) };
        self.confirm(&name, &wish, &reply.headers).await?;
        let etag = reply_etag(&reply, &arrived)?;
        // The reply contains the checksum that was verified, whether or not the storage stores it. A storage
        // that does not know the algorithm may report another one.
        let checksum =
            arrived.checksum.map(ObjectChecksum::full).or_else(|| headers::checksum(&reply.headers));
        Ok(Written { etag, last_modified: answered(&reply), checksum, version: None })
    }

    /// Returns the headers of a new object, as this storage keeps them.
    pub(super) async fn described(&self, attributes: &Attributes) -> Result<HeaderMap> {
        let mut described = headers::of_attributes(attributes, self.dialect())?;
        if attributes.expires.is_some() && self.dialect() == Dialect::S3 && !self.features().await?.expires {
            headers::keep_expires(&mut described);
        }
        if !attributes.tags.is_empty() {
            if !self.features().await?.tags {
                return Err(no_tags());
            }
            described.extend(self.tagging(&headers::tagging(&attributes.tags)));
        }
        Ok(described)
    }

    pub(super) fn tagging(&self, text: &str) -> HeaderMap {
        let name = http::HeaderName::from_static("x-amz-tagging");
        HeaderValue::from_str(text).map(|value| HeaderMap::from_iter([(name, value)])).unwrap_or_default()
    }

    /// Prepares a body. If the storage stores the client's checksum, it is sent with the body: in a header if
    /// it is known, otherwise in a trailer.
    pub(super) async fn announce(
        &self,
        payload: Payload,
        algorithm: Option<ChecksumAlgorithm>,
        encoding: Option<&str>,
    ) -> Result<Announced> {
        let pass_on = match algorithm {
            Some(algorithm) if self.keeps(algorithm).await? => Some(algorithm),
            _ => None,
        };
        let known = match payload.announced_checksum() {
            AnnouncedChecksum::Header(checksum) => Some(checksum.clone()),
            _ => None,
        };
        let framing = match pass_on {
            Some(algorithm) if known.is_none() => Framing::Trailer(algorithm),
            _ => Framing::Plain,
        };
        let mut headers = HeaderMap::new();
        let mut insert = |name: &'static str, value: &str| {
            // The value consists of digits, base64 or known names, so it is always valid.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        let (body, verification) = match gather_or_stream(payload, algorithm, false, framing).await? {
            Sent::Gathered(bytes, verified) => {
                insert("content-md5", &STANDARD.encode(verified.md5()));
                if let Some(checksum) = verified.checksum().filter(|_| pass_on.is_some()) {
                    insert(checksum.algorithm().header(), &checksum.to_base64());
                }
                (Outgoing::full(bytes), Verification::Done(verified.into()))
            }
            Sent::Streamed { body, length, outcome } => {
                match framing {
                    Framing::Trailer(algorithm) => {
                        insert("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
                        insert("x-amz-decoded-content-length", &length.to_string());
                        insert("x-amz-trailer", algorithm.header());
                        let encoding = encoding.map_or_else(
                            || "aws-chunked".to_owned(),
                            |encoding| format!("aws-chunked,{encoding}"),
                        );
                        if let Ok(value) = HeaderValue::from_str(&encoding) {
                            headers.insert(header::CONTENT_ENCODING, value);
                        }
                    }
                    Framing::Plain => {
                        if let Some(checksum) = known.filter(|_| pass_on.is_some()) {
                            insert(checksum.algorithm().header(), &checksum.to_base64());
                        }
                    }
                }
                (body, Verification::Pending(outcome))
            }
        };
        Ok(Announced { body, headers, verification })
    }
}

/// The error for a reply of success that came before the whole body was sent.
pub(super) fn unread() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the storage answered before it had the whole body")
}

/// Returns the ETag in the reply, or the MD5 of the body if the reply has none.
pub(super) fn reply_etag(reply: &Reply, arrived: &Arrived) -> Result<ETag> {
    let none = || StoreError::new(StoreErrorKind::Internal, "the storage's reply has no ETag");
    reply.header("etag").map(ETag::parse).or_else(|| arrived.md5.map(ETag::from_md5)).ok_or_else(none)
}
