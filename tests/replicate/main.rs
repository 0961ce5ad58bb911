//! Replicated buckets over backends that fail: what a client sees, what replicas hold in the end, and what operators can do.

// Each test target uses its own share of this module.
#[allow(dead_code)]
#[path = "../contract/client.rs"]
mod client;
mod gateway;
mod lacking;
mod membership;
mod orphans;
mod places;
mod processes;
mod reading;
mod repairing;
mod schedules;
#[path = "../support/mod.rs"]
mod support;
mod upkeep;
mod writing;
