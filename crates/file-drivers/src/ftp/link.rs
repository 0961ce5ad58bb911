//! A TCP connection, with or without TLS. A control connection may begin in clear text and change to TLS
//! later.

use super::failure::Failure;
use rustls_pki_types::ServerName;
use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream, rustls::ClientConfig};

pub(super) enum Link {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

/// The TLS settings of one control connection and its data connections. They share TLS sessions, and no other
/// control connection has the same ones: servers check on a data connection that it comes from the client
/// that asked for it.
#[derive(Clone)]
pub(super) struct Security {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Security").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Security {
    pub(super) fn new(configuration: ClientConfig, name: ServerName<'static>) -> Self {
        Self { connector: Arc::new(configuration).into(), name }
    }

    pub(super) async fn handshake(&self, tcp: TcpStream, within: Duration) -> Result<Link, Failure> {
        match tokio::time::timeout(within, self.connector.connect(self.name.clone(), tcp)).await {
            Ok(Ok(stream)) => Ok(Link::Secure(Box::new(stream))),
            // Another attempt cannot make an untrusted certificate trusted.
            Ok(Err(error))
                if error.get_ref().is_some_and(|inner| inner.is::<tokio_rustls::rustls::Error>()) =>
            {
                Err(Failure::Denied(format!("TLS: {error}")))
            }
            Ok(Err(_)) => Err(Failure::Lost("the connection was lost while TLS began")),
            Err(_) => Err(Failure::Lost("TLS did not begin in time")),
        }
    }
}

impl AsyncRead for Link {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Secure(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Secure(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Secure(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Secure(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
