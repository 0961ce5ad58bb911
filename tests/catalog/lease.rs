//! Promises about leases, with two processes. The test holds the clock.

use super::shared::Two;
use causeway::catalog::{Catalog, Lease};
use futures_util::future::join_all;
use std::{sync::Arc, time::Duration};

const TTL: Duration = Duration::from_secs(10);
const TTL_MILLIS: i64 = 10_000;

async fn acquire(catalog: &Arc<dyn Catalog>, name: &str, owner: &str) -> Option<Lease> {
    catalog.acquire_lease(name, owner, TTL).await.expect("answers")
}

async fn renew(catalog: &Arc<dyn Catalog>, lease: &Lease) -> Option<Lease> {
    catalog.renew_lease(lease, TTL).await.expect("answers")
}

pub async fn a_lease_has_one_holder_until_it_runs_out(two: Two) {
    let held = acquire(&two.one, "scan", "one").await.expect("nobody has it");
    assert_eq!((held.name.as_str(), held.owner.as_str(), held.until.millis()), ("scan", "one", TTL_MILLIS));
    assert_eq!(acquire(&two.other, "scan", "other").await, None);
    assert!(acquire(&two.other, "repair", "other").await.is_some(), "another lease");
    two.clock.advance(TTL_MILLIS - 1);
    assert_eq!(acquire(&two.other, "scan", "other").await, None);
    let held = renew(&two.one, &held).await.expect("still its own");
    assert_eq!(held.until.millis(), 2 * TTL_MILLIS - 1);
    two.clock.advance(TTL_MILLIS - 1);
    assert_eq!(acquire(&two.other, "scan", "other").await, None);
    two.clock.advance(1);
    let taken = acquire(&two.other, "scan", "other").await.expect("it has run out");
    assert!(taken.fencing > held.fencing);
}

pub async fn a_lease_that_was_released_or_lost_is_neither_renewed_nor_released(two: Two) {
    let released = acquire(&two.one, "scan", "one").await.expect("nobody has it");
    assert!(
        two.other.release_lease(&released).await.expect("answers"),
        "whoever has it may release it through any process"
    );
    assert!(!two.one.release_lease(&released).await.expect("answers"));
    assert_eq!(renew(&two.one, &released).await, None);

    let lost = acquire(&two.one, "scan", "one").await.expect("nobody has it");
    two.clock.advance(TTL_MILLIS);
    // A lease that has run out can be renewed, as long as no other process has taken it.
    let lost = renew(&two.one, &lost).await.expect("nobody has had it");
    two.clock.advance(TTL_MILLIS);
    let taken = acquire(&two.other, "scan", "other").await.expect("it has run out");
    assert_eq!(renew(&two.one, &lost).await, None);
    assert!(!two.one.release_lease(&lost).await.expect("answers"));
    assert!(renew(&two.other, &taken).await.is_some());
}

pub async fn each_holder_has_a_higher_number_than_all_before(two: Two) {
    let mut last = 0;
    for n in 0..12 {
        let (catalog, owner) = [(&two.one, "one"), (&two.other, "other")][n % 2];
        let lease = acquire(catalog, "scan", owner).await.expect("nobody has it");
        assert!(lease.fencing > last);
        last = lease.fencing;
        match n % 3 {
            0 => assert!(catalog.release_lease(&lease).await.expect("answers")),
            1 => two.clock.advance(TTL_MILLIS),
            _ => {
                // A process that restarts under the same name fences off its former self.
                let again = acquire(catalog, "scan", owner).await.expect("its own");
                assert!(again.fencing > last);
                last = again.fencing;
                assert_eq!(renew(catalog, &lease).await, None);
                assert!(catalog.release_lease(&again).await.expect("answers"));
            }
        }
    }
}

pub async fn of_many_who_ask_for_a_lease_one_has_it(two: Two) {
    for round in 0..8 {
        let owners: Vec<String> = (0..16).map(|n| format!("{round}-{n}")).collect();
        let asked = owners.iter().enumerate().map(|(n, owner)| acquire(two.both()[n % 2], "scan", owner));
        let held: Vec<Lease> = join_all(asked).await.into_iter().flatten().collect();
        assert_eq!(held.len(), 1, "{held:?}");
        two.clock.advance(TTL_MILLIS);
    }
}
