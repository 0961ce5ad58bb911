//! Requests to the addresses of Drive's API.

use super::refusal::Refusal;
use crate::backend::{
    Traffic,
    oauth::{Api, Call},
    wire,
};
use http::Method;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Client(Arc<Api<Refusal>>);

impl Client {
    pub(super) fn new(api: Arc<Api<Refusal>>) -> Self {
        Self(api)
    }

    pub(super) fn attempts(&self) -> u32 {
        self.0.attempts()
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.0.traffic()
    }

    /// Begins a request to `/files/…` of the API, for My Drive and shared drives.
    pub(super) fn files(&self, method: Method, below: &str) -> Call<Refusal> {
        self.0.call(method, &format!("/drive/v3/files{below}")).query("supportsAllDrives", "true")
    }

    pub(super) fn file(&self, method: Method, id: &str) -> Call<Refusal> {
        self.files(method, &format!("/{}", wire::encode_path(id)))
    }

    /// Begins a request to `/changes…` of the API, for My Drive and shared drives.
    pub(super) fn changes(&self, below: &str) -> Call<Refusal> {
        self.0.call(Method::GET, &format!("/drive/v3/changes{below}")).query("supportsAllDrives", "true")
    }

    pub(super) fn upload(&self, kind: &str) -> Call<Refusal> {
        self.0
            .call(Method::POST, "/upload/drive/v3/files")
            .query("supportsAllDrives", "true")
            .query("uploadType", kind)
    }

    /// Begins a request to an address that Drive has returned: an upload that was begun.
    pub(super) fn session(&self, method: Method, target: &str) -> Call<Refusal> {
        self.0.named(method, target)
    }
}
