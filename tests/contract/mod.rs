//! The contract of [`causeway::store::Store`]: one function per promise, each holding any storage to it.
//!
//! A driver is added in `storage`, and a row in `tests/store_contract.rs` runs all of this against it.

pub mod attributes;
pub mod cancelling;
pub mod client;
pub mod conditions;
pub mod copying;
pub mod keys;
pub mod listing;
pub mod multipart;
pub mod places;
pub mod publishing;
pub mod reading;
pub mod storage;
pub mod upload_checksums;
pub mod upload_listing;
pub mod versions;
