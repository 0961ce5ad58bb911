//! A call of the query APIs as the edge hands it over, and its answer.
//!
//! Invariant: everything in a call was verified, except the parameters and the user agent, which the client
//! chose.

use super::{action::Service, form::Form};
use crate::{
    model::{Identity, Timestamp},
    session::SessionToken,
};
use bytes::Bytes;
use http::StatusCode;
use std::{net::IpAddr, sync::Arc};

#[derive(Debug)]
pub struct Call {
    pub request_id: Arc<str>,
    pub at: Timestamp,
    /// `None`: the request was not signed.
    pub caller: Option<Arc<Identity>>,
    /// The session token that the caller has sent along.
    pub token: Option<SessionToken>,
    /// The service that the request was signed for.
    pub service: Option<Service>,
    pub form: Form,
    pub peer: IpAddr,
    pub is_secure: bool,
    pub user_agent: Option<String>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
    /// The name of the action, if it is one of the table.
    pub action: Option<&'static str>,
    /// The code of an error.
    pub code: Option<&'static str>,
    /// Why the server failed, for the log.
    pub failure: Option<Box<dyn std::error::Error + Send + Sync>>,
}
