//! Who owns the objects that others write, and whether ACLs count.
//!
//! Every object of Causeway belongs to the owner of its bucket: the first two values differ from each other
//! in nothing but their names.

use super::DocumentKind;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectOwnership {
    ObjectWriter,
    BucketOwnerPreferred,
    /// ACLs are off: they grant nothing and cannot be set.
    BucketOwnerEnforced,
}

impl ObjectOwnership {
    pub const ALL: [Self; 3] = [Self::ObjectWriter, Self::BucketOwnerPreferred, Self::BucketOwnerEnforced];

    /// The name in S3. It is stored: never change a name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ObjectWriter => "ObjectWriter",
            Self::BucketOwnerPreferred => "BucketOwnerPreferred",
            Self::BucketOwnerEnforced => "BucketOwnerEnforced",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ownership| ownership.as_str() == text)
    }
}

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
