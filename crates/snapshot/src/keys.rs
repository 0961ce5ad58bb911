//! The key file, the secret of a repository, and the keys that are derived from both.
//!
//! The key file holds a random key of 256 bits. It seals nothing but the repository's own secret, so that
//! another key file could seal the same secret. All other keys are derived from that secret by
//! HKDF-SHA-256.
//!
//! Invariant: no key is shown by `Debug`, or stored unsealed.

use crate::{
    Result, SnapshotError,
    files::{Id, Kind, NAME, Name},
};
use ring::{aead, hkdf, hmac};
use std::fmt;

const KEY: usize = 32;

/// The line that a key file begins with.
const FIRST: &str = "causeway-snapshot-key-1";

/// The key of a repository, as its owner keeps it.
pub struct KeyFile([u8; KEY]);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    #[error("it is no key file: its first line is not '{FIRST}'")]
    First,
    #[error("its second line is not a key of 64 hexadecimal digits")]
    Key,
}

impl KeyFile {
    pub fn generate() -> Result<Self> {
        random().map(Self)
    }

    pub fn parse(text: &str) -> std::result::Result<Self, KeyFileError> {
        let mut lines = text.lines().map(str::trim);
        if lines.next() != Some(FIRST) {
            return Err(KeyFileError::First);
        }
        let mut key = [0; KEY];
        let line = lines.next().unwrap_or_default();
        hex::decode_to_slice(line, &mut key).map_err(|_| KeyFileError::Key)?;
        Ok(Self(key))
    }

    /// Returns the text of the file. It is a secret.
    pub fn text(&self) -> String {
        format!("{FIRST}\n{}\n", hex::encode(self.0))
    }

    pub(crate) fn keys(&self) -> Keys {
        Keys::new(&self.0)
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyFile(..)")
    }
}

/// What is derived from a secret of 256 bits.
pub(crate) struct Keys {
    files: [u8; KEY],
    ids: hmac::Key,
    /// Changes where objects are cut, so that the lengths of chunks say less about known files.
    pub(crate) seed: u64,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// The length of a derived key.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// Returns a key for one purpose. `N` is at most 255 times 32, so that HKDF cannot refuse it.
fn derive<const N: usize>(secret: &[u8], salt: &[u8], purpose: &[u8]) -> [u8; N] {
    let mut key = [0; N];
    let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let filled = derived.expand(&[purpose], Length(N)).and_then(|okm| okm.fill(&mut key));
    debug_assert!(filled.is_ok());
    key
}

impl Keys {
    pub(crate) fn new(secret: &[u8; KEY]) -> Self {
        let ids: [u8; KEY] = derive(secret, b"", b"causeway snapshot chunk ids");
        let seed = derive(secret, b"", b"causeway snapshot cuts");
        Self {
            files: *secret,
            ids: hmac::Key::new(hmac::HMAC_SHA256, &ids),
            // The chunker takes 0 for no seed.
            seed: u64::from_le_bytes(seed) | 1,
        }
    }

    /// Returns the key that seals the one file of this kind and name.
    pub(crate) fn of_file(&self, kind: Kind, name: &Name) -> Result<aead::LessSafeKey> {
        let key: [u8; KEY] = derive(&self.files, &name.0, kind.magic());
        let key = aead::UnboundKey::new(&aead::AES_256_GCM, &key).map_err(|_| SnapshotError::WrongKey)?;
        Ok(aead::LessSafeKey::new(key))
    }

    pub(crate) fn id(&self, bytes: &[u8]) -> Id {
        let tag = hmac::sign(&self.ids, bytes);
        let mut id = [0; 32];
        id.copy_from_slice(tag.as_ref());
        Id(id)
    }
}

/// Returns a secret for a new repository.
pub(crate) fn random() -> Result<[u8; KEY]> {
    Name::random().map(|Name(bytes)| bytes)
}

const _: () = assert!(KEY == NAME);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_read_as_it_was_written_and_shows_no_key() {
        let file = KeyFile::generate().expect("random numbers");
        let again = KeyFile::parse(&file.text()).expect("a key file");
        assert_eq!(file.0, again.0);
        assert_eq!(format!("{file:?} {:?}", file.keys()), "KeyFile(..) Keys(..)");
        assert_eq!(KeyFile::parse("x").expect_err("no key file"), KeyFileError::First);
        assert_eq!(KeyFile::parse(&format!("{FIRST}\n12")).expect_err("no key"), KeyFileError::Key);
    }

    #[test]
    fn ids_and_file_keys_depend_on_the_secret() {
        let (one, other) = (Keys::new(&[1; 32]), Keys::new(&[2; 32]));
        assert_eq!(one.id(b"a"), Keys::new(&[1; 32]).id(b"a"));
        assert_ne!(one.id(b"a"), other.id(b"a"));
        assert_ne!(one.id(b"a"), one.id(b"b"));
        assert_ne!(one.seed, other.seed);
    }
}
