//! The Azure Blob driver before Azurite: what it costs, what happens between two gateways and when the
//! network fails, and blobs that others wrote. That it keeps the store's contract is tested in
//! `store_contract`.

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
