//! The account whose members a section of the configuration is about.

use super::error::StartError;
use crate::{
    access::CredentialsInForce,
    model::{AccessKey, Identity, Role},
};
use std::sync::Arc;

/// The account of an access key, or the first administrator. `section` is named in the error.
pub(crate) fn of_members(
    credentials: &CredentialsInForce,
    key: Option<&AccessKey>,
    section: &str,
) -> Result<Arc<Identity>, StartError> {
    let found = match key {
        Some(key) => credentials.find(key.as_str()).map(|(identity, _)| identity),
        None => credentials.administrator(),
    };
    // An account that only reads has no members.
    found.filter(|account| account.role != Role::ReadOnly).ok_or_else(|| {
        StartError::new(format!(
            "[{section}]: there is no administrator: name an account by its access key ({section}.account)"
        ))
    })
}
