//! The ACL of a bucket.

use super::DocumentKind;
use crate::model::Acl;

#[derive(Debug)]
pub enum BucketAcl {}

impl DocumentKind for BucketAcl {
    type Value = Acl;
    const NAME: &'static str = "acl";

    fn parse(body: &str) -> Result<Acl, String> {
        Acl::parse(body).ok_or_else(|| format!("'{body}' is no ACL that this release knows"))
    }

    fn write(acl: &Acl) -> String {
        acl.text().into_owned()
    }
}
