//! The credentials of whoever has just written a configuration.

use crate::{
    access::RootCredentials,
    assembly::{StartError, data::DataDirectory},
    config::Settings,
};

/// The credentials with which a server of these settings begins, generated if there are none. `None`: the
/// environment or the configuration has them.
pub fn first_credentials(settings: &Settings) -> Result<Option<RootCredentials>, StartError> {
    let data = DataDirectory::take(&settings.server.data)?;
    Ok(data.credentials(settings)?.generated().cloned())
}
