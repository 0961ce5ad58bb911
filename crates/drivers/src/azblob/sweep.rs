//! Removes what a crash left in the gateway's own folder: blobs of uploads that have ended, and overflow
//! blobs without an object.
//!
//! Blocks that no commit named are not listed. Azure discards them a week after the last block of their blob
//! was sent.

use super::{headers::Found, multipart::FOLDER, refusal, store::AzblobStore};
use crate::{
    backend::{
        pages::Pages,
        wire::{Again, Reply},
    },
    model::{ObjectKey, Timestamp, UploadId},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
    xml,
};
use http::Method;
use std::time::Duration;

/// The age at which leftovers are removed. An upload of another gateway may look abandoned, but none lives
/// longer than its uncommitted blocks.
pub(super) const OLD: Duration = Duration::from_secs(8 * 24 * 3600);
const OVERFLOWS: &str = "overflow/";
const LONGEST_PAGE: usize = 16 << 20;

struct Own {
    name: String,
    changed: Timestamp,
}

impl AzblobStore {
    pub(super) async fn sweep(&self, age: Duration) -> Result<()> {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp::from_millis(Timestamp::now().millis().saturating_sub(age));
        let root = self.own("");
        let mut marker = None;
        let mut pages = Pages::of("looking for what a crash left");
        loop {
            let (blobs, next) = self.own_page(marker.as_deref()).await?;
            for blob in blobs.iter().filter(|blob| blob.changed <= before) {
                let path = blob.name.strip_prefix(&root).unwrap_or_default();
                match self.is_left_over(path).await {
                    Ok(true) => self.remove_blob(&blob.name).await?,
                    Ok(false) => {}
                    Err(error) if error.is_temporary() => return Err(error),
                    // An error with one blob does not stop the sweep of the others.
                    Err(error) => {
                        tracing::warn!(%error, blob = blob.name, "a blob of our own folder cannot be judged; it is left there")
                    }
                }
            }
            match next {
                Some(next) => {
                    pages.next(&next)?;
                    marker = Some(next);
                }
                None => return Ok(()),
            }
        }
    }

    async fn is_left_over(&self, path: &str) -> Result<bool> {
        if let Some(id) = path.strip_prefix(FOLDER) {
            return Ok(match UploadId::parse(id) {
                Some(id) => self.catalog.upload(self.bucket, &id).await?.is_none(),
                None => false,
            });
        }
        let Some(id) = path.strip_prefix(OVERFLOWS) else { return Ok(false) };
        let overflow = self.overflow(id).await?;
        let Ok(key) = ObjectKey::new(overflow.key) else { return Ok(false) };
        let found = self.find(&self.name(&key)?).await?;
        Ok(found.as_ref().and_then(Found::elsewhere).is_none_or(|elsewhere| elsewhere.id != id))
    }

    /// Removes everything in the gateway's own folder when the bucket is deleted.
    pub(super) async fn clear_own_folder(&self) -> Result<()> {
        let mut pages = Pages::of("emptying our own folder");
        loop {
            let (blobs, next) = self.own_page(None).await?;
            for blob in &blobs {
                self.remove_blob(&blob.name).await?;
            }
            if next.is_none() || blobs.is_empty() {
                return Ok(());
            }
            // A page that repeats removed blobs would never end.
            pages.next(blobs.first().map(|blob| &blob.name))?;
        }
    }

    async fn own_page(&self, marker: Option<&str>) -> Result<(Vec<Own>, Option<String>)> {
        let call = self
            .client
            .container(Method::GET, &self.location.remote)
            .query("restype", "container")
            .query("comp", "list");
        let mut call = call.query("prefix", self.own(""));
        if let Some(marker) = marker {
            call = call.query("marker", marker);
        }
        let reply: Reply = refusal::accept(call.send(Again::Harmless).await?).await?;
        let document = reply.bytes(LONGEST_PAGE).await?;
        let unexpected =
            || StoreError::new(StoreErrorKind::Internal, "a page of the storage is no valid listing");
        let root = xml::parse(&document, "EnumerationResults").map_err(|_| unexpected())?;
        let blob = |element: &xml::Element| {
            let changed =
                element.child("Properties")?.value("Last-Modified").and_then(Timestamp::parse_http_date)?;
            Some(Own { name: element.value("Name")?.to_owned(), changed })
        };
        let blobs = root.child("Blobs").map(|blobs| blobs.all("Blob").map(blob).collect::<Option<_>>());
        let next = root.value("NextMarker").filter(|marker| !marker.is_empty()).map(str::to_owned);
        Ok((blobs.unwrap_or_else(|| Some(Vec::new())).ok_or_else(unexpected)?, next))
    }
}
