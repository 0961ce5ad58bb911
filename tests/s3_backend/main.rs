//! The S3 driver with another Causeway as storage: its costs, failures of the network, and the ownership of
//! buckets. With moto and `rclone serve s3`: what it passes on, and how it handles unreliable storage.
//! `store_contract` tests that the driver keeps the contract of a store.

#[path = "../contract/client.rs"]
#[allow(dead_code)]
mod client;
mod costs;
mod deleting;
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
