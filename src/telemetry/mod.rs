//! What an operator sees: the log and the metrics.
//!
//! Owns their form and every metric's name. The code where an event happens decides whether it is logged or
//! counted.

pub mod backends;
pub mod caches;
pub mod limits;
pub mod log;
pub mod metrics;
mod process;
pub mod replicas;
pub mod sizes;
pub mod storages;
