//! Causeway: an S3 server in front of heterogeneous storage.
//!
//! Layers, top to bottom. Imports point down only: the compiler checks this between crates, and
//! `tests/architecture.rs` within them:
//!
//! `cli` > `server`, `verbs` > `ends` > `operate` > `assembly` > `admin`, `control`, `edge` > `s3` > `access`, `jobs`, `buckets` > `cache`, `replicate`, `migrate`,
//! `limits`, `faults` >
//! `work`, `drivers` > `backend` > `iam` > `catalog` > `store` > `model`;
//! `xml`, `config` and `telemetry` are beside them and know only `model` and `store`; `config` also knows the
//! table of services that `drivers::opendal` has.

#![warn(unreachable_pub)]

pub mod admin;
pub mod assembly;
pub mod cli;
pub mod control;
pub mod ends;
pub mod operate;
pub mod server;
pub mod telemetry;
pub mod verbs;

pub use causeway_backend as backend;
pub use causeway_catalog as catalog;
pub use causeway_config as config;
pub use causeway_core::{model, store, xml};
pub use causeway_iam as iam;
pub use causeway_layers::{cache, faults, limits, migrate, replicate};
pub use causeway_s3::{access, buckets, edge, jobs, s3};
pub use causeway_snapshot as snapshot;
pub use causeway_transfer as transfer;
pub use causeway_work as work;

/// All drivers: those of disks and object stores, and those of files in folders.
pub mod drivers {
    pub use causeway_drivers::*;
    pub use causeway_file_drivers::*;
}
