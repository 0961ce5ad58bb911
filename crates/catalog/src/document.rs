//! Settings of a bucket, as the catalog keeps them: documents by bucket and kind. The catalog does not know
//! their content.

use super::Revision;

/// A document to be stored. Its kind is a short name; the registry of kinds owns what the body says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDocument {
    pub kind: String,
    pub body: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub kind: String,
    pub body: String,
    /// The revision that the bucket's documents got by the last change of this one.
    pub revision: Revision,
}

/// Documents of a bucket, in the order of their kinds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Documents {
    /// A number that grows with each change of any document of the bucket. `NONE`: there never was a
    /// document.
    pub revision: Revision,
    pub all: Vec<Document>,
}
