//! The tags of a bucket.

use super::{DocumentKind, json};
use crate::model::BucketTags;

#[derive(Debug)]
pub enum Tagging {}

impl DocumentKind for Tagging {
    type Value = BucketTags;
    const NAME: &'static str = "tagging";

    fn parse(body: &str) -> Result<BucketTags, String> {
        json::parse(body)
    }

    fn write(tags: &BucketTags) -> String {
        json::write(tags)
    }
}
