//! Connections to storages: TCP and TLS within one time limit.
//!
//! Invariant: a server that accepts the connection and does not begin TLS fails as early, and with as clear
//! an error, as one that does not accept it.

use super::{
    WireSettings,
    reach::{Reach, Resolver},
    tls,
};
use crate::store::Result;
use futures_util::future::BoxFuture;
use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use std::{
    io,
    task::{Context, Poll},
    time::Duration,
};
use tokio::net::TcpStream;
use tower_service::Service;

type Problem = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, Clone)]
pub(super) struct Connector {
    below: HttpsConnector<HttpConnector<Resolver>>,
    within: Duration,
    reach: Reach,
}

impl Connector {
    pub(super) fn new(settings: &WireSettings) -> Result<Self> {
        let mut tcp = HttpConnector::new_with_resolver(Resolver::new(settings.reach));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // The connector divides this time among the addresses of a host name.
        tcp.set_connect_timeout(Some(settings.connect_timeout));
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        let below = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls::configuration(settings.ca_file.as_deref())?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self { below, within: settings.connect_timeout, reach: settings.reach })
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = Problem;
    type Future = BoxFuture<'static, std::result::Result<Self::Response, Problem>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<std::result::Result<(), Problem>> {
        self.below.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        if let Err(refused) = self.reach.check(&uri) {
            return Box::pin(std::future::ready(Err(refused.into())));
        }
        let within = self.within;
        let connected = tokio::time::timeout(within, self.below.call(uri));
        Box::pin(async move {
            connected.await.unwrap_or_else(|_| {
                let words = format!("TCP and TLS were not done within {within:?} (connect_timeout)");
                Err(io::Error::new(io::ErrorKind::TimedOut, words).into())
            })
        })
    }
}
