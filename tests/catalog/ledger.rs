//! The catalog in memory that tests run over: it promises what the others do, or what is tested over it says nothing.

#[path = "../support/ledger/mod.rs"]
mod double;

use causeway::catalog::Catalog;
use double::{Ledger, LedgerCatalog};
use std::{sync::Arc, time::Duration};

fn fresh() -> (Arc<dyn Catalog>, ()) {
    let pause = Arc::new(|| Duration::ZERO);
    (Arc::new(LedgerCatalog::open(Ledger::default(), Default::default(), pause.clone(), pause)), ())
}

super::contract!(fresh);
