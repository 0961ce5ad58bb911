//! Scratch objects: objects of the driver, on which it tries out how a storage behaves.
//!
//! This module owns their names, their removal, the sweep of what a crash left, and which replies show
//! nothing. It does not own what is tried on them (`probe`, `deleting`, `keeping`, `names`), nor that
//! listings hide them (`listing`).
//!
//! Invariants:
//! - a trial that ends removes what it created, even if its caller was dropped;
//! - a sweep removes only objects that no trial can still use, unless the bucket itself is about to be
//!   removed.

use super::{
    client::{Call, Client},
    headers::answered,
    refusal::{self, RequestSubject},
};
use crate::{
    backend::{
        location::RemoteLocation,
        pages::Pages,
        wire::{Again, Reply},
    },
    model::Timestamp,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
    xml,
};
use http::Method;
use percent_encoding::percent_decode_str;
use std::{sync::Arc, time::Duration};

/// The names of scratch objects begin with this.
const PREFIX: &str = ".causeway-probe-";

/// The longest time that a trial may take.
pub(super) const LONGEST_TRIAL: Duration = Duration::from_secs(120);
/// A scratch object of this age belongs to a trial that ended without removing it. Storages report time in
/// seconds.
const ABANDONED: Duration = Duration::from_secs(LONGEST_TRIAL.as_secs() + 60);

/// An ETag that no scratch object has.
pub(super) const NO_TAG: &str = "\"00000000000000000000000000000000\"";

/// The longest page of a sweep, in bytes.
const LONGEST_PAGE: usize = 4 << 20;

/// Returns a random name that no client uses.
pub(super) fn name() -> String {
    let mut random = [0; 8];
    let _ = getrandom::fill(&mut random);
    format!("{PREFIX}{}", hex::encode(random))
}

/// Returns whether a name in a listing is a scratch object. Leading slashes are ignored, because names with
/// them are tried out too.
pub(super) fn is_scratch(name: &str) -> bool {
    name.trim_start_matches('/').starts_with(PREFIX)
}

/// Returns a reply that shows how the storage behaves. A storage that cannot be reached or is busy is an
/// error: if that counted as a missing feature, clients would be refused until the process ends.
pub(super) async fn ask(call: Call<'_>, again: Again) -> Result<Reply> {
    let reply = call.send(again).await?;
    match reply.status.as_u16() {
        429 | 502..=504 => Err(refusal::read(reply, RequestSubject::Object).await.into()),
        _ => Ok(reply),
    }
}

/// The objects and uploads of one trial. `remove` removes them; if the trial is dropped, they are removed in
/// the background.
pub(super) struct Scratch {
    client: Arc<Client>,
    remote: String,
    objects: Vec<String>,
    upload: Option<(String, String)>,
}

impl Scratch {
    pub(super) fn new(client: &Arc<Client>, location: &RemoteLocation, objects: Vec<String>) -> Self {
        Self { client: client.clone(), remote: location.remote.clone(), objects, upload: None }
    }

    /// Records the upload that is in progress, in place of the one before.
    pub(super) fn began(&mut self, name: &str, id: &str) {
        self.upload = Some((name.to_owned(), id.to_owned()));
    }

    pub(super) async fn remove(mut self) {
        let (objects, upload) = (std::mem::take(&mut self.objects), self.upload.take());
        remove(&self.client, &self.remote, objects, upload).await;
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let (objects, upload) = (std::mem::take(&mut self.objects), self.upload.take());
        if objects.is_empty() && upload.is_none() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (client, remote) = (self.client.clone(), std::mem::take(&mut self.remote));
            runtime.spawn(async move { remove(&client, &remote, objects, upload).await });
        }
    }
}

async fn remove(client: &Client, remote: &str, objects: Vec<String>, upload: Option<(String, String)>) {
    // Results are ignored: an upload that was completed does not exist any more, and an object may never have
    // existed.
    if let Some((name, id)) = upload {
        let _ = client
            .call(Method::DELETE, remote, Some(&name))
            .query(&[("uploadId", Some(&id))])
            .send(Again::Harmless)
            .await;
    }
    for name in objects {
        let deleted = client.call(Method::DELETE, remote, Some(&name)).send(Again::Harmless).await;
        match deleted {
            Ok(reply) if reply.status.is_success() || reply.status == http::StatusCode::NOT_FOUND => {}
            Ok(reply) => tracing::warn!(
                remote,
                name,
                status = reply.status.as_u16(),
                "a scratch object stays until the next sweep"
            ),
            Err(error) => tracing::warn!(remote, name, %error, "a scratch object stays until the next sweep"),
        }
    }
}

/// Which scratch objects a sweep removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sweep {
    Abandoned,
    /// All of them, because the bucket is being removed.
    All,
}

/// Removes scratch objects from a location, and returns how many there were.
pub(super) async fn sweep(client: &Client, location: &RemoteLocation, which: Sweep) -> Result<usize> {
    let plain = location.below(PREFIX);
    let mut removed = 0;
    for prefix in [format!("/{plain}"), plain] {
        let mut after = String::new();
        let mut pages = Pages::of("looking for scratch objects");
        loop {
            let query =
                [("list-type", Some("2")), ("encoding-type", Some("url")), ("prefix", Some(prefix.as_str()))];
            let start = [("start-after", Some(after.as_str()))];
            let query: Vec<_> =
                query.into_iter().chain(start.into_iter().filter(|_| !after.is_empty())).collect();
            let reply =
                client.call(Method::GET, &location.remote, None).query(&query).send(Again::Harmless).await?;
            if !reply.status.is_success() {
                // Some storages refuse names with a leading slash: then they contain none.
                if prefix.starts_with('/') {
                    break;
                }
                return Err(refusal::read(reply, RequestSubject::Bucket).await.into());
            }
            let page = ScratchPage::read(reply, &prefix).await?;
            for (name, modified) in &page.objects {
                let age = page.now.millis().saturating_sub(modified.millis());
                if which == Sweep::All || u128::try_from(age).is_ok_and(|age| age >= ABANDONED.as_millis()) {
                    remove(client, &location.remote, vec![name.clone()], None).await;
                    removed += 1;
                }
            }
            // A page that does not advance is the last one, whatever it reports.
            match page.objects.last() {
                Some((last, _)) if page.truncated && pages.beyond(Some(&after), Some(last)).is_ok() => {
                    after = last.clone()
                }
                _ => break,
            }
        }
    }
    if removed > 0 {
        tracing::info!(remote = location.remote, removed, "removed scratch objects that a trial had left");
    }
    Ok(removed)
}

/// A page of a listing. Times are by the storage's own clock.
struct ScratchPage {
    objects: Vec<(String, Timestamp)>,
    truncated: bool,
    now: Timestamp,
}

impl ScratchPage {
    async fn read(reply: Reply, prefix: &str) -> Result<Self> {
        let now = answered(&reply);
        let unexpected =
            || StoreError::new(StoreErrorKind::Internal, "the storage's listing is not understood");
        let root = xml::parse_reply(&reply.bytes(LONGEST_PAGE).await?).map_err(|_| unexpected())?;
        let encoded = root.value("EncodingType") == Some("url");
        let mut objects = Vec::new();
        for element in root.all("Contents") {
            let text = element.value("Key").ok_or_else(unexpected)?;
            let name = if encoded {
                percent_decode_str(text).decode_utf8().map_err(|_| unexpected())?.into_owned()
            } else {
                text.to_owned()
            };
            let modified =
                element.value("LastModified").and_then(Timestamp::parse_iso8601).ok_or_else(unexpected)?;
            // A storage that ignores the prefix also lists other objects.
            if name.starts_with(prefix) {
                objects.push((name, modified));
            }
        }
        Ok(Self { objects, truncated: root.value("IsTruncated") == Some("true"), now })
    }
}
