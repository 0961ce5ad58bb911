//! Removes what a crash left of uploads: staged objects and unfinished uploads that no catalog knows.

use crate::{
    backend::wire::Again,
    model::{Timestamp, UploadId},
    s3::{
        bucket::S3Store,
        refusal::{self, RequestSubject},
    },
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
    xml,
};
use http::Method;
use std::time::Duration;

/// The age at which leftovers are removed: an upload of another gateway may look abandoned from here.
const OLD: Duration = Duration::from_secs(8 * 24 * 3600);
const LONGEST_PAGE: usize = 16 << 20;

/// A staged object or upload.
struct Found {
    name: String,
    /// The storage's id of an upload in progress.
    upload: Option<String>,
    since: Timestamp,
}

impl S3Store {
    pub(in crate::s3) async fn sweep(&self) -> Result<()> {
        let age = i64::try_from(OLD.as_millis()).unwrap_or(i64::MAX);
        self.sweep_before(Timestamp::from_millis(Timestamp::now().millis().saturating_sub(age))).await
    }

    /// Removes leftovers that are older than `before`. Uploads that the catalog knows are kept.
    async fn sweep_before(&self, before: Timestamp) -> Result<()> {
        let mut found = self.staged("Contents", "Key", "LastModified").await?;
        found.extend(self.staged("Upload", "Key", "Initiated").await?);
        for Found { name, upload, .. } in found.into_iter().filter(|found| found.since <= before) {
            let id = name.strip_prefix(&self.stage("")).and_then(UploadId::parse);
            let Some(id) = id else { continue };
            if self.catalog.upload(self.bucket, &id).await?.is_some() {
                continue;
            }
            match upload {
                Some(theirs) => self.drop_upload(&name, &theirs).await?,
                None => self.drop_staged(&name).await?,
            }
        }
        Ok(())
    }

    /// Removes all leftovers. It is called when the bucket is deleted, which has no visible object then.
    pub(in crate::s3) async fn drop_all_staged(&self) -> Result<()> {
        for found in self.staged("Contents", "Key", "LastModified").await? {
            self.drop_staged(&found.name).await?;
        }
        Ok(())
    }

    /// Returns staged objects or uploads in progress: the first thousand. Names begin with the time, so these
    /// are the oldest.
    async fn staged(&self, element: &str, name: &str, since: &str) -> Result<Vec<Found>> {
        let prefix = self.stage("");
        let mut query = vec![("prefix", Some(prefix.as_str()))];
        if element == "Upload" {
            query.push(("uploads", None));
        }
        let reply = self
            .client
            .call(Method::GET, &self.location.remote, None)
            .query(&query)
            .send(Again::Harmless)
            .await?;
        if !reply.status.is_success() {
            return Err(refusal::read(reply, RequestSubject::Bucket).await.into());
        }
        let document = reply.bytes(LONGEST_PAGE).await?;
        let unexpected =
            || StoreError::new(StoreErrorKind::Internal, "a page of the storage is no valid listing");
        let root = xml::parse_reply(&document).map_err(|_| unexpected())?;
        let found = root.all(element).map(|element| {
            Some(Found {
                name: element.value(name)?.to_owned(),
                upload: element.value("UploadId").map(str::to_owned),
                since: Timestamp::parse_iso8601(element.value(since)?)?,
            })
        });
        found.collect::<Option<_>>().ok_or_else(unexpected)
    }
}
