//! What decisions know of the gateway itself, and keep there.
//!
//! One for all requests. Without it, as in tests of single functions, nothing is kept and no region is known.

use super::decisions::Decisions;
use std::sync::Arc;

#[derive(Debug)]
pub struct Gateway {
    /// The region of buckets without a location of their own.
    pub(super) region: String,
    pub(super) decisions: Arc<Decisions>,
}
