//! A request without its body: the part that its signature covers.

use super::presigned::Pairs;
use crate::s3::Target;
use http::{HeaderMap, Method};

/// A request less its body, as it was signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) method: &'a Method,
    /// The path as it was sent.
    pub(super) raw_path: &'a str,
    /// Decoded.
    pub(super) path: &'a str,
    pub(super) target: &'a Target,
    pub(super) bucket_in_host: bool,
    /// Decoded.
    pub(super) query: &'a Pairs,
    pub(super) headers: &'a HeaderMap,
    pub(super) host: &'a str,
}
