//! Storage class and encryption: asked for by a client, tried out on an object of ours, passed on, and confirmed.
//!
//! What a storage drops without a word would be a promise broken: so nothing of a client's is written with it before the
//! storage has shown that it keeps exactly that, and what is written is looked at again.

use super::{
    refusal::{self, Asked},
    scratch::{self, Scratch},
    store::S3Store,
};
use crate::{
    backend::wire::{Again, Outgoing, Reply},
    model::{Encryption, EncryptionAlgorithm, StorageClass},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

const CLASS: HeaderName = HeaderName::from_static("x-amz-storage-class");
const ALGORITHM: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
const KEY_ID: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-aws-kms-key-id");
const CONTEXT: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-context");
const BUCKET_KEY: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-bucket-key-enabled");

/// Means nothing to anybody. Who shows it again shows whatever it is sent, and none of that means anything.
const PARROT: HeaderName = HeaderName::from_static("x-amz-causeway-trial");

/// How many wishes of a bucket's clients are remembered; then it is begun anew.
const REMEMBERED: usize = 64;

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Wish {
    pub(super) class: Option<StorageClass>,
    pub(super) encryption: Option<Encryption>,
}

/// Which wishes the storage keeps.
#[derive(Debug, Default)]
pub(super) struct Tried(Mutex<HashMap<Wish, bool>>);

impl Wish {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn headers(&self) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        let encryption = self.encryption.as_ref();
        let said = [
            (CLASS, self.class.map(StorageClass::as_str)),
            (ALGORITHM, encryption.map(|encryption| encryption.algorithm.as_str())),
            (KEY_ID, encryption.and_then(|encryption| encryption.key_id.as_deref())),
            (CONTEXT, encryption.and_then(|encryption| encryption.context.as_deref())),
            (BUCKET_KEY, encryption.filter(|encryption| encryption.bucket_key).map(|_| "true")),
        ];
        for (name, value) in said {
            let Some(value) = value else { continue };
            let value = HeaderValue::try_from(value);
            let cannot = |_| StoreError::new(StoreErrorKind::InvalidRequest, "A header cannot be passed on to the storage");
            headers.insert(name, value.map_err(cannot)?);
        }
        Ok(headers)
    }

    /// Whether an object with these headers is kept as was wished.
    fn is_kept(&self, shown: &HeaderMap) -> bool {
        (self.class.is_none() || class(shown) == self.class) && self.encryption.as_ref().is_none_or(|wanted| encrypts(wanted, shown))
    }
}

fn encrypts(wanted: &Encryption, shown: &HeaderMap) -> bool {
    let Some(shown) = encryption(shown) else { return false };
    let key = match (&wanted.key_id, &shown.key_id) {
        (None, _) => true,
        // A name for a key is shown as the key.
        (Some(wanted), Some(shown)) => shown.ends_with(wanted.as_str()) || wanted.contains("alias/"),
        (Some(_), None) => false,
    };
    shown.algorithm == wanted.algorithm && key && (shown.bucket_key || !wanted.bucket_key)
}

/// The storage class that a reply shows, if it is not `STANDARD` and S3 knows it.
pub(super) fn class(shown: &HeaderMap) -> Option<StorageClass> {
    StorageClass::parse(shown.get(CLASS)?.to_str().ok()?)
}

pub(super) fn encryption(shown: &HeaderMap) -> Option<Encryption> {
    let text = |name: HeaderName| shown.get(name)?.to_str().ok();
    Some(Encryption {
        algorithm: EncryptionAlgorithm::parse(text(ALGORITHM)?)?,
        key_id: text(KEY_ID).map(str::to_owned),
        context: None,
        bucket_key: text(BUCKET_KEY) == Some("true"),
    })
}

impl S3Store {
    /// The headers that say so, once the storage has shown that it keeps its word.
    pub(super) async fn kept_as(&self, wish: &Wish) -> Result<HeaderMap> {
        let headers = wish.headers()?;
        // AWS is what the others are compared with.
        if wish.is_empty() || self.client.settings().endpoint.is_none() {
            return Ok(headers);
        }
        let known = || self.tried.0.lock().unwrap_or_else(PoisonError::into_inner);
        let remembered = known().get(wish).copied();
        let kept = match remembered {
            Some(kept) => kept,
            None => {
                let kept = self.try_wish(wish, &headers).await?;
                let mut known = known();
                if known.len() >= REMEMBERED {
                    known.clear();
                }
                known.insert(wish.clone(), kept);
                kept
            }
        };
        if kept { Ok(headers) } else { Err(not_kept(wish)) }
    }

    async fn try_wish(&self, wish: &Wish, headers: &HeaderMap) -> Result<bool> {
        let name = self.place.below(&scratch::name());
        // Removed in any case: whoever wished for it may leave in the middle.
        let trial = Scratch::new(&self.client, &self.place, vec![name.clone()]);
        let put = self.call(Method::PUT, &name).headers(headers.clone()).text(PARROT.as_str(), "1");
        let put = put.body(Outgoing::full("x".into())).send(Again::Harmless).await?;
        if !put.status.is_success() {
            let refused = refusal::read(put, Asked::Bucket).await;
            // Its words are about an object of ours.
            return Err(match refused.kind() {
                StoreErrorKind::InvalidRequest => {
                    StoreError::new(StoreErrorKind::InvalidRequest, format!("{}: {}", not_kept(wish).message(), refused.code))
                }
                _ => refused.into(),
            });
        }
        let seen = self.call(Method::HEAD, &name).send(Again::Harmless).await;
        trial.remove().await;
        let seen = seen?;
        let kept = seen.status.is_success() && !seen.headers.contains_key(PARROT) && wish.is_kept(&seen.headers);
        let class = StorageClass::shown(wish.class);
        let algorithm = wish.encryption.as_ref().map(|encryption| encryption.algorithm.as_str());
        tracing::info!(remote = self.place.remote, class, algorithm, kept, "tried out how a storage keeps objects");
        Ok(kept)
    }

    /// Checks that what was written is encrypted as was asked: the reply says so, or the object does. If neither does, the operator has to
    /// know.
    pub(super) async fn confirm(&self, name: &str, wish: &Wish, reply: &HeaderMap) -> Result<()> {
        let Some(encryption) = &wish.encryption else { return Ok(()) };
        if encrypts(encryption, reply) {
            return Ok(());
        }
        let (_, seen) = self.look(name, HeaderMap::new()).await?;
        match encrypts(encryption, &seen) {
            true => Ok(()),
            false => {
                Err(StoreError::new(StoreErrorKind::Internal, "the storage wrote an object and did not encrypt it as it was asked to"))
            }
        }
    }

    /// Checks what the storage says of an upload that was begun: there is no object yet to look at.
    pub(super) fn promises_to(&self, wish: &Wish, reply: &Reply) -> Result<()> {
        match &wish.encryption {
            Some(encryption) if reply.header(&ALGORITHM) != Some(encryption.algorithm.as_str()) => Err(not_kept(wish)),
            _ => Ok(()),
        }
    }
}

fn not_kept(wish: &Wish) -> StoreError {
    let words = match (&wish.encryption, wish.class) {
        (Some(encryption), _) => format!("The storage behind this bucket does not encrypt with {} as asked", encryption.algorithm.as_str()),
        (None, class) => format!("The storage behind this bucket does not have the storage class {}", StorageClass::shown(class)),
    };
    StoreError::new(StoreErrorKind::NotImplemented, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kms(key_id: Option<&str>, bucket_key: bool) -> Wish {
        let encryption = Encryption { algorithm: EncryptionAlgorithm::Kms, key_id: key_id.map(str::to_owned), context: None, bucket_key };
        Wish { class: None, encryption: Some(encryption) }
    }

    #[test]
    fn a_wish_is_kept_only_if_all_of_it_is_shown() {
        let arn = "arn:aws:kms:us-east-1:1:key/abc";
        let shown = kms(Some(arn), false).headers().expect("headers");
        for (wish, kept) in [
            (kms(None, false), true),
            (kms(Some("abc"), false), true),
            (kms(Some(arn), false), true),
            (kms(Some("alias/mine"), false), true),
            (kms(Some("other"), false), false),
            (kms(None, true), false),
            (Wish { class: StorageClass::parse("GLACIER"), ..kms(None, false) }, false),
            (Wish::default(), true),
        ] {
            assert_eq!(wish.is_kept(&shown), kept, "{wish:?}");
            assert_eq!(wish.is_kept(&HeaderMap::new()), wish.is_empty(), "{wish:?}");
        }
    }
}
