//! Who owns the objects that others write, and whether ACLs count.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectOwnership {
    /// The account that writes an object owns it.
    ObjectWriter,
    /// The same, unless it gives the object the ACL `bucket-owner-full-control`: then the owner of the
    /// bucket does.
    BucketOwnerPreferred,
    /// ACLs are off: they grant nothing and cannot be set. The owner of the bucket owns everything.
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
