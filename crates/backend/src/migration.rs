//! The migration of a bucket to another backend: its durable record, and the contract between the buckets and
//! the layer that serves a bucket which is at two places.
//!
//! Owns what is stored of a migration (`Migration`, a document of its bucket) and what an operator sees of it.
//! The layer owns how requests are served meanwhile; the buckets own which row of the catalog is the bucket.
//!
//! Invariant: one place is the truth at any moment, and `Stage::truth` alone says which.

use crate::{
    Backend, OpenedBucket,
    catalog::{BucketId, BucketRecord, ReplicaRecord},
    model::{BucketName, Timestamp},
    store::error::StoreError,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// The kind of the document that holds a [`Migration`].
pub const DOCUMENT: &str = "migration";

/// The backend of the row whose objects are the keys that the other place may lack. No backend of a
/// configuration has this name.
pub const LEDGER: &str = "(migration)";

/// One of the two places of a bucket that migrates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Old,
    New,
}

impl Side {
    pub fn other(self) -> Self {
        match self {
            Self::Old => Self::New,
            Self::New => Self::Old,
        }
    }
}

/// How far a migration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Objects are copied to the new place, and then compared.
    Copying,
    /// Everything was compared since the copy, and both places were equal.
    Verified,
    /// The new place serves the bucket. The old one still gets every change.
    CutOver,
    /// The old place gets no more changes. It is left when the uploads that began there have ended.
    Finishing,
    /// The old place serves the bucket, and the new one gets no more changes. The new one is left when the
    /// uploads that began there have ended.
    RollingBack,
    /// The bucket is at the new place alone.
    Done,
}

impl Stage {
    /// Returns the place that decides what the bucket contains.
    pub fn truth(self) -> Side {
        match self {
            Self::Copying | Self::Verified | Self::RollingBack => Side::Old,
            Self::CutOver | Self::Finishing | Self::Done => Side::New,
        }
    }

    /// Returns whether the other place gets every change, too.
    pub fn mirrors(self) -> bool {
        matches!(self, Self::Copying | Self::Verified | Self::CutOver)
    }

    /// Returns whether the new place was, or may have been, the truth: uploads may have begun there.
    pub fn has_cut_over(self) -> bool {
        matches!(self, Self::CutOver | Self::Finishing | Self::RollingBack)
    }

    /// Returns whether the migration is over.
    pub fn is_over(self) -> bool {
        self == Self::Done
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Copying => "copying",
            Self::Verified => "verified",
            Self::CutOver => "cut over",
            Self::Finishing => "finishing",
            Self::RollingBack => "rolling back",
            Self::Done => "done",
        }
    }
}

/// A backend, and a location on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    pub backend: String,
    pub location: String,
}

/// A migration, as the document of its bucket has it. A stored format: fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    pub stage: Stage,
    pub from: Site,
    pub to: Site,
    pub began: Timestamp,
    /// The background copy rests.
    #[serde(default)]
    pub paused: bool,
    /// The maximum number of bytes that the background copy reads in a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
}

impl Migration {
    pub fn parse(body: &str) -> Result<Self, String> {
        serde_json::from_str(body).map_err(|error| error.to_string())
    }

    pub fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns the migration of a bucket, if its documents have one that is not over.
    pub fn under_way(bucket: &BucketRecord) -> Result<Option<Self>, StoreError> {
        let document = bucket.documents.all.iter().find(|document| document.kind == DOCUMENT);
        let Some(document) = document else { return Ok(None) };
        let migration = Self::parse(&document.body).map_err(|why| {
            StoreError::new(
                crate::store::error::StoreErrorKind::Internal,
                format!("the migration of the bucket cannot be read: {why}"),
            )
        })?;
        Ok(Some(migration).filter(|migration| !migration.stage.is_over()))
    }
}

/// What the passes of the background copy have seen and done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationCounts {
    /// Objects that were compared, in all passes.
    pub objects: u64,
    pub copied: u64,
    pub bytes: u64,
    /// Objects of the other place that the truth does not have.
    pub removed: u64,
    /// Objects that the last verification found different, and brought.
    pub differing: u64,
    /// Objects that the current pass could not bring.
    pub failed: u64,
}

/// The state of a migration, for operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationState {
    #[serde(flatten)]
    pub migration: Migration,
    /// The pass that is under way: `copy` or `verify`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pass: Option<String>,
    /// The key up to which the pass has come.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<String>,
    #[serde(flatten)]
    pub counts: MigrationCounts,
    /// Keys whose last change the other place may lack; counted up to 10,000.
    pub pending: u64,
    /// Requests that began while the place which is to be left was the truth, and multipart uploads there: the
    /// last step waits for them.
    pub waits_for: u64,
    /// Why an object could not be brought, or a step failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trouble: Option<String>,
}

/// What an operator asks of a migration that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MigrationStep {
    Status,
    Pause,
    Resume,
    Verify,
    CutOver,
    /// With `force`, changes that only the new place has are given up.
    RollBack {
        force: bool,
    },
    Finish,
}

/// Serves buckets that are at two places.
#[async_trait]
pub trait Migrations: Send + Sync + fmt::Debug + 'static {
    /// Puts the layer over an opened bucket, and begins its background work.
    fn over(&self, bucket: &BucketRecord, opened: Opening) -> OpenedBucket;

    /// Does what an operator asks. `None`: the bucket does not migrate.
    async fn step(&self, bucket: BucketId, step: MigrationStep)
    -> Result<Option<MigrationState>, StoreError>;

    /// Returns the new place of a bucket as it was opened, and takes the layer off: it passes on requests that
    /// still have it.
    fn leave(&self, bucket: BucketId) -> Option<OpenedBucket>;

    /// The last step of a migration is done by `ending`.
    fn end_by(&self, ending: Arc<dyn Ending>);

    /// Ends the background work.
    fn stop(&self);
}

/// Both places of a bucket, as the layer gets them.
#[derive(Debug)]
pub struct Opening {
    pub migration: Migration,
    pub old: OpenedBucket,
    pub new: OpenedBucket,
    /// The row whose objects are the keys that the other place may lack.
    pub ledger: BucketId,
    /// Is held by every request that has the bucket without the layer. Nothing is verified before the last of
    /// them has ended.
    pub earlier: std::sync::Weak<()>,
}

/// Does the last step of a migration: one of the two places is left.
#[async_trait]
pub trait Ending: Send + Sync + fmt::Debug + 'static {
    async fn end(&self, bucket: &BucketName) -> Result<(), StoreError>;
}

/// The record by which the driver of a replica, or of the new place, knows the bucket.
pub fn record_at(bucket: &BucketRecord, place: &ReplicaRecord) -> BucketRecord {
    let mut record = bucket.clone();
    record.id = place.id;
    record.bucket.backend.clone_from(&place.backend);
    record.bucket.location.clone_from(&place.location);
    record
}

/// Returns why a bucket cannot migrate between these backends.
pub fn refuses(from: &dyn Backend, to: &dyn Backend) -> Option<&'static str> {
    use crate::store::Keeping;
    if from.replication().is_some() || to.replication().is_some() {
        return Some(
            "a replicated backend takes no part in migrations: 'causeway replicate add', 'promote' and 'remove' move \
             its buckets",
        );
    }
    let versions = [from.capabilities().versions, to.capabilities().versions];
    versions.contains(&Keeping::Kept).then_some("buckets that keep versions do not migrate yet")
}
