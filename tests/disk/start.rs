//! What a start asks of the catalog, whatever the number of buckets.

use super::ledger::{Ledger, LedgerCatalog};
use causeway::{
    buckets::{Homes, all_locations},
    catalog::{Catalog, NewBucket},
    model::{BucketName, Owner, Timestamp},
};
use std::{collections::HashMap, sync::Arc, time::Duration};

#[tokio::test]
async fn the_locations_of_all_buckets_are_read_by_two_calls() {
    let at_once = Arc::new(|| Duration::ZERO);
    let catalog = LedgerCatalog::open(Ledger::default(), Default::default(), at_once.clone(), at_once);
    for (made, buckets) in [(0, 10), (10, 500)] {
        for n in made..buckets {
            let name = BucketName::parse(&format!("bucket-{n}")).expect("a name");
            let bucket = NewBucket {
                location: name.to_string(),
                name,
                owner: Owner { id: "owner".into(), display_name: "owner".into() },
                created: Timestamp::now(),
                tenant: Default::default(),
                backend: "disk".into(),
            };
            catalog.create_bucket(bucket).await.expect("a bucket");
        }
        let before = catalog.calls();
        let all = all_locations(&catalog, &HashMap::new()).await.expect("read");
        assert_eq!((all.len(), catalog.calls() - before), (buckets, 2));
        assert!(Homes::default().clash(all).is_none());
    }
}
