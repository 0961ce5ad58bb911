//! The features of S3 that a storage has. This module does not own how they are found out (`probe`).

use serde::Serialize;

/// Each feature is there or not: a client cannot use one that works only sometimes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Features {
    /// PUT checks `If-None-Match: *`.
    pub create: bool,
    /// PUT checks `If-Match`.
    pub swap: bool,
    /// CompleteMultipartUpload checks conditions.
    pub complete: bool,
    /// DELETE checks `If-Match`.
    pub conditional_deletes: bool,
    /// DeleteObjects removes what it is given, and says so of each object.
    pub deletes_together: bool,
    /// DeleteObjects checks the ETag that is named with an object.
    pub conditional_deletes_together: bool,
    /// `x-amz-checksum-` headers and trailers are compared with the body, and stored.
    pub checksums: bool,
    pub tags: bool,
    /// CopyObject works, with metadata that is copied or replaced. Otherwise copies are streamed through the
    /// gateway.
    pub copies: bool,
    /// UploadPartCopy works. Otherwise copies of parts are streamed through the gateway.
    pub part_copies: bool,
    /// UploadPartCopy works for an upload that was begun with a checksum algorithm.
    pub summed_part_copies: bool,
    /// The reply to Complete contains the ETag of the object.
    pub upload_etags: bool,
    /// The header `Expires` is stored.
    pub expires: bool,
    /// Listings can be grouped by any text, not only by `/`.
    pub delimiters: bool,
}
