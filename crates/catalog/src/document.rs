//! Settings of a bucket, as the catalog keeps them: documents by bucket and kind. The catalog does not know
//! their content.

use super::Revision;

/// A document to store. Its kind is a short name; the registry of kinds decides what the body means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDocument {
    pub kind: String,
    pub body: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub kind: String,
    pub body: String,
    /// The revision of the bucket's documents at the last change of this document.
    pub revision: Revision,
}

/// Documents of a bucket, in the order of their kinds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Documents {
    /// A number that grows with each change of any document of the bucket. `NONE`: the bucket never had a
    /// document.
    pub revision: Revision,
    pub all: Vec<Document>,
}
