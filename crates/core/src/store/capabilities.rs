//! What a store promises beyond its contract: the conditions that it holds, and what it keeps with an object.
//!
//! Owns the vocabulary only. Drivers and layers state their promises with it; `s3` reads them in one place.

/// The guarantees of a store. The edge answers 501 to requests that need one that is `Refused`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// How the conditions of PUT are guaranteed.
    pub conditional_writes: Guarantee,
    pub conditional_completes: Guarantee,
    /// How the conditions of DELETE are guaranteed.
    pub conditional_deletes: Guarantee,
    pub checksums: Keeping,
    pub tags: Keeping,
    pub object_acls: Keeping,
    /// Whether the store keeps several versions of a key, each with an id of its own.
    pub versions: Keeping,
    /// Whether the store keeps the sizes of the parts of multipart objects, and the ETag that S3 computes
    /// from the parts' ETags.
    pub parts: Keeping,
    /// Storage classes other than `STANDARD`. Where they are kept, every class of S3 is passed on to the
    /// storage, which refuses a class that it does not have.
    pub storage_classes: Keeping,
    /// Encryption at rest that a client asks for, beyond what the storage does by itself. Where it is kept,
    /// the request is passed on to the storage, which refuses what it cannot do.
    pub encryption: Keeping,
    /// Whether a PUT can take conditions that arrive at the end of its body: this process publishes the
    /// object, and checks conditions only then.
    pub late_conditions: bool,
    /// Whether a long body must announce its length: the storage is told the length before it gets the first
    /// byte. Elsewhere a body may be as long as it turns out to be.
    pub needs_length: bool,
    pub multipart: MultipartSupport,
    pub durability: Durability,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// The storage itself checks the conditions at the moment of publishing.
    Native,
    /// This process serialises the publishing of each key, and checks the conditions.
    Leased,
    Refused,
}

/// How a store treats something that S3 keeps with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    Kept,
    /// Tags, ACLs, storage classes and encryption are refused. Checksums that a client announces are verified
    /// and not stored. Parts are not reported, and the ETag is the storage's own. Versions that are
    /// overwritten or deleted cannot be read any more.
    NotKept,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MultipartSupport {
    /// Parts are stored on the backend. Completing an upload copies no bytes if the parts are uniform.
    InPlace,
    /// Parts are staged, and assembled when the upload is completed.
    Staged,
}

/// The failures that an acknowledged write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// A killed process and power loss.
    Strict,
    /// A killed process, not power loss.
    Relaxed,
    /// An acknowledged write survives neither: it is in memory only.
    #[serde(skip)]
    Volatile,
}
