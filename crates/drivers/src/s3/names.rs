//! Names that a storage may take for others. Two keys that are one object there are refused before either is
//! touched, and so is a key that could leave our prefix.
//!
//! This is tried once per bucket, and only if a key of that kind comes: most never do.

use super::{
    Dialect,
    bucket::S3Store,
    gcs,
    quirk::NameQuirk,
    refusal::{self, Asked},
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
    /// The name of a key there, which means that key alone.
    pub(super) async fn name(&self, key: &ObjectKey) -> Result<String> {
        if self.dialect() == Dialect::Gcs {
            return gcs::name(&self.place, key);
        }
        let name = self.place.name(key)?;
        // AWS itself keeps every name.
        let trusted = self.client.settings().endpoint.is_none();
        for (quirk, apart) in NameQuirk::ALL.into_iter().zip(&self.names.0) {
            if !trusted && quirk.is_in(&name) && !*apart.get_or_try_init(|| self.keeps_apart(quirk)).await? {
                let words = format!("The storage behind this bucket {}", quirk.words());
                return Err(StoreError::new(StoreErrorKind::NotImplemented, words));
            }
        }
        Ok(name)
    }

    /// Like `name`, for an existing object: a key whose name would mean another object has none.
    pub(super) async fn name_of_existing(&self, key: &ObjectKey) -> Result<String> {
        self.name(key).await.map_err(|error| match error.kind() {
            StoreErrorKind::NotImplemented => StoreErrorKind::NoSuchKey.into(),
            _ => error,
        })
    }

    async fn keeps_apart(&self, quirk: NameQuirk) -> Result<bool> {
        let (odd, plain) = quirk.pair(&self.place.below(&scratch::name()));
        // The object is removed in any case: the client that asked for the key may disconnect in the middle.
        let trial = Scratch::new(&self.client, &self.place, vec![odd.clone(), plain.clone()]);
        let kept = self.are_apart(&odd, &plain).await;
        trial.remove().await;
        let kept = kept?;
        tracing::info!(remote = self.place.remote, ?quirk, kept, "tried out what a storage makes of names");
        Ok(kept)
    }

    async fn are_apart(&self, odd: &str, plain: &str) -> Result<bool> {
        for (name, body) in [(plain, "plain"), (odd, "odd")] {
            let reply =
                self.call(Method::PUT, name).body(Outgoing::full(body.into())).send(Again::Harmless).await?;
            match reply.status {
                status if status.is_success() => {}
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                    return Err(refusal::read(reply, Asked::Bucket).await.into());
                }
                // A storage that refuses the name takes it for no other. Where nothing can be written,
                // nothing can be found out.
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
