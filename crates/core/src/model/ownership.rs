//! Who owns the objects that others write, and whether ACLs count.
//!
//! Every object of Causeway belongs to the owner of its bucket: the first two values differ from each other
//! in nothing but their names.

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
