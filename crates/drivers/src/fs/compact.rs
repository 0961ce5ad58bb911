//! The short form of a record, for an object that has nothing but its bytes, a content type and digests.
//!
//! ext4 keeps up to 64 bytes of our attribute in an inode of 256 bytes. A longer one takes a block of its own,
//! which is allocated with the object, written to disk beside it, read with it and freed with it: for a small
//! object this costs more than its bytes.
//!
//! The form, in little endian: the byte 2, which begins no JSON; the number of the checksum's algorithm, or 0;
//! the modification time of the file in nanoseconds (8 bytes); how many milliseconds the object's time is
//! after it (2 bytes, signed); the MD5 (16 bytes); the checksum; the size (8 bytes without the zeros at
//! its end, behind a byte with their number); the content type.
//!
//! Invariant: a record has this form only if it comes back from it complete. What it cannot say is JSON.

use super::stamp::{Record, Stamp};
use crate::{
    model::{Checksum, ChecksumAlgorithm, ETag, ObjectChecksum, Timestamp},
    store::record::ObjectRecord,
};

const MARK: u8 = 2;
const LONGEST: usize = 64;

/// The numbers are stored: they never change.
const ALGORITHMS: [(u8, ChecksumAlgorithm); 10] = [
    (1, ChecksumAlgorithm::Crc32),
    (2, ChecksumAlgorithm::Crc32c),
    (3, ChecksumAlgorithm::Crc64Nvme),
    (4, ChecksumAlgorithm::Sha1),
    (5, ChecksumAlgorithm::Sha256),
    (6, ChecksumAlgorithm::Sha512),
    (7, ChecksumAlgorithm::Md5),
    (8, ChecksumAlgorithm::Xxhash64),
    (9, ChecksumAlgorithm::Xxhash3),
    (10, ChecksumAlgorithm::Xxhash128),
];

/// Returns the short form of a record. `None`: it has none.
pub(super) fn written(record: &Record) -> Option<Vec<u8>> {
    let Record { own, object } = record;
    let sum = object.checksum.as_ref().map(|sum| &sum.checksum);
    let number = |sum: &Checksum| {
        ALGORITHMS.iter().find(|(_, algorithm)| *algorithm == sum.algorithm()).map(|(number, _)| *number)
    };
    let number = match sum {
        Some(sum) => number(sum)?,
        None => 0,
    };
    let after = i16::try_from(object.modified.millis().checked_sub(millis(own.mtime_ns))?).ok()?;
    let size = object.size.to_le_bytes();
    let length = size.len() - object.size.leading_zeros() as usize / 8;
    let mut short = Vec::with_capacity(LONGEST);
    short.extend([MARK, number]);
    short.extend(own.mtime_ns.to_le_bytes());
    short.extend(after.to_le_bytes());
    short.extend(object.etag.as_md5()?);
    short.extend(sum.map(Checksum::bytes).unwrap_or_default());
    short.push(u8::try_from(length).ok()?);
    short.extend(&size[..length]);
    short.extend(object.attributes.content_type.as_deref().unwrap_or_default().bytes());
    (short.len() <= LONGEST && read(&short).as_ref() == Some(record)).then_some(short)
}

/// Returns the record that has this short form. `None`: it is no short form.
pub(super) fn read(short: &[u8]) -> Option<Record> {
    let ([MARK, number], rest) = short.split_first_chunk()? else { return None };
    let (mtime_ns, rest) = rest.split_first_chunk()?;
    let (after, rest) = rest.split_first_chunk()?;
    let (md5, mut rest) = rest.split_first_chunk()?;
    let mut checksum = None;
    if *number != 0 {
        let (_, algorithm) = ALGORITHMS.iter().find(|(known, _)| known == number)?;
        let (value, behind) = rest.split_at_checked(algorithm.length())?;
        checksum = Some(ObjectChecksum::full(Checksum::new(*algorithm, value)?));
        rest = behind;
    }
    let (length, rest) = rest.split_first()?;
    let (size, content_type) = rest.split_at_checked(usize::from(*length))?;
    let mut whole = [0; 8];
    whole.get_mut(..size.len())?.copy_from_slice(size);
    let own = Stamp::new(i64::from_le_bytes(*mtime_ns));
    let modified = millis(own.mtime_ns).checked_add(i16::from_le_bytes(*after).into())?;
    let mut object =
        ObjectRecord::new(u64::from_le_bytes(whole), Timestamp::from_millis(modified), ETag::from_md5(*md5));
    object.checksum = checksum;
    if !content_type.is_empty() {
        object.attributes.content_type = Some(std::str::from_utf8(content_type).ok()?.to_owned());
    }
    Some(Record { own, object })
}

fn millis(mtime_ns: i64) -> i64 {
    mtime_ns.div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records;
    use proptest::prelude::*;

    fn record(object: ObjectRecord, mtime_ns: i64) -> Record {
        Record { own: Stamp::new(mtime_ns), object }
    }

    fn object(size: u64, checksum: Option<ChecksumAlgorithm>, content_type: Option<&str>) -> ObjectRecord {
        let mut object = ObjectRecord::new(size, Timestamp::from_millis(7_003), ETag::from_md5([0xab; 16]));
        let value: Vec<u8> = (1..=64).collect();
        object.checksum =
            checksum.and_then(|sum| Checksum::new(sum, &value[..sum.length()])).map(ObjectChecksum::full);
        object.attributes.content_type = content_type.map(str::to_owned);
        object
    }

    #[test]
    fn short_records_are_written_as_ever() {
        let crc = Some(ChecksumAlgorithm::Crc64Nvme);
        let objects = [
            object(0, None, None),
            object(4096, crc, None),
            object(u64::MAX, crc, Some("image/jpeg")),
            object(1 << 40, Some(ChecksumAlgorithm::Crc32), Some("text/plain; charset=ä")),
            object(5, Some(ChecksumAlgorithm::Crc32c), None),
            object(5, Some(ChecksumAlgorithm::Sha1), None),
            object(5, Some(ChecksumAlgorithm::Sha256), None),
            object(5, Some(ChecksumAlgorithm::Md5), None),
            object(5, Some(ChecksumAlgorithm::Xxhash64), None),
            object(5, Some(ChecksumAlgorithm::Xxhash3), None),
            object(5, Some(ChecksumAlgorithm::Xxhash128), None),
        ];
        let lines = objects.map(|object| {
            let record = record(object, 7_000_000_001);
            let short = written(&record).expect("short");
            assert_eq!(read(&short), Some(record));
            hex::encode(short)
        });
        records::is_golden("fs-compact.txt", &lines);
    }

    #[test]
    fn what_the_short_form_cannot_say_is_not_written_in_it() {
        let crc = Some(ChecksumAlgorithm::Crc64Nvme);
        let mut upper = object(1, crc, None);
        upper.etag = ETag::opaque("AB".repeat(16));
        let mut late = object(1, crc, None);
        late.modified = Timestamp::from_millis(70_000);
        for object in [
            object(1, Some(ChecksumAlgorithm::Sha512), None),
            object(1, crc, Some(&"x".repeat(40))),
            object(1, crc, Some("")),
            records::full(),
            upper,
            late,
        ] {
            assert_eq!(written(&record(object, 7_000_000_001)), None);
        }
    }

    #[test]
    fn json_and_what_was_cut_off_are_no_short_form() {
        let short = written(&record(object(4096, None, None), 1)).expect("short");
        for length in 0..short.len() {
            assert_eq!(read(&short[..length]), None, "{length}");
        }
        assert_eq!(read(br#"{"v":1,"size":13,"mtime_ns":7000000001,"modified":7,"etag":"e"}"#), None);
    }

    proptest! {
        #[test]
        fn every_record_that_has_a_short_form_comes_back(object in records::any_record(), mtime_ns: i64) {
            let record = record(object, mtime_ns);
            if let Some(short) = written(&record) {
                prop_assert_eq!(read(&short), Some(record));
            }
        }

        #[test]
        fn no_bytes_are_too_much_for_the_reader(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}
