//! Digests of the bytes of one object, by reading them.

use super::Reading;
use crate::{
    ends::Failure,
    model::{Checksum, ChecksumAlgorithm, ChecksumHasher},
};

/// A digest that commands show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    Md5,
    Sha256,
    Crc64Nvme,
}

impl Digest {
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha256 => "sha256",
            Self::Crc64Nvme => "crc64nvme",
        }
    }

    fn algorithm(self) -> ChecksumAlgorithm {
        match self {
            Self::Md5 => ChecksumAlgorithm::Md5,
            Self::Sha256 => ChecksumAlgorithm::Sha256,
            Self::Crc64Nvme => ChecksumAlgorithm::Crc64Nvme,
        }
    }
}

/// Reads an object to its end, and returns its digests in the order in which they were asked for.
pub async fn digests(mut reading: Reading, wanted: &[Digest]) -> Result<Vec<Checksum>, Failure> {
    let mut hashers: Vec<ChecksumHasher> =
        wanted.iter().map(|digest| ChecksumHasher::new(digest.algorithm())).collect();
    while let Some(bytes) = reading.next().await? {
        hashers.iter_mut().for_each(|hasher| hasher.update(&bytes));
    }
    Ok(hashers.into_iter().map(ChecksumHasher::finish).collect())
}
