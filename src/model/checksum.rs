//! Additional checksums (S3 User Guide, "Checking object integrity"): algorithms, values, and the running computation.

use base64::{Engine, engine::general_purpose::STANDARD};
use crc_fast::CrcAlgorithm;
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ChecksumAlgorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl ChecksumAlgorithm {
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// As in `x-amz-checksum-algorithm`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.as_str().eq_ignore_ascii_case(text))
    }

    /// `x-amz-checksum-…`, both the request and the reply header.
    pub fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// `ChecksumCRC32`, …: the XML element.
    pub fn element(self) -> &'static str {
        match self {
            Self::Crc32 => "ChecksumCRC32",
            Self::Crc32c => "ChecksumCRC32C",
            Self::Crc64Nvme => "ChecksumCRC64NVME",
            Self::Sha1 => "ChecksumSHA1",
            Self::Sha256 => "ChecksumSHA256",
        }
    }

    /// Bytes of one value.
    pub fn length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    /// The kind S3 uses for a multipart upload that names only the algorithm.
    pub fn default_kind(self) -> ChecksumKind {
        if self == Self::Crc64Nvme { ChecksumKind::FullObject } else { ChecksumKind::Composite }
    }

    /// S3 User Guide: SHA-1 and SHA-256 are composite only, CRC64NVME is full object only.
    pub fn supports(self, kind: ChecksumKind) -> bool {
        match kind {
            ChecksumKind::FullObject => self.crc().is_some(),
            ChecksumKind::Composite => self != Self::Crc64Nvme,
        }
    }
}

/// `x-amz-checksum-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ChecksumKind {
    FullObject,
    Composite,
}

impl ChecksumKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::FullObject, Self::Composite].into_iter().find(|k| k.as_str().eq_ignore_ascii_case(text))
    }
}

/// What a multipart upload promised at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChecksumSpec {
    pub algorithm: ChecksumAlgorithm,
    pub kind: ChecksumKind,
}

/// One value over one run of bytes. `value` always has the algorithm's length.
#[derive(Clone, PartialEq, Eq)]
pub struct Checksum {
    algorithm: ChecksumAlgorithm,
    value: Box<[u8]>,
}

impl Checksum {
    pub fn new(algorithm: ChecksumAlgorithm, value: &[u8]) -> Option<Self> {
        (value.len() == algorithm.length()).then(|| Self { algorithm, value: value.into() })
    }

    pub fn from_base64(algorithm: ChecksumAlgorithm, text: &str) -> Option<Self> {
        Self::new(algorithm, &STANDARD.decode(text.trim()).ok()?)
    }

    pub fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    pub fn bytes(&self) -> &[u8] {
        &self.value
    }

    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.value)
    }

    fn as_u64(&self) -> u64 {
        self.value.iter().fold(0, |n, b| n << 8 | u64::from(*b))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.as_str(), self.to_base64())
    }
}

/// CRC of `a` followed by `b`, from their CRCs and the length of `b`. `None` for algorithms that cannot be combined.
pub fn combine_crc(a: &Checksum, b: &Checksum, b_length: u64) -> Option<Checksum> {
    let crc = a.algorithm.crc()?;
    if a.algorithm != b.algorithm {
        return None;
    }
    let value = crc_fast::checksum_combine(crc, a.as_u64(), b.as_u64(), b_length).to_be_bytes();
    Checksum::new(a.algorithm, &value[8 - a.algorithm.length()..])
}

/// The checksum of an object as S3 shows it: over the whole, or over its parts' checksums with `-N` behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredChecksum", into = "StoredChecksum")]
pub struct ObjectChecksum {
    pub checksum: Checksum,
    pub kind: ChecksumKind,
    /// How many parts a composite value is made of; 0 for a full-object one.
    pub parts: usize,
}

impl ObjectChecksum {
    pub fn full(checksum: Checksum) -> Self {
        Self { checksum, kind: ChecksumKind::FullObject, parts: 0 }
    }

    pub fn algorithm(&self) -> ChecksumAlgorithm {
        self.checksum.algorithm
    }

    /// `base64` or `base64-N`.
    pub fn text(&self) -> String {
        match self.kind {
            ChecksumKind::FullObject => self.checksum.to_base64(),
            ChecksumKind::Composite => format!("{}-{}", self.checksum.to_base64(), self.parts),
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct StoredChecksum {
    algorithm: ChecksumAlgorithm,
    kind: ChecksumKind,
    value: String,
}

impl From<ObjectChecksum> for StoredChecksum {
    fn from(sum: ObjectChecksum) -> Self {
        Self { algorithm: sum.algorithm(), kind: sum.kind, value: sum.text() }
    }
}

impl TryFrom<StoredChecksum> for ObjectChecksum {
    type Error = &'static str;
    fn try_from(stored: StoredChecksum) -> Result<Self, &'static str> {
        let (value, parts) = match (stored.kind, stored.value.split_once('-')) {
            (ChecksumKind::FullObject, None) => (stored.value.as_str(), 0),
            (ChecksumKind::Composite, Some((value, parts))) => (value, parts.parse().map_err(|_| "bad part count")?),
            _ => return Err("checksum does not fit its kind"),
        };
        let checksum = Checksum::from_base64(stored.algorithm, value).ok_or("bad checksum value")?;
        Ok(Self { checksum, kind: stored.kind, parts })
    }
}

/// A running checksum.
pub struct ChecksumHasher(ChecksumAlgorithm, State);

enum State {
    Crc(crc_fast::Digest),
    Sha(ring::digest::Context),
}

impl ChecksumHasher {
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        let sha = |algorithm| State::Sha(ring::digest::Context::new(algorithm));
        let state = match algorithm {
            ChecksumAlgorithm::Crc32 => State::Crc(crc_fast::Digest::new(CrcAlgorithm::Crc32IsoHdlc)),
            ChecksumAlgorithm::Crc32c => State::Crc(crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi)),
            ChecksumAlgorithm::Crc64Nvme => State::Crc(crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme)),
            ChecksumAlgorithm::Sha1 => sha(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY),
            ChecksumAlgorithm::Sha256 => sha(&ring::digest::SHA256),
        };
        Self(algorithm, state)
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.1 {
            State::Crc(digest) => digest.update(bytes),
            State::Sha(context) => context.update(bytes),
        }
    }

    pub fn finish(self) -> Checksum {
        let value: Box<[u8]> = match self.1 {
            State::Crc(digest) => digest.finalize().to_be_bytes()[8 - self.0.length()..].into(),
            State::Sha(context) => context.finish().as_ref().into(),
        };
        Checksum { algorithm: self.0, value }
    }
}

impl fmt::Debug for ChecksumHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChecksumHasher").field(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
        let mut hasher = ChecksumHasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    #[test]
    fn known_values_of_the_check_string() {
        // The catalogue of parametrised CRC algorithms and FIPS 180-4 give these for "123456789".
        let known = [
            (ChecksumAlgorithm::Crc32, "cbf43926"),
            (ChecksumAlgorithm::Crc32c, "e3069283"),
            (ChecksumAlgorithm::Crc64Nvme, "ae8b14860a799888"),
            (ChecksumAlgorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (ChecksumAlgorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ];
        for (algorithm, value) in known {
            assert_eq!(hex::encode(sum(algorithm, b"123456789").bytes()), value, "{algorithm:?}");
        }
    }

    #[test]
    fn combined_crcs_equal_the_crc_of_the_whole() {
        for algorithm in [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc32c, ChecksumAlgorithm::Crc64Nvme] {
            let combined = combine_crc(&sum(algorithm, b"12345"), &sum(algorithm, b"6789"), 4);
            assert_eq!(combined, Some(sum(algorithm, b"123456789")), "{algorithm:?}");
        }
        assert_eq!(combine_crc(&sum(ChecksumAlgorithm::Sha1, b"1"), &sum(ChecksumAlgorithm::Sha1, b"2"), 1), None);
    }

    #[test]
    fn an_object_checksum_survives_storage() {
        let full = ObjectChecksum::full(sum(ChecksumAlgorithm::Crc32, b"x"));
        let composite = ObjectChecksum { checksum: sum(ChecksumAlgorithm::Sha256, b"x"), kind: ChecksumKind::Composite, parts: 7 };
        for checksum in [full, composite] {
            let json = serde_json::to_string(&checksum).expect("serialises");
            assert_eq!(serde_json::from_str::<ObjectChecksum>(&json).expect("parses"), checksum);
        }
    }
}
