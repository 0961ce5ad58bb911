//! Opening the two files of a catalog.
//!
//! Invariants: the catalog opens on a full disk, too, because otherwise nothing could be deleted; ids of
//! buckets that only the index still knows are never given out again.

use super::{
    Database, SqliteCatalog, bucket, checkpoint::Checkpointer, error, file, index, reader::Readers,
    reserve::Reserve, schema, writer::Writer,
};
use crate::{
    catalog::{Clock, Result},
    store::Durability,
};
use std::{collections::VecDeque, path::Path, sync::Arc};

/// Listings and lookups may take long. Reads of the truth are single rows, and need fewer connections.
const INDEX_READERS: u32 = 4;
const TRUTH_READERS: u32 = 2;

impl SqliteCatalog {
    /// Opens the two files in `dir`, which must exist. Missing files are created.
    pub fn open(dir: &Path, durability: Durability) -> Result<Self> {
        Self::open_by(dir, durability, Clock::default())
    }

    /// Like `open`, with the clock by which leases expire.
    pub fn open_by(dir: &Path, durability: Durability, clock: Clock) -> Result<Self> {
        let reserve = Reserve::open(dir).map_err(|error| {
            error::unavailable(format!("keeping a reserve in {}: {error}", dir.display()))
        })?;
        let reserve = Arc::new(reserve);
        loop {
            match Self::open_with(dir, durability, &reserve, clock.clone()) {
                // The catalog must open on a full disk, too: otherwise nothing could be deleted.
                Err(_) if reserve.is_full() && reserve.give() => {}
                opened => return opened,
            }
        }
    }

    fn open_with(dir: &Path, durability: Durability, reserve: &Arc<Reserve>, clock: Clock) -> Result<Self> {
        let truth = file::open_truth(dir, durability)?;
        let mut index = file::open_index(dir)?;
        // Buckets that are in the index and not in the truth were deleted, and the sweep was interrupted.
        let seen = match index::buckets(&index) {
            Err(error) if error::is_corrupt(&error) => {
                drop(index);
                index = file::begin_index_anew(dir, &error.to_string())?;
                Vec::new()
            }
            seen => seen?,
        };
        if let Some(last) = seen.last() {
            bucket::reserve_ids(&truth, *last)?;
        }
        let mut left = VecDeque::new();
        for bucket in seen {
            if !bucket::exists(&truth, bucket)? {
                left.push_back(bucket);
            }
        }
        let checkpointer =
            Checkpointer::start("catalog-log", file::open_index_checkpointer(dir)?, file::INDEX_PACE)?;
        let catalog = Self {
            truth: Arc::new(Database {
                writer: Writer::start("catalog-truth", truth, None, Some(reserve.clone()))?,
                readers: Readers::new(dir.join(schema::TRUTH.file), TRUTH_READERS),
            }),
            index: Arc::new(Database {
                writer: Writer::start("catalog-index", index, Some(checkpointer), Some(reserve.clone()))?,
                readers: Readers::new(dir.join(schema::INDEX.file), INDEX_READERS),
            }),
            gone: Arc::default(),
            clock,
        };
        if !left.is_empty() {
            catalog.gone.sweep(left, &catalog.index.writer);
        }
        Ok(catalog)
    }
}
