//! What a request announces about its body, to be compared with the bytes that arrive.

use crate::model::{Checksum, ChecksumAlgorithm};

/// The digests and length that the request announced for its body.
#[derive(Debug, Default)]
pub struct Announced {
    /// Bytes of the object, framing not counted.
    pub length: Option<u64>,
    /// `x-amz-content-sha256`
    pub sha256: Option<[u8; 32]>,
    /// `Content-MD5`
    pub md5: Option<[u8; 16]>,
    pub checksum: AnnouncedChecksum,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum AnnouncedChecksum {
    #[default]
    None,
    /// Compute this one: `x-amz-sdk-checksum-algorithm` without a value.
    Algorithm(ChecksumAlgorithm),
    Header(Checksum),
    /// The value comes behind the body.
    Trailer(ChecksumAlgorithm),
}

impl AnnouncedChecksum {
    pub fn algorithm(&self) -> Option<ChecksumAlgorithm> {
        match self {
            Self::None => None,
            Self::Algorithm(algorithm) | Self::Trailer(algorithm) => Some(*algorithm),
            Self::Header(checksum) => Some(checksum.algorithm()),
        }
    }

    /// The algorithm, if the value is still to come.
    pub fn trailer(&self) -> Option<ChecksumAlgorithm> {
        match self {
            Self::Trailer(algorithm) => Some(*algorithm),
            _ => None,
        }
    }
}
