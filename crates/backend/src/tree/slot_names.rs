//! The slots of a backend by bucket. All buckets of a backend have their slots in one folder, which is listed
//! once for a round over all of them: a listing for each bucket would cost buckets times open uploads.
//!
//! A listing may be old when a bucket gets its part. That is harmless: what is removed belongs to an upload
//! that the catalog does not know any more, and names are never used again.

use super::{drafts::Drafts, files::Slots};
use crate::{catalog::BucketId, store::Result};
use std::collections::{HashMap, HashSet};
use tokio::sync::Mutex;

#[derive(Debug, Default)]
pub(super) struct SlotNames(Mutex<Round>);

/// One listing, and who got its part of it.
#[derive(Debug, Default)]
struct Round {
    is_listed: bool,
    names: HashMap<BucketId, Vec<String>>,
    served: HashSet<BucketId>,
}

impl SlotNames {
    /// Returns the names of a bucket's slots. A bucket that asks again begins another round.
    pub(super) async fn of(
        &self,
        bucket: BucketId,
        drafts: &Drafts,
        slots: &dyn Slots,
    ) -> Result<Vec<String>> {
        let mut round = self.0.lock().await;
        if !round.is_listed || round.served.contains(&bucket) {
            *round =
                Round { is_listed: true, names: sorted(drafts, slots.names().await?), ..Round::default() };
        }
        round.served.insert(bucket);
        Ok(round.names.remove(&bucket).unwrap_or_default())
    }
}

/// Sorts the names that this gateway made.
fn sorted(drafts: &Drafts, names: Vec<String>) -> HashMap<BucketId, Vec<String>> {
    let ours = format!("{}-", drafts.gateway());
    let mut sorted: HashMap<BucketId, Vec<String>> = HashMap::new();
    for name in names {
        let bucket =
            name.strip_prefix(&ours).and_then(|rest| Some(BucketId(rest.split_once('-')?.0.parse().ok()?)));
        if let Some(bucket) = bucket {
            sorted.entry(bucket).or_default().push(name);
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backend::tree::files::{Draft, Slot},
        model::Span,
        store::ByteStream,
    };
    use async_trait::async_trait;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Listed {
        names: Vec<String>,
        listings: AtomicUsize,
    }

    #[async_trait]
    impl Slots for Listed {
        async fn open(&self, _name: &str) -> Result<Box<dyn Slot>> {
            unreachable!("names are listed only")
        }

        async fn draft(&self, _name: &str, _size: u64) -> Result<Box<dyn Draft>> {
            unreachable!("names are listed only")
        }

        async fn read(&self, _name: &str, _span: Span) -> Result<ByteStream> {
            unreachable!("names are listed only")
        }

        async fn remove(&self, _name: &str) -> Result<()> {
            unreachable!("names are listed only")
        }

        async fn names(&self) -> Result<Vec<String>> {
            self.listings.fetch_add(1, Ordering::Relaxed);
            Ok(self.names.clone())
        }
    }

    #[tokio::test]
    async fn a_round_over_all_buckets_lists_the_slots_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let drafts = Drafts::open(dir.path()).expect("opens");
        let name = |bucket: i64| format!("{}-{bucket}-upload.0", drafts.gateway());
        let names: Vec<String> = (0..300).map(&name).chain(["another-7-upload.0".into()]).collect();
        let (all, slots) = (SlotNames::default(), Listed { names, ..Listed::default() });
        for round in 1..=3 {
            for bucket in 0..1000 {
                let own = all.of(BucketId(bucket), &drafts, &slots).await.expect("listed");
                assert_eq!(own, if bucket < 300 { vec![name(bucket)] } else { Vec::new() });
            }
            assert_eq!(slots.listings.load(Ordering::Relaxed), round);
        }
    }
}
