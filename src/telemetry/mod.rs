//! What an operator sees: the log and the metrics.
//!
//! Owns their form and every metric's name. What is worth a line or a count is decided where it happens.

pub mod backends;
pub mod caches;
pub mod limits;
pub mod log;
pub mod metrics;
mod process;
pub mod replicas;
pub mod sizes;
pub mod storages;
