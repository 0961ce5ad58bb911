//! Replicated buckets over backends that fail: what a client sees, what replicas hold in the end, and what
//! operators can do.

// Each test target uses another part of this module.
#[allow(dead_code)]
#[path = "../contract/client.rs"]
mod client;
mod deleting;
mod doubles;
mod gateway;
mod lacking;
#[path = "../support/ledger/mod.rs"]
mod ledger;
mod membership;
mod ordering;
mod orphans;
mod places;
mod planted;
mod processes;
mod reading;
mod repairing;
mod schedules;
mod simulation;
#[path = "../support/mod.rs"]
mod support;
mod upkeep;
mod writing;
