//! Local disk below the store: what scans look at, and what a killed process leaves. Work is counted (folders
//! that are read, files that are looked at, calls of the catalog); no test measures time.

#[path = "../contract/client.rs"]
#[allow(dead_code)]
mod client;
#[path = "../support/ledger/mod.rs"]
#[allow(dead_code)]
mod ledger;

mod cold;
mod killed;
mod life;
mod random;
mod scans;
mod start;
