//! The S3 driver before another Causeway: what it costs, what happens when the network fails, and whose buckets are whose.
//! That it keeps the store's contract is tested in `store_contract`.

#[path = "../contract/client.rs"]
#[allow(dead_code)]
mod client;
mod costs;
mod faults;
mod gateway;
mod gcs;
mod places;
#[path = "../support/mod.rs"]
mod support;
