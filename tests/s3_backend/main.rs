//! The S3 driver before another Causeway: what it costs, what happens when the network fails, and whose
//! buckets are whose. Before moto and `rclone serve s3`: what it passes on, and what it does about storage
//! that is careless. That it keeps the store's contract is tested in `store_contract`.

#[path = "../contract/client.rs"]
#[allow(dead_code)]
mod client;
mod costs;
mod faults;
mod features;
mod gateway;
mod gcs;
mod hostile;
mod keeping;
mod places;
mod quirks;
mod summing;
#[path = "../support/mod.rs"]
mod support;
