//! MD5, which the ETags of S3 demand: of one body, and of many bodies at once.
//!
//! MD5 is one chain of dependent instructions. Most of a CPU is idle while it computes one, and registers of
//! vectors hold the states of 8 or 16. Bodies that arrive at the same time are therefore digested together:
//! [`Digester`] collects them. Other digests are not here: their crates use instructions that the CPU has for
//! them.
//!
//! Invariant: every kernel, every number of lanes and every division into pieces gives the digest of RFC 1321.

#![warn(unreachable_pub)]

mod batch;
mod digester;
mod kernel;
mod md5;

pub use digester::{Digester, Digesting, Lost, Turn};
pub use kernel::Engine;
pub use md5::{Md5, update_together};
