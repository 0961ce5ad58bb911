//! The bytes of an object, digested in every way that its record can be told by.
//!
//! An ETag that is an MD5, one that is made of the MD5s of parts, the checksum of the whole or of its parts,
//! and the size. Invariant: memory is bounded by the number of parts, whatever the size.

use crate::model::{
    Checksum, ChecksumAlgorithm, ChecksumHasher, ChecksumKind, ETag, EncryptionAlgorithm, ObjectInfo,
};
use md5::{Digest as _, Md5};

pub(super) struct Digest {
    size: u64,
    whole: Md5,
    checksum: Option<ChecksumHasher>,
    /// Where each part ends, and what it should sum up to. Empty: the object has none, or nobody knows them.
    parts: Vec<Part>,
    /// The part that is being read.
    at: usize,
}

struct Part {
    left: u64,
    md5: Md5,
    checksum: Option<(ChecksumHasher, Checksum)>,
}

impl Digest {
    pub(super) fn of(info: &ObjectInfo) -> Self {
        let total: u64 = info.parts.iter().map(|part| part.size).sum();
        let parts = info.parts.iter().filter(|_| total == info.size);
        let part = |part: &crate::model::ObjectPart| Part {
            left: part.size,
            md5: Md5::new(),
            checksum: part.checksum.clone().map(|sum| (ChecksumHasher::new(sum.algorithm()), sum)),
        };
        let full = info.checksum.as_ref().filter(|sum| sum.kind == ChecksumKind::FullObject);
        let checksum = full.map(|sum| ChecksumHasher::new(sum.algorithm()));
        Self { size: 0, whole: Md5::new(), checksum, parts: parts.map(part).collect(), at: 0 }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.whole.update(bytes);
        if let Some(checksum) = &mut self.checksum {
            checksum.update(bytes);
        }
        let mut rest = bytes;
        while let Some(part) = self.parts.get_mut(self.at) {
            let taken = usize::try_from(part.left).unwrap_or(usize::MAX).min(rest.len());
            let (piece, behind) = rest.split_at(taken);
            part.md5.update(piece);
            if let Some((checksum, _)) = &mut part.checksum {
                checksum.update(piece);
            }
            (part.left, rest) = (part.left - taken as u64, behind);
            if part.left > 0 || rest.is_empty() {
                return;
            }
            self.at += 1;
        }
    }

    /// Whether there was anything to tell the bytes by. The error is what is wrong with them.
    pub(super) fn finish(self, info: &ObjectInfo) -> Result<bool, String> {
        if self.size != info.size {
            return Err(format!("{} bytes can be read of {}", self.size, info.size));
        }
        let (mut verified, mut md5s, mut sums) = (false, Vec::new(), Vec::new());
        let count = self.parts.len();
        for (number, part) in (1..).zip(self.parts) {
            md5s.extend_from_slice(&part.md5.finalize());
            if let Some((hasher, expected)) = part.checksum {
                let found = hasher.finish();
                if found != expected {
                    return Err(wrong_sum(
                        &format!("the bytes of part {number}"),
                        &found,
                        &expected.to_base64(),
                    ));
                }
                sums.extend_from_slice(found.bytes());
                verified = true;
            }
        }
        let expected = match (info.etag.as_md5(), count) {
            // The ETag of what a key service encrypts is made of other bytes.
            _ if is_opaque(info) => None,
            (Some(_), _) => Some(ETag::from_md5(self.whole.finalize().into())),
            (None, 0) => None,
            (None, count) => info
                .etag
                .as_str()
                .ends_with(&format!("-{count}"))
                .then(|| ETag::multipart(Md5::digest(&md5s).into(), count)),
        };
        if let Some(found) = expected {
            if found != info.etag {
                return Err(format!(
                    "its bytes have the ETag {} and not {}",
                    found.quoted(),
                    info.etag.quoted()
                ));
            }
            verified = true;
        }
        match (&info.checksum, self.checksum) {
            (Some(expected), Some(hasher)) => {
                let found = hasher.finish();
                if found != expected.checksum {
                    return Err(wrong_sum("its bytes", &found, &expected.text()));
                }
                verified = true;
            }
            (Some(expected), None)
                if !sums.is_empty() && sums.len() == count * expected.checksum.bytes().len() =>
            {
                let found = of(expected.algorithm(), &sums);
                if found != expected.checksum {
                    return Err(wrong_sum("its parts", &found, &expected.text()));
                }
            }
            _ => {}
        }
        Ok(verified)
    }
}

fn is_opaque(info: &ObjectInfo) -> bool {
    info.attributes
        .encryption
        .as_ref()
        .is_some_and(|encryption| encryption.algorithm != EncryptionAlgorithm::Aes256)
}

fn of(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
    let mut hasher = ChecksumHasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

fn wrong_sum(what: &str, found: &Checksum, expected: &str) -> String {
    format!("{what} have the {} {} and not {expected}", found.algorithm().as_str(), found.to_base64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attributes, ObjectChecksum, ObjectPart, Timestamp};

    fn object(etag: ETag, size: u64) -> ObjectInfo {
        ObjectInfo {
            size,
            etag,
            last_modified: Timestamp::from_millis(0),
            attributes: Attributes::default(),
            tag_count: 0,
            checksum: None,
            parts: Vec::new(),
            version: None,
            notes: Default::default(),
        }
    }

    fn md5(bytes: &[u8]) -> [u8; 16] {
        Md5::digest(bytes).into()
    }

    fn judge(info: &ObjectInfo, bytes: &[u8]) -> Result<bool, String> {
        let mut digest = Digest::of(info);
        for piece in bytes.chunks(3) {
            digest.update(piece);
        }
        digest.finish(info)
    }

    #[test]
    fn bytes_are_told_by_their_md5() {
        let info = object(ETag::from_md5(md5(b"0123456789")), 10);
        assert_eq!(judge(&info, b"0123456789"), Ok(true));
        assert!(judge(&info, b"0123456780").is_err_and(|what| what.contains("ETag")));
        assert!(judge(&info, b"012345678").is_err_and(|what| what == "9 bytes can be read of 10"));
    }

    #[test]
    fn bytes_of_parts_are_told_by_the_md5s_of_the_parts_and_by_their_checksums() {
        let (one, two) = (b"01234", b"56789");
        let tag = ETag::multipart(md5(&[md5(one), md5(two)].concat()), 2);
        let part = |number, bytes: &[u8]| ObjectPart { number, size: bytes.len() as u64, checksum: None };
        let mut info = ObjectInfo { parts: vec![part(1, one), part(7, two)], ..object(tag, 10) };
        assert_eq!(judge(&info, b"0123456789"), Ok(true));
        assert!(judge(&info, b"0123456780").is_err());

        let sums = [of(ChecksumAlgorithm::Sha1, one), of(ChecksumAlgorithm::Sha1, two)];
        let composite = of(
            ChecksumAlgorithm::Sha1,
            &sums.iter().flat_map(|sum| sum.bytes().to_vec()).collect::<Vec<_>>(),
        );
        info.checksum = Some(ObjectChecksum { checksum: composite, kind: ChecksumKind::Composite, parts: 2 });
        for (part, sum) in info.parts.iter_mut().zip(sums) {
            part.checksum = Some(sum);
        }
        info.etag = ETag::opaque("of-the-storage-2x");
        assert_eq!(judge(&info, b"0123456789"), Ok(true));
        assert!(judge(&info, b"0123456780").is_err_and(|what| what.contains("part 2")));
        info.checksum.as_mut().expect("was set").checksum = of(ChecksumAlgorithm::Sha1, b"other");
        assert!(judge(&info, b"0123456789").is_err_and(|what| what.contains("its parts")));
    }

    #[test]
    fn bytes_are_told_by_the_checksum_of_the_whole_where_the_etag_says_nothing() {
        let mut info = object(ETag::opaque("opaque-0"), 5);
        assert_eq!(judge(&info, b"other"), Ok(false), "there is nothing to tell by");
        info.checksum = Some(ObjectChecksum::full(of(ChecksumAlgorithm::Crc32, b"right")));
        assert_eq!(judge(&info, b"right"), Ok(true));
        assert!(judge(&info, b"other").is_err_and(|what| what.contains("CRC32")));
    }

    #[test]
    fn an_object_without_bytes_is_told_too() {
        assert_eq!(judge(&object(ETag::from_md5(md5(b"")), 0), b""), Ok(true));
        assert!(judge(&object(ETag::from_md5(md5(b"x")), 0), b"").is_err());
    }
}
