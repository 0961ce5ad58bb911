//! The sign-in for people: from settings to the pages of the admin address.

use super::error::StartError;
use crate::{
    access::CredentialsInForce,
    config::Settings,
    iam::{
        Directory,
        oidc::Providers,
        sign_in::{SignIn, SignInSettings},
    },
};
use std::sync::Arc;

/// `None`: people do not sign in here.
pub(crate) fn build(
    settings: &Settings,
    providers: &Arc<Providers>,
    directory: &Arc<Directory>,
    credentials: &Arc<CredentialsInForce>,
) -> Result<Option<SignIn>, StartError> {
    let Some(sign_in) = &settings.sign_in else { return Ok(None) };
    let account = super::account::of_members(credentials, sign_in.account.as_ref(), "sign_in")?;
    let roles = settings.sign_in_roles.iter().map(|row| (row.value.clone(), row.role.clone()));
    let settings = SignInSettings {
        issuer: sign_in.issuer.as_str().to_owned(),
        client_id: sign_in.client_id.clone(),
        client_secret: sign_in.client_secret.as_ref().map(|given| given.secret.clone()),
        redirect: sign_in.redirect.as_str().to_owned(),
        scopes: sign_in.scopes.0.clone(),
        claim: sign_in.claim.clone(),
        roles: roles.collect(),
        role: sign_in.role.clone(),
        account: account.owner.id.clone(),
        session: u32::try_from(sign_in.session.as_secs()).unwrap_or(u32::MAX),
    };
    Ok(Some(SignIn::new(settings, providers.clone(), directory.clone(), credentials.clone())))
}
