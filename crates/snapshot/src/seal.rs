//! Sealing with AES-256-GCM: a file as a whole, or segments of one.
//!
//! Each file has a key of its own, derived from its random name. The nonce of a segment is its offset in the
//! file.
//!
//! Invariant: no key meets a nonce twice: a name is drawn for one file, which one process writes once, and
//! its segments have different offsets. An upload that is repeated sends the same bytes.

use crate::{
    Result, SnapshotError,
    files::{Kind, NAME, Name},
    keys::Keys,
};
use ring::aead::{Aad, LessSafeKey, Nonce};

/// The length of what comes before the first segment: the magic and the name.
pub(crate) const HEAD: usize = 8 + NAME;
/// What a segment is longer than its contents.
pub(crate) const TAG: usize = 16;

/// A file that is being written.
pub(crate) struct Sealing {
    kind: Kind,
    pub(crate) name: Name,
    key: LessSafeKey,
    pub(crate) bytes: Vec<u8>,
}

fn nonce(offset: usize) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&(offset as u64).to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

fn damaged(kind: Kind, name: &Name, why: &'static str) -> SnapshotError {
    SnapshotError::Damaged { file: kind.path(name), why }
}

impl Sealing {
    pub(crate) fn begin(keys: &Keys, kind: Kind, capacity: usize) -> Result<Self> {
        let name = Name::random()?;
        let mut bytes = Vec::with_capacity(capacity);
        bytes.extend_from_slice(kind.magic());
        bytes.extend_from_slice(&name.0);
        Ok(Self { kind, name, key: keys.of_file(kind, &name)?, bytes })
    }

    /// Appends a segment, and returns its length.
    pub(crate) fn segment(&mut self, parts: &[&[u8]], aad: &[u8]) -> Result<usize> {
        let at = self.bytes.len();
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        let sealed = self.key.seal_in_place_separate_tag(nonce(at), Aad::from(aad), &mut self.bytes[at..]);
        let tag = sealed.map_err(|_| damaged(self.kind, &self.name, "it is too long to be sealed"))?;
        self.bytes.extend_from_slice(tag.as_ref());
        Ok(self.bytes.len() - at)
    }
}

/// Opens segments of one file.
pub(crate) struct Opening {
    kind: Kind,
    name: Name,
    key: LessSafeKey,
}

impl Opening {
    pub(crate) fn of(keys: &Keys, kind: Kind, name: Name) -> Result<Self> {
        Ok(Self { kind, name, key: keys.of_file(kind, &name)? })
    }

    /// Opens the segment at this offset, and returns its contents.
    pub(crate) fn segment(&self, offset: usize, mut sealed: Vec<u8>, aad: &[u8]) -> Result<Vec<u8>> {
        let opened = self.key.open_in_place(nonce(offset), Aad::from(aad), &mut sealed);
        let length = opened.map_err(|_| self.damaged("its seal is broken"))?.len();
        sealed.truncate(length);
        Ok(sealed)
    }

    /// Fails if these are not the first bytes of this file.
    pub(crate) fn head(&self, bytes: &[u8]) -> Result<()> {
        let head = bytes.get(..HEAD).ok_or_else(|| self.damaged("it is too short"))?;
        if head[..8] != *self.kind.magic() {
            return Err(self.damaged("it does not begin as a file of its kind does"));
        }
        if head[8..] != self.name.0 {
            return Err(self.damaged("it is the file of another name"));
        }
        Ok(())
    }

    pub(crate) fn damaged(&self, why: &'static str) -> SnapshotError {
        damaged(self.kind, &self.name, why)
    }
}

/// Seals a file that is one segment.
pub(crate) fn seal(keys: &Keys, kind: Kind, contents: &[u8], aad: &[u8]) -> Result<(Name, Vec<u8>)> {
    let mut sealing = Sealing::begin(keys, kind, HEAD + contents.len() + TAG)?;
    sealing.segment(&[contents], aad)?;
    Ok((sealing.name, sealing.bytes))
}

/// Opens a file that is one segment.
pub(crate) fn open(keys: &Keys, kind: Kind, name: Name, bytes: &[u8], aad: &[u8]) -> Result<Vec<u8>> {
    let opening = Opening::of(keys, kind, name)?;
    opening.head(bytes)?;
    opening.segment(HEAD, bytes[HEAD..].to_vec(), aad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_file_opens_under_its_key_kind_and_name_only_and_with_every_bit_as_it_was() {
        let keys = Keys::new(&[7; 32]);
        let (name, bytes) = seal(&keys, Kind::Record, b"contents", b"more").expect("is sealed");
        let open = |keys: &Keys, kind, name, bytes: &[u8], aad: &[u8]| open(keys, kind, name, bytes, aad);
        assert_eq!(open(&keys, Kind::Record, name, &bytes, b"more").expect("opens"), b"contents");
        assert!(open(&Keys::new(&[8; 32]), Kind::Record, name, &bytes, b"more").is_err());
        assert!(open(&keys, Kind::Index, name, &bytes, b"more").is_err());
        assert!(open(&keys, Kind::Record, Name([0; 32]), &bytes, b"more").is_err());
        assert!(open(&keys, Kind::Record, name, &bytes, b"less").is_err());
        for bit in 0..bytes.len() * 8 {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&keys, Kind::Record, name, &other, b"more").is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(open(&keys, Kind::Record, name, &bytes[..length], b"more").is_err(), "{length} bytes");
        }
    }
}
