//! The credentials that sign requests, from the settings.

use super::{Credentials, Dialect, S3Settings};
use crate::{
    backend::wire::{self, Sign, Unsigned},
    store::Result,
};
use reqsign_core::Signer;
use std::sync::Arc;

pub(super) fn signer(settings: &S3Settings) -> Result<Arc<dyn Sign>> {
    let context = || wire::context();
    Ok(match (&settings.credentials, settings.dialect) {
        (Credentials::Anonymous, _) => Arc::new(Unsigned),
        (Credentials::Keys { access_key, secret_key, session_token }, _) => {
            let keys = reqsign_aws_v4::StaticCredentialProvider::new(access_key, secret_key.expose());
            let keys = match session_token {
                Some(token) => keys.with_session_token(token.expose()),
                None => keys,
            };
            Arc::new(Signer::new(context()?, keys, sigv4(settings)))
        }
        (Credentials::Found { profile }, Dialect::S3) => {
            let mut chain = reqsign_aws_v4::DefaultCredentialProvider::builder();
            if let Some(profile) = profile {
                chain = chain.with_profile(profile);
            }
            Arc::new(Signer::new(context()?, chain.build(), sigv4(settings)))
        }
        (Credentials::Found { .. }, Dialect::Gcs) => {
            let chain = reqsign_google::DefaultCredentialProvider::builder().build();
            Arc::new(Signer::new(context()?, chain, google()))
        }
        (Credentials::GoogleToken(token), _) => Arc::new(Signer::new(
            context()?,
            reqsign_google::TokenCredentialProvider::new(token.expose()),
            google(),
        )),
        (Credentials::Google(json), _) => {
            let account = reqsign_google::StaticCredentialProvider::new(json.expose()).with_scope(SCOPE);
            Arc::new(Signer::new(context()?, account, google()))
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
