//! Causeway: an S3 server in front of heterogeneous storage.
//!
//! Layers, top to bottom; imports point down only (`tests/architecture.rs` holds them to it):
//!
//! `cli` > `server` > `admin`, `control`, `edge` > `s3` > `access`, `jobs`, `buckets` > `cache`, `replicate`, `limits`, `faults` >
//! `backend` > `catalog` > `store` > `model`;
//! `xml`, `config` and `telemetry` stand beside them and know only `model` and `store`; `config` also the table of services that
//! `backend` has.

#![forbid(unsafe_code)]
#![warn(unreachable_pub)]

pub mod access;
pub mod admin;
pub mod backend;
pub mod buckets;
pub mod cache;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod control;
pub mod edge;
pub mod faults;
pub mod jobs;
pub mod limits;
pub mod model;
pub mod replicate;
pub mod s3;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod xml;
