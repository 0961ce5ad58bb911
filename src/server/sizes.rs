//! Counts the content of buckets in the background, so that no scrape of the metrics waits for the catalog.

use crate::{
    catalog::{BucketSize, Catalog, CatalogErrorKind},
    telemetry::sizes::{Counted, MOST_BUCKETS, Size, Sizes},
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// Scrapers ask every 15 seconds or less often.
const INTERVAL: Duration = Duration::from_secs(5);
/// A count is followed by a rest of this many times its length: it takes longer the more buckets there are.
const REST: u32 = 100;

/// Counts until it is dropped, or the catalog is closed.
pub(super) async fn count(catalog: Arc<dyn Catalog>, sizes: Sizes) {
    loop {
        let begun = Instant::now();
        match catalog.bucket_sizes(MOST_BUCKETS).await {
            Ok(found) => {
                let size = |size: BucketSize| Size {
                    bucket: size.name.to_string(),
                    objects: size.objects,
                    bytes: size.bytes,
                };
                let told = found.largest.into_iter().map(size).collect();
                sizes.set(Counted { at: begun.into_std(), sizes: told, others: found.others });
            }
            Err(error) if error.kind() == CatalogErrorKind::Closed => return,
            // The metric of the age shows how old the last count is.
            Err(error) => {
                tracing::warn!(%error, "the sizes of buckets could not be counted; it is tried again")
            }
        }
        tokio::time::sleep(INTERVAL.max(begun.elapsed() * REST)).await;
    }
}
