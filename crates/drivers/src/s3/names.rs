//! Refuses names that a storage may confuse with others. If two keys would be one object there, both are
//! refused before either is read or written, and so is a key that could leave the prefix.
//!
//! A trial finds out whether the storage confuses them. It runs once per bucket, and only when such a key is
//! first used, which is rare.

use super::{
    Dialect,
    bucket::S3Store,
    gcs,
    quirk::NameQuirk,
    refusal::{self, RequestSubject},
    scratch::{self, Scratch},
};
use crate::{
    backend::wire::{Again, Outgoing},
    model::ObjectKey,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use http::{Method, StatusCode};

impl S3Store {
    /// Returns the name of a key at the storage, if that name means this key alone.
    pub(super) async fn name(&self, key: &ObjectKey) -> Result<String> {
        if self.dialect() == Dialect::Gcs {
            return gcs::name(&self.location, key);
        }
        let name = self.location.name(key)?;
        // AWS keeps all names apart.
        let trusted = self.client.settings().endpoint.is_none();
        for (quirk, apart) in NameQuirk::ALL.into_iter().zip(&self.names.0) {
            if !trusted && quirk.is_in(&name) && !*apart.get_or_try_init(|| self.keeps_apart(quirk)).await? {
                let words = format!("The storage behind this bucket {}", quirk.words());
                return Err(StoreError::new(StoreErrorKind::NotImplemented, words));
            }
        }
        Ok(name)
    }

    /// Returns the name like `name`, for an existing object: a key whose name would mean another object has
    /// no object.
    pub(super) async fn name_of_existing(&self, key: &ObjectKey) -> Result<String> {
        self.name(key).await.map_err(|error| match error.kind() {
            StoreErrorKind::NotImplemented => StoreErrorKind::NoSuchKey.into(),
            _ => error,
        })
    }

    async fn keeps_apart(&self, quirk: NameQuirk) -> Result<bool> {
        let (odd, plain) = quirk.pair(&self.location.below(&scratch::name()));
        // The objects are removed in any case, even if the client that waits disconnects.
        let trial = Scratch::new(&self.client, &self.location, vec![odd.clone(), plain.clone()]);
        let kept = self.are_apart(&odd, &plain).await;
        trial.remove().await;
        let kept = kept?;
        tracing::info!(
            remote = self.location.remote,
            ?quirk,
            kept,
            "tried out what a storage makes of names"
        );
        Ok(kept)
    }

    async fn are_apart(&self, odd: &str, plain: &str) -> Result<bool> {
        for (name, body) in [(plain, "plain"), (odd, "odd")] {
            let reply =
                self.call(Method::PUT, name).body(Outgoing::full(body.into())).send(Again::Harmless).await?;
            match reply.status {
                status if status.is_success() => {}
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                    return Err(refusal::read(reply, RequestSubject::Bucket).await.into());
                }
                // A storage that refuses the name does not confuse it with another. If nothing can be
                // written, nothing can be found out.
                _ => return Ok(name == odd),
            }
        }
        for (name, body) in [(plain, "plain"), (odd, "odd")] {
            let reply = self.call(Method::GET, name).send(Again::Harmless).await?;
            if !reply.status.is_success() || reply.bytes(64).await? != body {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
