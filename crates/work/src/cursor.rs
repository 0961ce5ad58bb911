//! The position of a job in a bucket: what a step remembers across a restart.
//!
//! The cursor is stored in the catalog, beside the index of its bucket: it is durable against a killed
//! process once `store` returns. Power loss may lose the newest cursor, and rebuilding an index removes all
//! of them; then the job starts from the beginning. A job of the whole server has a position in each bucket
//! and none of its own: buckets come and go while it works.

use super::{Failure, JobKind};
use crate::catalog::{BucketId, Catalog, JOB};
use std::{fmt, sync::Arc};

pub struct Cursor {
    catalog: Arc<dyn Catalog>,
    bucket: BucketId,
    name: String,
}

impl Cursor {
    pub(crate) fn new(catalog: Arc<dyn Catalog>, bucket: BucketId, kind: &JobKind) -> Self {
        Self { catalog, bucket, name: format!("{JOB}{}", kind.name) }
    }

    pub async fn load(&self) -> Result<Option<String>, Failure> {
        self.catalog.state(self.bucket, &self.name).await.map_err(|error| Failure::of(&error))
    }

    /// `None` means that the job has reached the end of the bucket, and starts from the beginning next time.
    pub async fn store(&self, position: Option<String>) -> Result<(), Failure> {
        self.catalog.set_state(self.bucket, &self.name, position).await.map_err(|error| Failure::of(&error))
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor")
            .field("bucket", &self.bucket)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
