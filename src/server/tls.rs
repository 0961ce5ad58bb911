//! TLS from PEM files: HTTP/2 and HTTP/1.1 by ALPN, certificates that can be changed while connections are
//! open.

use crate::{assembly::StartError, config::Server, s3::TlsVersion};
use rustls::{ProtocolVersion, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// The version that a handshake has agreed on.
pub(super) fn version<S>(stream: &TlsStream<S>) -> Option<TlsVersion> {
    match stream.get_ref().1.protocol_version()? {
        ProtocolVersion::TLSv1_2 => Some(TlsVersion::Tls12),
        ProtocolVersion::TLSv1_3 => Some(TlsVersion::Tls13),
        _ => None,
    }
}

pub(super) struct Tls {
    /// The file with which the server started.
    certificate: PathBuf,
    current: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// `None` if TLS is not configured.
    pub(super) fn from_settings(server: &Server) -> Result<Option<Arc<Self>>, StartError> {
        let (Some(certificate), Some(key)) = (&server.tls_cert, &server.tls_key) else { return Ok(None) };
        let current = RwLock::new(load(certificate, key)?);
        Ok(Some(Arc::new(Self { certificate: certificate.clone(), current })))
    }

    /// The configuration that the next connection gets.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Uses another certificate from the next connection on. Open connections keep theirs.
    pub(super) fn replace(&self, other: &Self) {
        let other = other.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = other;
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("first_certificate", &self.certificate).finish_non_exhaustive()
    }
}

fn load(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, StartError> {
    let of_certificate = |error: Box<dyn std::error::Error>| {
        StartError::because(format_args!("server.tls_cert {}", certificate.display()), error)
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| of_certificate(Box::from(error)))?;
    if chain.is_empty() {
        return Err(of_certificate(Box::from("there is no certificate in it")));
    }
    let key_der = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| StartError::because(format_args!("server.tls_key {}", key.display()), error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key_der));
    let mut config = config.map_err(|error| {
        StartError::because(
            format_args!("server.tls_cert {} with server.tls_key {}", certificate.display(), key.display()),
            error,
        )
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
