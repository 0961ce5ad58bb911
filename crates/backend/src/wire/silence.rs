//! Distinguishes a slow storage from one that sends nothing at all, before the time limit of a request.
//!
//! A request may take a storage long, but a sign of life does not. While a request waits for a storage that
//! has not replied yet, or was lost, the storage gets a probe (`HEAD /`, without credentials). Any reply is a
//! sign of life. A storage that replies within a third of `connect_timeout` is never probed.

use super::{Outgoing, connecting::Connector};
use http::{Method, Request, StatusCode, Uri, header};
use hyper_util::client::legacy::Client;
use std::time::Duration;

/// The result of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignOfLife {
    /// The storage has replied, with this status.
    Reply(StatusCode),
    /// The storage sent nothing for the whole time.
    Silence,
    /// The probe itself failed: only the waiting request can show more.
    Unknown,
}

/// Waits for a third of `limit`, then sends a probe for the rest and a little longer. So an error of
/// connecting, which comes within `limit`, is reported first, with its reason.
pub(super) async fn sign_of_life(
    client: &Client<Connector, Outgoing>,
    uri: &Uri,
    limit: Duration,
) -> SignOfLife {
    let first = limit / 3;
    tokio::time::sleep(first).await;
    let Some(question) = question(uri) else { return SignOfLife::Unknown };
    match tokio::time::timeout(limit - first + limit / 16, client.request(question)).await {
        Ok(Ok(reply)) => SignOfLife::Reply(reply.status()),
        Ok(Err(_)) => SignOfLife::Unknown,
        Err(_) => SignOfLife::Silence,
    }
}

fn question(of: &Uri) -> Option<Request<Outgoing>> {
    let (scheme, authority) = (of.scheme()?.clone(), of.authority()?.clone());
    let host = authority.as_str().to_owned();
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build().ok()?;
    Request::builder().method(Method::HEAD).uri(uri).header(header::HOST, host).body(Outgoing::empty()).ok()
}
