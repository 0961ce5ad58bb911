//! The catalog in memory that tests use. It must keep the same contract; otherwise, tests that use it prove
//! nothing.

#[path = "../support/ledger/mod.rs"]
pub mod double;

use super::shared::{HeldClock, Two};
use causeway::catalog::{Catalog, Clock};
use double::{Ledger, LedgerCatalog};
use std::{sync::Arc, time::Duration};

fn fresh() -> (Arc<dyn Catalog>, ()) {
    let pause = Arc::new(|| Duration::ZERO);
    (Arc::new(LedgerCatalog::open(Ledger::default(), Default::default(), pause.clone(), pause)), ())
}

super::contract!(fresh);

fn two() -> (Two, ()) {
    let (ledger, clock) = (Ledger::default(), HeldClock::default());
    let open = || -> Arc<dyn Catalog> {
        let (pause, clock) = (Arc::new(|| Duration::ZERO), clock.clone());
        let catalog = LedgerCatalog::open(ledger.clone(), Default::default(), pause.clone(), pause);
        Arc::new(catalog.by(Clock::new(move || clock.now())))
    };
    (Two { one: open(), other: open(), clock: clock.clone() }, ())
}

super::shared_contract!(two);
