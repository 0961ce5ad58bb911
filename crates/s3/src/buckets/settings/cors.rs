//! The CORS rules of a bucket. Without any, those of the configuration apply.

use super::{DocumentKind, json};
use crate::model::CorsRules;

#[derive(Debug)]
pub enum Cors {}

impl DocumentKind for Cors {
    type Value = CorsRules;
    const NAME: &'static str = "cors";

    fn parse(body: &str) -> Result<CorsRules, String> {
        json::parse(body)
    }

    fn write(rules: &CorsRules) -> String {
        json::write(rules)
    }
}
