//! The canned ACL of a bucket.

use super::DocumentKind;
use crate::model::CannedAcl;

#[derive(Debug)]
pub enum Acl {}

impl DocumentKind for Acl {
    type Value = CannedAcl;
    const NAME: &'static str = "acl";

    fn parse(body: &str) -> Result<CannedAcl, String> {
        CannedAcl::parse(body).ok_or_else(|| format!("'{body}' is no canned ACL"))
    }

    fn write(acl: &CannedAcl) -> String {
        acl.as_str().to_owned()
    }
}
