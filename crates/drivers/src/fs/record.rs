//! The record: what Causeway knows of a file beyond its bytes. It is in the extended attribute
//! `user.causeway` of the file itself and is written before the file gets its name, so that one rename
//! publishes both. Backups and `mv` keep it.
//!
//! Most records have a short form (`compact`), which the file system keeps in the inode. The others are JSON.
//!
//! Where the attribute is not possible (no extended attributes, or the record is too large for the file
//! system), the record is a sidecar file, named after the inode and modification time of its data file. It is
//! also written before the rename, and a file that replaces another one can never get the record of the
//! other.
//!
//! Invariant: a record counts only while the file has the size and modification time that the record names. A
//! file that was edited outside the gateway is a foreign file again and is never served under an old ETag.

pub(super) use super::stamp::Record;
use super::{
    compact,
    root::{Root, entries},
    stamp::{Stamp, VERSION},
};
use crate::{
    catalog::IndexRow,
    model::{ObjectKey, Timestamp},
    store::record::ObjectRecord,
};
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, Stat, XattrFlags},
    io::Errno,
};
use std::{
    fs::File,
    io::Read,
    sync::atomic::{AtomicBool, Ordering},
};

const XATTR: &str = "user.causeway";
/// The largest record in an attribute; larger ones become sidecars. ext4 has at most one block for all
/// attributes of a file.
const MAX_XATTR: usize = 3800;

/// The properties that distinguish a file from another of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint {
    pub(super) inode: u64,
    pub(super) mtime_ns: i64,
    pub(super) size: u64,
}

impl Fingerprint {
    pub(super) fn of(stat: &Stat) -> Self {
        #[allow(clippy::unnecessary_cast)] // The types differ between platforms.
        let mtime_ns =
            (stat.st_mtime as i64).saturating_mul(1_000_000_000).saturating_add(stat.st_mtime_nsec as i64);
        Self { inode: stat.st_ino, mtime_ns, size: u64::try_from(stat.st_size).unwrap_or(0) }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        [self.inode.to_be_bytes(), self.mtime_ns.to_be_bytes(), self.size.to_be_bytes()].concat()
    }

    fn sidecar(&self) -> String {
        format!("{:x}-{:x}", self.inode, self.mtime_ns)
    }

    pub(super) fn modified(&self) -> Timestamp {
        Timestamp::from_millis(self.mtime_ns.div_euclid(1_000_000))
    }
}

/// The record of a file as it is now. Its size is that of the file.
pub(super) fn of(fingerprint: Fingerprint, object: ObjectRecord) -> Record {
    let Fingerprint { size, mtime_ns, .. } = fingerprint;
    Record { own: Stamp::new(mtime_ns), object: ObjectRecord { size, ..object } }
}

/// Returns the index row of a file with a record.
pub(super) fn row(key: &ObjectKey, fingerprint: Fingerprint, record: &Record) -> IndexRow {
    IndexRow::of(key, &record.object, fingerprint.bytes())
}

fn holds(Record { own, object }: &Record, fingerprint: Fingerprint) -> bool {
    own.v <= VERSION && object.size == fingerprint.size && own.mtime_ns == fingerprint.mtime_ns
}

/// Reads either form of a record.
fn parse(stored: &[u8]) -> Option<Record> {
    compact::read(stored).or_else(|| serde_json::from_slice(stored).ok())
}

/// Reads and writes records. `sidecars` is the directory of the records that do not fit into an attribute.
#[derive(Debug)]
pub(super) struct Records {
    sidecars: Root,
    /// Sidecars exist, or have existed: replacing and removing files has to handle them.
    in_use: AtomicBool,
}

impl Records {
    pub(super) fn open(sidecars: Root) -> Result<Self, Errno> {
        let in_use = entries(sidecars.fd())?.next().is_some();
        Ok(Self { sidecars, in_use: AtomicBool::new(in_use) })
    }

    pub(super) fn in_use(&self) -> bool {
        self.in_use.load(Ordering::Acquire)
    }

    /// Returns the record of an open file; `None` if it has none, or one of other bytes.
    pub(super) fn read(&self, file: &OwnedFd, fingerprint: Fingerprint) -> Result<Option<Record>, Errno> {
        let mut buffer = [0u8; 1024];
        let record = match rustix::fs::fgetxattr(file, XATTR, &mut buffer[..]) {
            Ok(length) => parse(&buffer[..length]),
            Err(Errno::RANGE) => {
                let mut large = vec![0; 64 * 1024];
                let length = rustix::fs::fgetxattr(file, XATTR, &mut large[..])?;
                parse(&large[..length])
            }
            Err(Errno::NODATA | Errno::NOTSUP) => {
                self.read_sidecar(fingerprint)?.and_then(|text| parse(&text))
            }
            Err(error) => return Err(error),
        };
        // A record that cannot be read is treated as absent: the bytes are still the object.
        Ok(record.filter(|record| holds(record, fingerprint)))
    }

    fn read_sidecar(&self, fingerprint: Fingerprint) -> Result<Option<Vec<u8>>, Errno> {
        match self.sidecars.open_file(&fingerprint.sidecar()) {
            Ok(file) => {
                let mut text = Vec::new();
                File::from(file).read_to_end(&mut text).map_err(|_| Errno::IO)?;
                Ok(Some(text))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Attaches a record to an open file, replacing an earlier one atomically. The caller syncs the file
    /// itself.
    pub(super) fn write(
        &self,
        file: &OwnedFd,
        fingerprint: Fingerprint,
        record: &Record,
        durable: bool,
    ) -> Result<(), Errno> {
        let text = match compact::written(record) {
            Some(short) => short,
            None => serde_json::to_vec(record).map_err(|_| Errno::INVAL)?,
        };
        if text.len() <= MAX_XATTR {
            match rustix::fs::fsetxattr(file, XATTR, &text, XattrFlags::empty()) {
                Ok(()) => return Ok(()),
                Err(Errno::NOTSUP | Errno::NOSPC | Errno::TOOBIG | Errno::RANGE) => {}
                Err(error) => return Err(error),
            }
        }
        self.in_use.store(true, Ordering::Release);
        let name = fingerprint.sidecar();
        let temporary = format!("{name}.new");
        let sidecar = self.sidecars.open_or_create(&temporary)?;
        rustix::fs::ftruncate(&sidecar, 0)?;
        std::io::Write::write_all(&mut File::from(sidecar.try_clone().map_err(|_| Errno::MFILE)?), &text)
            .map_err(|_| Errno::IO)?;
        if durable {
            rustix::fs::fdatasync(&sidecar)?;
        }
        rustix::fs::renameat(self.sidecars.fd(), &temporary, self.sidecars.fd(), &name)?;
        if durable {
            rustix::fs::fsync(self.sidecars.fd())?;
        }
        // The attribute is removed only after the sidecar was written: at any time one of the two is
        // complete.
        match rustix::fs::fremovexattr(file, XATTR) {
            Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes the sidecar of a file that is gone, if it had one.
    pub(super) fn forget(&self, fingerprint: Fingerprint) {
        if !self.in_use() {
            return;
        }
        // A failure is harmless: no other file has this inode and time while the sidecar exists.
        let _ = rustix::fs::unlinkat(self.sidecars.fd(), fingerprint.sidecar(), AtFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Checksum, ChecksumAlgorithm, ETag, ObjectPart, UploadId},
        records,
    };
    use proptest::prelude::*;

    fn setup() -> (tempfile::TempDir, Records, OwnedFd, Fingerprint) {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("records")).expect("made");
        let root = Root::open(dir.path(), super::super::private::DIRECTORY).expect("opens");
        let records = Records::open(root.sub("records").expect("opens")).expect("lists");
        let file = root.create_new("file").expect("made");
        let fingerprint = Fingerprint::of(&rustix::fs::fstat(&file).expect("stat"));
        (dir, records, file, fingerprint)
    }

    fn record(fingerprint: Fingerprint, parts: &[ObjectPart]) -> Record {
        let object = ObjectRecord::new(0, Timestamp::from_millis(7), ETag::parse("e"));
        let upload = UploadId::parse("u").expect("an id");
        of(fingerprint, if parts.is_empty() { object } else { object.of_parts(parts, upload) })
    }

    #[test]
    fn a_record_too_large_for_an_attribute_goes_beside_the_file_and_comes_back() {
        let (_dir, records, file, fingerprint) = setup();
        let sum = |n: u16| Checksum::new(ChecksumAlgorithm::Sha256, &[n.to_le_bytes()[0]; 32]);
        let parts: Vec<_> = (1..=1000)
            .map(|n| ObjectPart { number: n, size: 5 + u64::from(n / 900), checksum: sum(n) })
            .collect();
        for parts in [&parts[..1], &parts[..]] {
            let written = record(fingerprint, parts);
            records.write(&file, fingerprint, &written, true).expect("written");
            let read = records.read(&file, fingerprint).expect("read").expect("a record");
            assert_eq!(read, written);
            assert_eq!(read.object.parts.list(), parts);
        }
        records.forget(fingerprint);
        assert_eq!(records.read(&file, fingerprint), Ok(None));
    }

    #[test]
    fn a_record_does_not_hold_for_a_file_that_was_changed() {
        let (_dir, records, file, fingerprint) = setup();
        records.write(&file, fingerprint, &record(fingerprint, &[]), false).expect("written");
        assert!(records.read(&file, fingerprint).expect("read").is_some());
        for changed in [Fingerprint { size: 1, ..fingerprint }, Fingerprint { mtime_ns: 1, ..fingerprint }] {
            assert_eq!(records.read(&file, changed), Ok(None));
        }
    }

    #[test]
    fn the_first_stored_format_is_still_read() {
        let (_dir, records, file, fingerprint) = setup();
        let golden = format!(
            r#"{{"v":1,"size":0,"mtime_ns":{},"modified":1,"etag":"d41d8cd98f00b204e9800998ecf8427e","content_type":"a/b","user":{{"k":"v"}},
            "tags":[{{"key":"t","value":"w"}}],"acl":"public-read","checksum":{{"algorithm":"CRC32","kind":"COMPOSITE","value":"AAAAAA==-2"}},
            "parts":{{"runs":[[1,2,0]],"sums":["CRC32","AAAAAAAAAAA="]}},"upload":"u"}}"#,
            fingerprint.mtime_ns
        );
        rustix::fs::fsetxattr(&file, XATTR, golden.as_bytes(), XattrFlags::empty()).expect("set");
        let info = records.read(&file, fingerprint).expect("read").expect("a record").object.info();
        assert_eq!(info.attributes.user["k"], "v");
        assert_eq!(info.attributes.tags.len(), 1);
        assert_eq!(info.parts.len(), 2);
        assert_eq!(info.checksum.expect("a checksum").text(), "AAAAAA==-2");
    }

    fn text(object: ObjectRecord) -> String {
        let record = of(Fingerprint { inode: 1, mtime_ns: 7_000_000_001, size: object.size }, object);
        let text = serde_json::to_string(&record).expect("a text");
        assert_eq!(serde_json::from_str::<Record>(&text).expect("a record"), record);
        text
    }

    #[test]
    fn records_are_written_as_ever() {
        records::is_golden("fs.json", &[text(records::full()), text(records::plain())]);
    }

    proptest! {
        #[test]
        fn every_record_comes_back(object in records::any_record()) {
            text(object);
        }
    }
}
