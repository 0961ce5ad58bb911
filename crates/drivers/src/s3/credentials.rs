//! The credentials that sign requests, from the settings.

use super::{Credentials, Dialect, S3Settings};
use crate::{
    backend::wire::{self, Chain, Sign, Unsigned},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use http::request::Parts;
use reqsign_core::{Signer, SigningCredential};
use std::{sync::Arc, time::Duration};

/// Adds a signature to the address of a request, which ends after `expires`.
#[async_trait]
pub(super) trait Presign: Send + Sync {
    async fn presign(&self, head: &mut Parts, expires: Duration) -> Result<()>;
}

#[async_trait]
impl<K: SigningCredential> Presign for Signer<K> {
    async fn presign(&self, head: &mut Parts, expires: Duration) -> Result<()> {
        let signed = Signer::sign(self, head, Some(expires)).await;
        signed.map_err(|error| {
            StoreError::new(StoreErrorKind::Internal, "there are no credentials for this link")
                .with_source(Chain::of(&error))
        })
    }
}

/// A public object needs no signature.
#[async_trait]
impl Presign for Unsigned {
    async fn presign(&self, _head: &mut Parts, _expires: Duration) -> Result<()> {
        Ok(())
    }
}

/// The same credentials, for requests and for links.
pub(super) struct Signers {
    pub(super) requests: Arc<dyn Sign>,
    pub(super) links: Arc<dyn Presign>,
}

impl Signers {
    fn of(signer: impl Sign + Presign + 'static) -> Self {
        let signer = Arc::new(signer);
        Self { requests: signer.clone(), links: signer }
    }
}

pub(super) fn signers(settings: &S3Settings) -> Result<Signers> {
    let context = || wire::context();
    Ok(match (&settings.credentials, settings.dialect) {
        (Credentials::Anonymous, _) => Signers::of(Unsigned),
        (Credentials::Keys { access_key, secret_key, session_token }, _) => {
            let keys = reqsign_aws_v4::StaticCredentialProvider::new(access_key, secret_key.expose());
            let keys = match session_token {
                Some(token) => keys.with_session_token(token.expose()),
                None => keys,
            };
            Signers::of(Signer::new(context()?, keys, sigv4(settings)))
        }
        (Credentials::Found { profile, metadata }, Dialect::S3) => {
            let mut chain = reqsign_aws_v4::DefaultCredentialProvider::builder();
            if !metadata {
                chain = chain.no_ecs().no_imds();
            }
            if let Some(profile) = profile {
                chain = chain.with_profile(profile);
            }
            Signers::of(Signer::new(context()?, chain.build(), sigv4(settings)))
        }
        (Credentials::Found { metadata, .. }, Dialect::Gcs) => {
            let mut chain = reqsign_google::DefaultCredentialProvider::builder();
            if !metadata {
                chain = chain.no_vm_metadata();
            }
            Signers::of(Signer::new(context()?, chain.build(), google()))
        }
        (Credentials::GoogleToken(token), _) => Signers::of(Signer::new(
            context()?,
            reqsign_google::TokenCredentialProvider::new(token.expose()),
            google(),
        )),
        (Credentials::Google(json), _) => {
            let account = reqsign_google::StaticCredentialProvider::new(json.expose()).with_scope(SCOPE);
            Signers::of(Signer::new(context()?, account, google()))
        }
    })
}

/// The scope for reading and writing objects, and for creating buckets.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.full_control";

fn google() -> reqsign_google::RequestSigner {
    reqsign_google::RequestSigner::new("storage").with_scope(SCOPE)
}

fn sigv4(settings: &S3Settings) -> reqsign_aws_v4::RequestSigner {
    reqsign_aws_v4::RequestSigner::new("s3", &settings.region).with_standard_session_token()
}
