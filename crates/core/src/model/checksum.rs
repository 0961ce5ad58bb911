//! Additional checksums (S3 User Guide, "Checking object integrity"): algorithms, values, and the running
//! computation.

use super::crc::Polynomial;
use base64::{Engine, engine::general_purpose::STANDARD};
use crc_fast::CrcAlgorithm;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use std::fmt;
use xxhash_rust::{xxh3::Xxh3, xxh64::Xxh64};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ChecksumAlgorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
    Sha512,
    Md5,
    Xxhash64,
    Xxhash3,
    Xxhash128,
}

/// What S3 documents about one algorithm.
struct Facts {
    name: &'static str,
    header: &'static str,
    element: &'static str,
    /// The number of bytes of one value.
    length: usize,
    /// The kinds that a multipart upload may have. The first one is used for a client that names only the
    /// algorithm.
    kinds: &'static [ChecksumKind],
}

impl ChecksumAlgorithm {
    pub const ALL: [Self; 10] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
        Self::Md5,
        Self::Xxhash64,
        Self::Xxhash3,
        Self::Xxhash128,
    ];

    /// Only the checksums of parts that are CRCs can be combined into a checksum of the whole object.
    const fn facts(self) -> Facts {
        use ChecksumKind::{Composite, FullObject};
        const fn of(
            name: &'static str,
            header: &'static str,
            element: &'static str,
            length: usize,
            kinds: &'static [ChecksumKind],
        ) -> Facts {
            Facts { name, header, element, length, kinds }
        }
        match self {
            Self::Crc32 => of("CRC32", "x-amz-checksum-crc32", "ChecksumCRC32", 4, &[Composite, FullObject]),
            Self::Crc32c => {
                of("CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C", 4, &[Composite, FullObject])
            }
            Self::Crc64Nvme => {
                of("CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", 8, &[FullObject])
            }
            Self::Sha1 => of("SHA1", "x-amz-checksum-sha1", "ChecksumSHA1", 20, &[Composite]),
            Self::Sha256 => of("SHA256", "x-amz-checksum-sha256", "ChecksumSHA256", 32, &[Composite]),
            Self::Sha512 => of("SHA512", "x-amz-checksum-sha512", "ChecksumSHA512", 64, &[Composite]),
            Self::Md5 => of("MD5", "x-amz-checksum-md5", "ChecksumMD5", 16, &[Composite]),
            Self::Xxhash64 => of("XXHASH64", "x-amz-checksum-xxhash64", "ChecksumXXHASH64", 8, &[Composite]),
            Self::Xxhash3 => of("XXHASH3", "x-amz-checksum-xxhash3", "ChecksumXXHASH3", 8, &[Composite]),
            Self::Xxhash128 => {
                of("XXHASH128", "x-amz-checksum-xxhash128", "ChecksumXXHASH128", 16, &[Composite])
            }
        }
    }

    /// Returns the name that `x-amz-checksum-algorithm` uses.
    pub const fn as_str(self) -> &'static str {
        self.facts().name
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.as_str().eq_ignore_ascii_case(text))
    }

    /// Returns the names of all algorithms, in the form in which S3 lists them when it refuses another.
    pub fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    /// Returns the name of the header, `x-amz-checksum-…`, in requests and in replies.
    pub const fn header(self) -> &'static str {
        self.facts().header
    }

    /// Returns the name of the XML element: `ChecksumCRC32`, …
    pub const fn element(self) -> &'static str {
        self.facts().element
    }

    /// Returns the number of bytes of one value.
    pub const fn length(self) -> usize {
        self.facts().length
    }

    fn crc(self) -> Option<Polynomial> {
        match self {
            Self::Crc32 => Some(Polynomial::CRC32),
            Self::Crc32c => Some(Polynomial::CRC32C),
            Self::Crc64Nvme => Some(Polynomial::CRC64_NVME),
            Self::Sha1
            | Self::Sha256
            | Self::Sha512
            | Self::Md5
            | Self::Xxhash64
            | Self::Xxhash3
            | Self::Xxhash128 => None,
        }
    }

    /// Returns the kind that S3 uses for a multipart upload whose client names only the algorithm.
    pub fn default_kind(self) -> ChecksumKind {
        self.facts().kinds[0]
    }

    /// Returns whether S3 has this kind for the algorithm: only CRCs have a value over the whole object, and
    /// CRC64NVME has no other kind.
    pub fn supports(self, kind: ChecksumKind) -> bool {
        self.facts().kinds.contains(&kind)
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

/// The checksum that the client announced when it began a multipart upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChecksumSpec {
    pub algorithm: ChecksumAlgorithm,
    pub kind: ChecksumKind,
}

/// A checksum of some bytes. `value` always has the algorithm's length.
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

/// Returns the CRC of `a` followed by `b`, computed from their CRCs and the length of `b`. `None`: the
/// algorithm cannot combine checksums.
pub fn combine_crc(a: &Checksum, b: &Checksum, b_length: u64) -> Option<Checksum> {
    let polynomial = a.algorithm.crc()?;
    if a.algorithm != b.algorithm {
        return None;
    }
    let value = polynomial.combine(a.as_u64(), b.as_u64(), b_length).to_be_bytes();
    Checksum::new(a.algorithm, &value[8 - a.algorithm.length()..])
}

/// The checksum of an object, as S3 shows it: a value over the whole object, or a value over the checksums of
/// its parts, followed by `-N`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredChecksum", into = "StoredChecksum")]
pub struct ObjectChecksum {
    pub checksum: Checksum,
    pub kind: ChecksumKind,
    /// The number of parts that a composite value is made of; 0 for a value over the whole object.
    pub parts: usize,
}

impl ObjectChecksum {
    pub fn full(checksum: Checksum) -> Self {
        Self { checksum, kind: ChecksumKind::FullObject, parts: 0 }
    }

    pub fn algorithm(&self) -> ChecksumAlgorithm {
        self.checksum.algorithm
    }

    pub fn spec(&self) -> ChecksumSpec {
        ChecksumSpec { algorithm: self.algorithm(), kind: self.kind }
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
            (ChecksumKind::Composite, Some((value, parts))) => {
                (value, parts.parse().map_err(|_| "bad part count")?)
            }
            _ => return Err("checksum does not fit its kind"),
        };
        let checksum = Checksum::from_base64(stored.algorithm, value).ok_or("bad checksum value")?;
        Ok(Self { checksum, kind: stored.kind, parts })
    }
}

/// A checksum that is being computed.
pub struct ChecksumHasher(ChecksumAlgorithm, HasherState);

enum HasherState {
    Crc(crc_fast::Digest),
    Sha(ring::digest::Context),
    Md5(Md5),
    Xxhash64(Xxh64),
    /// Boxed: the buffers of this algorithm take half a kilobyte.
    Xxhash3(Box<Xxh3>),
    Xxhash128(Box<Xxh3>),
}

impl ChecksumHasher {
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        let crc = |algorithm| HasherState::Crc(crc_fast::Digest::new(algorithm));
        let sha = |algorithm| HasherState::Sha(ring::digest::Context::new(algorithm));
        let state = match algorithm {
            ChecksumAlgorithm::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc),
            ChecksumAlgorithm::Crc32c => crc(CrcAlgorithm::Crc32Iscsi),
            ChecksumAlgorithm::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme),
            ChecksumAlgorithm::Sha1 => sha(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY),
            ChecksumAlgorithm::Sha256 => sha(&ring::digest::SHA256),
            ChecksumAlgorithm::Sha512 => sha(&ring::digest::SHA512),
            ChecksumAlgorithm::Md5 => HasherState::Md5(Md5::new()),
            ChecksumAlgorithm::Xxhash64 => HasherState::Xxhash64(Xxh64::new(0)),
            ChecksumAlgorithm::Xxhash3 => HasherState::Xxhash3(Box::new(Xxh3::new())),
            ChecksumAlgorithm::Xxhash128 => HasherState::Xxhash128(Box::new(Xxh3::new())),
        };
        Self(algorithm, state)
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.1 {
            HasherState::Crc(digest) => digest.update(bytes),
            HasherState::Sha(context) => context.update(bytes),
            HasherState::Md5(md5) => md5.update(bytes),
            HasherState::Xxhash64(hash) => hash.update(bytes),
            HasherState::Xxhash3(hash) | HasherState::Xxhash128(hash) => hash.update(bytes),
        }
    }

    /// Numbers become big-endian bytes: the canonical form of xxHash, and S3's form of every CRC.
    pub fn finish(self) -> Checksum {
        let value: Box<[u8]> = match self.1 {
            HasherState::Crc(digest) => digest.finalize().to_be_bytes()[8 - self.0.length()..].into(),
            HasherState::Sha(context) => context.finish().as_ref().into(),
            HasherState::Md5(md5) => <[u8; 16]>::from(md5.finalize()).into(),
            HasherState::Xxhash64(hash) => hash.digest().to_be_bytes().into(),
            HasherState::Xxhash3(hash) => hash.digest().to_be_bytes().into(),
            HasherState::Xxhash128(hash) => hash.digest128().to_be_bytes().into(),
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
    use proptest::prelude::*;

    fn sum(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
        let mut hasher = ChecksumHasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    #[test]
    fn known_values_of_the_check_string() {
        // The catalogue of parametrised CRC algorithms, FIPS 180-4, RFC 1321's MD5 and the reference xxHash
        // give these for "123456789".
        let known = [
            (ChecksumAlgorithm::Crc32, "cbf43926"),
            (ChecksumAlgorithm::Crc32c, "e3069283"),
            (ChecksumAlgorithm::Crc64Nvme, "ae8b14860a799888"),
            (ChecksumAlgorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (ChecksumAlgorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
            (
                ChecksumAlgorithm::Sha512,
                "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
            ),
            (ChecksumAlgorithm::Md5, "25f9e794323b453885f5181f1b624d0b"),
            (ChecksumAlgorithm::Xxhash64, "8cb841db40e6ae83"),
            (ChecksumAlgorithm::Xxhash3, "72dcb18b67a17dff"),
            (ChecksumAlgorithm::Xxhash128, "33119477ede5dcd5e9716427681d5860"),
        ];
        assert_eq!(known.map(|(algorithm, _)| algorithm), ChecksumAlgorithm::ALL);
        for (algorithm, value) in known {
            assert_eq!(hex::encode(sum(algorithm, b"123456789").bytes()), value, "{algorithm:?}");
        }
    }

    /// xxHash uses another algorithm for inputs longer than its block.
    #[test]
    fn known_values_of_nothing_and_of_a_kilobyte() {
        let kilobyte: Vec<u8> = (0..4).flat_map(|_| 0..=255).collect();
        let known = [
            (ChecksumAlgorithm::Xxhash64, "ef46db3751d8e999", "6f3914f18fe4df57"),
            (ChecksumAlgorithm::Xxhash3, "2d06800538d394c2", "a870f92984398d22"),
            (
                ChecksumAlgorithm::Xxhash128,
                "99aa06d3014798d86001c324468d497f",
                "83885e853bb6640ca870f92984398d22",
            ),
        ];
        for (algorithm, nothing, long) in known {
            assert_eq!(hex::encode(sum(algorithm, b"").bytes()), nothing, "{algorithm:?}");
            assert_eq!(hex::encode(sum(algorithm, &kilobyte).bytes()), long, "{algorithm:?}");
        }
    }

    #[test]
    fn every_algorithm_is_known_by_its_name_and_has_values_of_its_length() {
        for algorithm in ChecksumAlgorithm::ALL {
            let name = algorithm.as_str();
            assert_eq!(ChecksumAlgorithm::parse(&name.to_lowercase()), Some(algorithm));
            assert_eq!(algorithm.header(), format!("x-amz-checksum-{}", name.to_lowercase()));
            assert_eq!(algorithm.element(), format!("Checksum{name}"));
            assert_eq!(serde_json::to_string(&algorithm).expect("serialises"), format!("\"{name}\""));
            assert_eq!(sum(algorithm, b"x").bytes().len(), algorithm.length());
            assert!(algorithm.supports(algorithm.default_kind()), "{name}");
            assert_eq!(algorithm.supports(ChecksumKind::FullObject), algorithm.crc().is_some(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_sum_in_pieces_is_the_sum_of_the_whole(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..700), 0..8),
            algorithm in prop::sample::select(ChecksumAlgorithm::ALL.to_vec()),
        ) {
            let mut hasher = ChecksumHasher::new(algorithm);
            pieces.iter().for_each(|piece| hasher.update(piece));
            prop_assert_eq!(hasher.finish(), sum(algorithm, &pieces.concat()));
        }
    }

    #[test]
    fn combined_crcs_equal_the_crc_of_the_whole() {
        for algorithm in [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc32c, ChecksumAlgorithm::Crc64Nvme] {
            let combined = combine_crc(&sum(algorithm, b"12345"), &sum(algorithm, b"6789"), 4);
            assert_eq!(combined, Some(sum(algorithm, b"123456789")), "{algorithm:?}");
        }
        assert_eq!(
            combine_crc(&sum(ChecksumAlgorithm::Sha1, b"1"), &sum(ChecksumAlgorithm::Sha1, b"2"), 1),
            None
        );
    }

    #[test]
    fn an_object_checksum_survives_storage() {
        let full = ObjectChecksum::full(sum(ChecksumAlgorithm::Crc32, b"x"));
        let composite = ObjectChecksum {
            checksum: sum(ChecksumAlgorithm::Sha256, b"x"),
            kind: ChecksumKind::Composite,
            parts: 7,
        };
        for checksum in [full, composite] {
            let json = serde_json::to_string(&checksum).expect("serialises");
            assert_eq!(serde_json::from_str::<ObjectChecksum>(&json).expect("parses"), checksum);
        }
    }
}
