//! The object ownership of a bucket, as its owner set it, or the default of the server when it was made.

use super::{BucketSettings, DocumentKind};
use crate::model::ObjectOwnership;

#[derive(Debug)]
pub enum OwnershipControls {}

impl DocumentKind for OwnershipControls {
    type Value = Option<ObjectOwnership>;
    const NAME: &'static str = "ownership_controls";

    fn parse(body: &str) -> Result<Self::Value, String> {
        ObjectOwnership::parse(body).map(Some).ok_or_else(|| format!("'{body}' is no object ownership"))
    }

    fn write(ownership: &Self::Value) -> String {
        ownership.map(ObjectOwnership::as_str).unwrap_or_default().to_owned()
    }
}

impl BucketSettings {
    /// Whether ACLs are off, and with them owners of objects: everything belongs to the owner of the bucket.
    pub fn acls_are_off(&self) -> bool {
        *self.get::<OwnershipControls>() == Some(ObjectOwnership::BucketOwnerEnforced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ownership_is_stored_by_its_name_in_s3() {
        for ownership in ObjectOwnership::ALL {
            let body = OwnershipControls::write(&Some(ownership));
            assert_eq!(OwnershipControls::parse(&body), Ok(Some(ownership)));
        }
        assert!(OwnershipControls::parse("").is_err());
    }
}
