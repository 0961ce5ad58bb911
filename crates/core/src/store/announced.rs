//! What a request announces about its body, to be compared with the bytes that arrive.

use crate::model::{Checksum, ChecksumAlgorithm};

/// The digests and length that the request announced for its body.
#[derive(Debug, Default)]
pub struct Announced {
    /// The length of the object in bytes, without framing.
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
    /// The checksum to compute: `x-amz-sdk-checksum-algorithm` without a value.
    Algorithm(ChecksumAlgorithm),
    Header(Checksum),
    /// The value follows the body.
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

    /// Returns the algorithm, if the value follows the body.
    pub fn trailer(&self) -> Option<ChecksumAlgorithm> {
        match self {
            Self::Trailer(algorithm) => Some(*algorithm),
            _ => None,
        }
    }
}
