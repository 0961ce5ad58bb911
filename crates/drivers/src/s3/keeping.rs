//! Storage class and encryption: requested by a client, tried out on a scratch object, passed on, and
//! confirmed.
//!
//! A storage that silently dropped them would break a promise. So no object of a client is written with them
//! before the storage has shown that it stores exactly these values, and each written object is checked
//! again.

use super::{
    bucket::S3Store,
    refusal::{self, RequestSubject},
    scratch::{self, Scratch},
    wish::{ALGORITHM, Wish, encrypts},
};
use crate::{
    backend::wire::{Again, Outgoing, Reply},
    model::StorageClass,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use http::{HeaderMap, HeaderName, Method};
use std::sync::PoisonError;

/// A header without a meaning. A storage that returns it returns any header that it received, so its reply
/// proves nothing.
const PARROT: HeaderName = HeaderName::from_static("x-amz-causeway-trial");

/// The number of results that are remembered for a bucket. Beyond it, all of them are forgotten.
const REMEMBERED: usize = 64;

impl S3Store {
    /// Returns the headers of a wish, once the storage has shown that it fulfils it.
    pub(super) async fn kept_as(&self, wish: &Wish) -> Result<HeaderMap> {
        let headers = wish.headers()?;
        // AWS is the reference, so it is not tried out.
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
        let name = self.location.below(&scratch::name());
        // The object is removed in any case, even if the client that waits disconnects.
        let trial = Scratch::new(&self.client, &self.location, vec![name.clone()]);
        let put = self.call(Method::PUT, &name).headers(headers.clone()).text(PARROT.as_str(), "1");
        let put = put.body(Outgoing::full("x".into())).send(Again::Harmless).await?;
        if !put.status.is_success() {
            let refused = refusal::read(put, RequestSubject::Bucket).await;
            // The message of the error is about the scratch object, so it is replaced.
            return Err(match refused.kind() {
                StoreErrorKind::InvalidRequest => StoreError::new(
                    StoreErrorKind::InvalidRequest,
                    format!("{}: {}", not_kept(wish).message(), refused.code),
                ),
                _ => refused.into(),
            });
        }
        let seen = self.call(Method::HEAD, &name).send(Again::Harmless).await;
        trial.remove().await;
        let seen = seen?;
        let kept =
            seen.status.is_success() && !seen.headers.contains_key(PARROT) && wish.is_kept(&seen.headers);
        let class = StorageClass::shown(wish.class);
        let algorithm = wish.encryption.as_ref().map(|encryption| encryption.algorithm.as_str());
        tracing::info!(
            remote = self.location.remote,
            class,
            algorithm,
            kept,
            "tried out how a storage keeps objects"
        );
        Ok(kept)
    }

    /// Checks that the written object is encrypted as requested: by the reply, or else by the object. If
    /// neither shows it, the log tells the operator.
    pub(super) async fn confirm(&self, name: &str, wish: &Wish, reply: &HeaderMap) -> Result<()> {
        let Some(encryption) = &wish.encryption else { return Ok(()) };
        if encrypts(encryption, reply) {
            return Ok(());
        }
        let (_, seen) = self.look(name, HeaderMap::new()).await?;
        if encrypts(encryption, &seen) {
            Ok(())
        } else {
            Err(StoreError::new(
                StoreErrorKind::Internal,
                "the storage wrote an object and did not encrypt it as it was asked to",
            ))
        }
    }

    /// Checks the reply to the beginning of an upload, because there is no object yet.
    pub(super) fn promises_to(&self, wish: &Wish, reply: &Reply) -> Result<()> {
        match &wish.encryption {
            Some(encryption) if reply.header(&ALGORITHM) != Some(encryption.algorithm.as_str()) => {
                Err(not_kept(wish))
            }
            _ => Ok(()),
        }
    }
}

fn not_kept(wish: &Wish) -> StoreError {
    let words = match (&wish.encryption, wish.class) {
        (Some(encryption), _) => format!(
            "The storage behind this bucket does not encrypt with {} as asked",
            encryption.algorithm.as_str()
        ),
        (None, class) => format!(
            "The storage behind this bucket does not have the storage class {}",
            StorageClass::shown(class)
        ),
    };
    StoreError::new(StoreErrorKind::NotImplemented, words)
}
