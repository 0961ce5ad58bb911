//! The promises of S3 that a storage keeps. This module does not own how that is found out (`probe`).

use serde::Serialize;

/// Each is kept or not; nothing in between is any use to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Features {
    /// `If-None-Match: *` of PUT.
    pub create: bool,
    /// `If-Match` of PUT.
    pub swap: bool,
    /// Conditions of CompleteMultipartUpload.
    pub complete: bool,
    /// `If-Match` of DELETE.
    pub conditional_deletes: bool,
    /// `x-amz-checksum-` headers and trailers: compared with the body, and kept.
    pub checksums: bool,
    pub tags: bool,
    /// CopyObject, with its metadata kept or replaced. What is not kept goes through the gateway.
    pub copies: bool,
    /// UploadPartCopy. What is not kept goes through the gateway.
    pub part_copies: bool,
    /// UploadPartCopy into an upload that was begun with a checksum algorithm.
    pub summed_part_copies: bool,
    /// Complete answers with the ETag that the object has.
    pub upload_etags: bool,
    /// The header `Expires`.
    pub expires: bool,
    /// Listings grouped by any text, not by `/` alone.
    pub delimiters: bool,
}
