//! The contract of [`causeway::store::Store`]: one function per promise, for any storage.
//!
//! A driver is added in `storage`; a row in `tests/store_contract.rs` runs all functions on it.

pub mod attributes;
pub mod cancelling;
pub mod client;
pub mod conditions;
pub mod copying;
pub mod keys;
pub mod listing;
pub mod local;
pub mod multipart;
pub mod places;
pub mod publishing;
pub mod reading;
pub mod storage;
pub mod upload_checksums;
pub mod upload_listing;
pub mod versions;
