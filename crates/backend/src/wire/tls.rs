//! Trusted certificates: the public certificate authorities, and those that the operator configures.

use crate::store::{
    Result,
    error::{StoreError, StoreErrorKind},
};
use rustls::{ClientConfig, RootCertStore, client::Resumption};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use std::{path::Path, sync::Arc};

pub fn configuration(ca_file: Option<&Path>) -> Result<ClientConfig> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca_file {
        let failed = |error: String| {
            StoreError::new(StoreErrorKind::Internal, format!("reading {}", path.display()))
                .with_source(error)
        };
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| failed(error.to_string()))?;
            roots.add(certificate).map_err(|error| failed(error.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder =
        versions.map_err(|error| StoreError::new(StoreErrorKind::Internal, "TLS").with_source(error))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Returns the same configuration with TLS sessions that no other connection can resume.
pub fn alone(configuration: &ClientConfig) -> ClientConfig {
    let mut alone = configuration.clone();
    alone.resumption = Resumption::in_memory_sessions(8);
    alone
}
