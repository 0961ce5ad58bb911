//! The rules of multipart uploads that hold wherever the parts are kept: which attributes a part may carry,
//! which parts make an object, and its ETag and checksum. This module is pure: drivers bring their records,
//! and keep the bytes to themselves.
//!
//! Invariant: an [`Assembled`] has passed every rule of S3 for CompleteMultipartUpload but the write
//! conditions, which are checked where the object is published.

use super::{
    CompletePart, CompleteUpload, Result,
    error::{StoreError, StoreErrorKind},
};
use crate::model::{
    Checksum, ChecksumAlgorithm, ChecksumHasher, ChecksumKind, ChecksumSpec, ETag, MAX_PART_NUMBER,
    ObjectChecksum, ObjectPart, PartNumber, combine_crc,
};
use md5::{Digest, Md5};

/// The minimum size of every part but the last (S3 User Guide, "Multipart upload limits").
pub const MIN_PART_SIZE: u64 = 5 << 20;
pub const MAX_PART_SIZE: u64 = 5 << 30;
/// The maximum size of an object: 48.8 TiB.
pub const MAX_OBJECT_SIZE: u64 = MAX_PART_NUMBER as u64 * MAX_PART_SIZE;

/// What a driver recorded about a part when it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedPart {
    pub number: PartNumber,
    pub size: u64,
    pub md5: [u8; 16],
    pub checksum: Option<Checksum>,
}

impl RecordedPart {
    pub fn etag(&self) -> ETag {
        ETag::from_md5(self.md5)
    }
}

/// The object that a Complete makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembled {
    pub etag: ETag,
    pub size: u64,
    pub checksum: Option<ObjectChecksum>,
    /// The parts in order. Their numbers name the recorded parts to use.
    pub parts: Vec<ObjectPart>,
}

/// Returns the algorithm of the checksum to compute over a part, given what its sender announced. If the
/// client named an algorithm for the upload, parts cannot have another. If it named none, parts may have any:
/// SDKs add a checksum by themselves.
pub fn part_algorithm(
    spec: ChecksumSpec,
    explicit: bool,
    announced: Option<ChecksumAlgorithm>,
) -> Result<ChecksumAlgorithm> {
    match announced {
        Some(other) if explicit && other != spec.algorithm => Err(StoreError::new(
            StoreErrorKind::InvalidRequest,
            format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                spec.algorithm.as_str().to_lowercase(),
                other.as_str().to_lowercase()
            ),
        )),
        Some(announced) => Ok(announced),
        None => Ok(spec.algorithm),
    }
}

/// `recorded` is in ascending order of number, as the catalog returns it.
pub fn assemble(
    spec: ChecksumSpec,
    explicit: bool,
    request: &CompleteUpload,
    recorded: &[RecordedPart],
) -> Result<Assembled> {
    if request.parts.is_empty() {
        return Err(StoreError::new(StoreErrorKind::InvalidRequest, "You must specify at least one part"));
    }
    let chosen: Vec<&RecordedPart> =
        request.parts.iter().map(|part| chosen(part, recorded)).collect::<Result<_>>()?;
    if let Some(small) = chosen[..chosen.len() - 1].iter().find(|part| part.size < MIN_PART_SIZE) {
        let (number, size) = (small.number.get(), small.size);
        return Err(StoreError::new(
            StoreErrorKind::EntityTooSmall,
            format!("part {number} has only {size} bytes"),
        )
        .with_detail("ProposedSize", size)
        .with_detail("MinSizeAllowed", MIN_PART_SIZE)
        .with_detail("PartNumber", number)
        .with_detail("ETag", small.etag().as_str()));
    }
    let size = chosen
        .iter()
        .try_fold(0u64, |sum, part| sum.checked_add(part.size))
        .filter(|size| *size <= MAX_OBJECT_SIZE);
    let size = size.ok_or_else(|| too_large("the parts add up to more than 48.8 TiB", MAX_OBJECT_SIZE))?;
    if let Some(announced) = request.size.filter(|announced| *announced != size) {
        let message = format!(
            "The provided 'x-amz-mp-object-size' header value {announced} does not match what was computed: {size}"
        );
        return Err(StoreError::new(StoreErrorKind::InvalidRequest, message));
    }
    let checksum = effective(spec, explicit, &chosen).and_then(|spec| object_checksum(spec, &chosen));
    if let Some((algorithm, announced)) = &request.checksum {
        compare(*algorithm, announced, checksum.as_ref())?;
    }
    let mut md5 = Md5::new();
    chosen.iter().for_each(|part| md5.update(part.md5));
    let parts = chosen
        .iter()
        .map(|part| ObjectPart {
            number: part.number.get(),
            size: part.size,
            checksum: part.checksum.clone(),
        })
        .collect();
    Ok(Assembled { etag: ETag::multipart(md5.finalize().into(), chosen.len()), size, checksum, parts })
}

/// `limit` is the limit of S3, or that of the storage if it is lower.
pub fn too_large(what: &str, limit: u64) -> StoreError {
    StoreError::new(StoreErrorKind::EntityTooLarge, what).with_detail("MaxSizeAllowed", limit)
}

/// Returns the recorded part that the client names, if it is still the part that the client uploaded.
fn chosen<'r>(wanted: &CompletePart, recorded: &'r [RecordedPart]) -> Result<&'r RecordedPart> {
    let invalid = |why: &str| {
        StoreError::new(StoreErrorKind::InvalidPart, format!("part {}: {why}", wanted.number.get()))
            .with_detail("PartNumber", wanted.number.get())
            .with_detail("ETag", wanted.etag.as_str())
    };
    let at = recorded
        .binary_search_by_key(&wanted.number, |part| part.number)
        .map_err(|_| invalid("was not uploaded"))?;
    let part = &recorded[at];
    if part.etag() != wanted.etag {
        return Err(invalid("has another ETag"));
    }
    // S3 requires the checksums of parts in some requests. Here they may be missing: the ETag already
    // identifies each part.
    if wanted.checksum.is_some() && wanted.checksum != part.checksum {
        return Err(invalid("has another checksum"));
    }
    Ok(part)
}

/// Returns the checksum that the object gets: the announced one or, if the client announced none, the one
/// that all parts carry.
fn effective(spec: ChecksumSpec, explicit: bool, parts: &[&RecordedPart]) -> Option<ChecksumSpec> {
    let algorithm = parts.first()?.checksum.as_ref()?.algorithm();
    if algorithm == spec.algorithm {
        return Some(spec);
    }
    let kind = if algorithm.supports(spec.kind) { spec.kind } else { algorithm.default_kind() };
    (!explicit).then_some(ChecksumSpec { algorithm, kind })
}

/// Returns the checksum of the object. `None`: a part has no checksum of this algorithm.
fn object_checksum(spec: ChecksumSpec, parts: &[&RecordedPart]) -> Option<ObjectChecksum> {
    let of = |part: &RecordedPart| part.checksum.clone().filter(|sum| sum.algorithm() == spec.algorithm);
    match spec.kind {
        ChecksumKind::FullObject => {
            let (first, rest) = parts.split_first()?;
            let whole =
                rest.iter().try_fold(of(first)?, |sum, part| combine_crc(&sum, &of(part)?, part.size))?;
            Some(ObjectChecksum::full(whole))
        }
        ChecksumKind::Composite => {
            let mut hasher = ChecksumHasher::new(spec.algorithm);
            for part in parts {
                hasher.update(of(part)?.bytes());
            }
            Some(ObjectChecksum {
                checksum: hasher.finish(),
                kind: ChecksumKind::Composite,
                parts: parts.len(),
            })
        }
    }
}

/// Compares the client's checksum of the whole object with the computed one. A composite value may come
/// without its `-N`.
fn compare(algorithm: ChecksumAlgorithm, announced: &str, computed: Option<&ObjectChecksum>) -> Result<()> {
    let announced = announced.trim();
    let same = computed.is_some_and(|computed| {
        let plain = computed.kind == ChecksumKind::Composite && announced == computed.checksum.to_base64();
        computed.algorithm() == algorithm && (plain || announced == computed.text())
    });
    if same {
        return Ok(());
    }
    let message = format!(
        "The {} you specified did not match the calculated checksum.",
        algorithm.as_str().to_lowercase()
    );
    Err(StoreError::new(StoreErrorKind::BadDigest, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COMPOSITE: ChecksumSpec =
        ChecksumSpec { algorithm: ChecksumAlgorithm::Sha256, kind: ChecksumKind::Composite };
    const FULL: ChecksumSpec =
        ChecksumSpec { algorithm: ChecksumAlgorithm::Crc64Nvme, kind: ChecksumKind::FullObject };

    fn sum(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
        let mut hasher = ChecksumHasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    fn number(number: u16) -> PartNumber {
        PartNumber::new(number).expect("a part number")
    }

    fn part(n: u16, bytes: &[u8], algorithm: ChecksumAlgorithm) -> RecordedPart {
        let checksum = Some(sum(algorithm, bytes));
        RecordedPart { number: number(n), size: bytes.len() as u64, md5: Md5::digest(bytes).into(), checksum }
    }

    fn large(n: u16, algorithm: ChecksumAlgorithm) -> RecordedPart {
        RecordedPart { size: MIN_PART_SIZE, ..part(n, b"large", algorithm) }
    }

    fn complete(parts: &[RecordedPart]) -> CompleteUpload {
        let parts = parts
            .iter()
            .map(|part| CompletePart { number: part.number, etag: part.etag(), checksum: None })
            .collect();
        CompleteUpload { parts, conditions: Default::default(), checksum: None, size: None }
    }

    fn kind(result: Result<Assembled>) -> Option<StoreErrorKind> {
        result.err().map(|error| error.kind())
    }

    #[test]
    fn parts_with_gaps_in_their_numbers_make_one_object_and_others_are_left_out() {
        let parts = [large(3, FULL.algorithm), large(4, FULL.algorithm), part(900, b"end", FULL.algorithm)];
        let mut request = complete(&parts);
        request.parts.remove(1);
        let assembled = assemble(FULL, false, &request, &parts).expect("is assembled");
        assert_eq!(assembled.size, MIN_PART_SIZE + 3);
        assert_eq!(
            assembled.parts.iter().map(|p| (p.number, p.size)).collect::<Vec<_>>(),
            [(3, MIN_PART_SIZE), (900, 3)]
        );
        let md5 = Md5::digest([parts[0].md5, parts[2].md5].concat());
        assert_eq!(assembled.etag, ETag::multipart(md5.into(), 2));
        assert_eq!(assembled.checksum.map(|c| c.kind), Some(ChecksumKind::FullObject));
    }

    #[test]
    fn a_part_that_is_not_the_one_the_client_saw_is_invalid() {
        let parts = [part(1, b"one", COMPOSITE.algorithm)];
        let with = |change: &dyn Fn(&mut CompletePart)| {
            let mut request = complete(&parts);
            request.parts.iter_mut().for_each(change);
            kind(assemble(COMPOSITE, true, &request, &parts))
        };
        assert_eq!(with(&|_| ()), None);
        assert_eq!(with(&|part| part.checksum = Some(sum(COMPOSITE.algorithm, b"one"))), None);
        assert_eq!(with(&|part| part.number = number(2)), Some(StoreErrorKind::InvalidPart));
        assert_eq!(with(&|part| part.etag = ETag::parse("abc")), Some(StoreErrorKind::InvalidPart));
        assert_eq!(
            with(&|part| part.checksum = Some(sum(COMPOSITE.algorithm, b"two"))),
            Some(StoreErrorKind::InvalidPart)
        );
        assert_eq!(
            kind(assemble(COMPOSITE, true, &complete(&[]), &parts)),
            Some(StoreErrorKind::InvalidRequest)
        );
    }

    #[test]
    fn sizes_are_held_to_the_limits_of_s3() {
        let small = [part(1, b"one", FULL.algorithm), part(2, b"two", FULL.algorithm)];
        assert_eq!(
            kind(assemble(FULL, false, &complete(&small), &small)),
            Some(StoreErrorKind::EntityTooSmall)
        );
        let mut huge: Vec<_> = (1..=MAX_PART_NUMBER)
            .map(|n| RecordedPart { size: MAX_PART_SIZE, ..large(n, FULL.algorithm) })
            .collect();
        let whole = CompleteUpload { size: Some(50_000 << 30), ..complete(&huge) };
        assert_eq!(assemble(FULL, false, &whole, &huge).map(|a| a.size).ok(), Some(MAX_OBJECT_SIZE));
        huge[0].size += 1;
        assert_eq!(
            kind(assemble(FULL, false, &complete(&huge), &huge)),
            Some(StoreErrorKind::EntityTooLarge)
        );
        for (size, expected) in [(3, None), (4, Some(StoreErrorKind::InvalidRequest))] {
            let request = CompleteUpload { size: Some(size), ..complete(&small[..1]) };
            assert_eq!(kind(assemble(FULL, false, &request, &small)), expected);
        }
    }

    #[test]
    fn the_announced_checksum_of_the_whole_is_compared() {
        let parts = [large(1, COMPOSITE.algorithm), part(2, b"two", COMPOSITE.algorithm)];
        let sums: Vec<u8> =
            parts.iter().flat_map(|p| p.checksum.iter().flat_map(|c| c.bytes().to_vec())).collect();
        let plain = sum(COMPOSITE.algorithm, &sums).to_base64();
        let with = |algorithm, text: &str| {
            let request = CompleteUpload { checksum: Some((algorithm, text.to_owned())), ..complete(&parts) };
            kind(assemble(COMPOSITE, true, &request, &parts))
        };
        assert_eq!(with(ChecksumAlgorithm::Sha256, &format!("{plain}-2")), None);
        assert_eq!(with(ChecksumAlgorithm::Sha256, &plain), None);
        assert_eq!(with(ChecksumAlgorithm::Sha256, &format!("{plain}-3")), Some(StoreErrorKind::BadDigest));
        assert_eq!(with(ChecksumAlgorithm::Sha256, "bad"), Some(StoreErrorKind::BadDigest));
        assert_eq!(with(ChecksumAlgorithm::Sha1, &plain), Some(StoreErrorKind::BadDigest));
    }

    #[test]
    fn only_an_upload_that_named_no_algorithm_takes_the_one_its_parts_carry() {
        use ChecksumAlgorithm::{Crc32, Crc64Nvme, Sha1};
        assert_eq!(part_algorithm(FULL, false, None).ok(), Some(Crc64Nvme));
        assert_eq!(part_algorithm(FULL, false, Some(Crc32)).ok(), Some(Crc32));
        assert_eq!(part_algorithm(FULL, true, Some(Crc64Nvme)).ok(), Some(Crc64Nvme));
        assert_eq!(
            part_algorithm(FULL, true, Some(Crc32)).map_err(|e| e.kind()),
            Err(StoreErrorKind::InvalidRequest)
        );
        let checksum = |algorithm, explicit| {
            let parts = [large(1, algorithm), part(2, b"two", algorithm)];
            let sum = assemble(FULL, explicit, &complete(&parts), &parts).expect("is assembled").checksum;
            sum.map(|sum| (sum.algorithm(), sum.kind))
        };
        assert_eq!(checksum(Crc32, false), Some((Crc32, ChecksumKind::FullObject)));
        assert_eq!(checksum(Sha1, false), Some((Sha1, ChecksumKind::Composite)));
        assert_eq!(checksum(Sha1, true), None);
        let mixed = [large(1, Crc32), part(2, b"two", Sha1)];
        assert_eq!(assemble(FULL, false, &complete(&mixed), &mixed).map(|a| a.checksum).ok(), Some(None));
    }

    proptest! {
        #[test]
        fn a_full_object_checksum_of_any_split_is_that_of_the_whole(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..12),
            algorithm in prop::sample::select(vec![ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc32c, ChecksumAlgorithm::Crc64Nvme]),
        ) {
            let parts: Vec<_> = (1..).zip(&pieces).map(|(n, piece)| part(n, piece, algorithm)).collect();
            let spec = ChecksumSpec { algorithm, kind: ChecksumKind::FullObject };
            let whole = object_checksum(spec, &parts.iter().collect::<Vec<_>>());
            prop_assert_eq!(whole, Some(ObjectChecksum::full(sum(algorithm, &pieces.concat()))));
        }
    }
}
