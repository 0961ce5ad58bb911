//! The `LocationConstraint` that a client gave when it made the bucket. It never changes; empty is the
//! default.

use super::DocumentKind;
use std::sync::Arc;

#[derive(Debug)]
pub enum Location {}

impl DocumentKind for Location {
    type Value = Arc<str>;
    const NAME: &'static str = "location";

    fn parse(body: &str) -> Result<Arc<str>, String> {
        Ok(body.into())
    }

    fn write(location: &Arc<str>) -> String {
        location.to_string()
    }
}
