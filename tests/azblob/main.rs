//! The Azure Blob driver with Azurite: its costs, two gateways on one container, failures of the network, and
//! blobs that other programs wrote. `store_contract` tests that the driver keeps the contract of a store.

#[path = "../contract/client.rs"]
#[allow(dead_code)]
mod client;
mod costs;
mod credentials;
mod faults;
mod foreign;
mod gateway;
mod gateways;
mod hostile;
mod keeping_house;
mod raw;
#[path = "../support/mod.rs"]
mod support;
