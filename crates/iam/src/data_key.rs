//! The key that seals secrets in the catalog: generated when it is first needed, kept in a file that only its
//! user can read.
//!
//! Owns the file and the sealed form: `v1:` and base64 of nonce, ciphertext and tag, AES-256-GCM, with the
//! identity of the secret as associated data. A sealed secret is of no use for another identity. The catalog
//! without the key (an export, or a backup of its file) reveals no secret; the data directory as a whole
//! does.
//!
//! Invariants: no message repeats a secret or a key; a key is never replaced.

use crate::model::Secret;
use base64::{Engine, engine::general_purpose::STANDARD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::{
    fmt,
    fs::File,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// In the directory of Causeway's own files.
const FILE: &str = "identities.key";
const VERSION: &str = "v1:";
const KEY_LEN: usize = 32;

pub(super) struct DataKey {
    key: LessSafeKey,
    path: PathBuf,
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").field("path", &self.path).finish_non_exhaustive()
    }
}

impl DataKey {
    /// The key in `dir`. `None` means that there is none.
    pub(super) fn find(dir: &Path) -> io::Result<Option<Self>> {
        let path = dir.join(FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, path).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io::Error::new(error.kind(), format!("reading {}: {error}", path.display()))),
        }
    }

    /// The key in `dir`, generated if there is none. The directory is held by one server at a time.
    pub(super) fn find_or_make(dir: &Path) -> io::Result<Self> {
        if let Some(key) = Self::find(dir)? {
            return Ok(key);
        }
        let (path, text) = (dir.join(FILE), STANDARD.encode(random::<KEY_LEN>()?) + "\n");
        // The file appears as a whole or not at all, and is never readable by others, not even for a moment.
        let new = path.with_extension("new");
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, &path)?;
        File::open(dir)?.sync_all()?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: PathBuf) -> io::Result<Self> {
        let bytes = STANDARD.decode(text.trim()).unwrap_or_default();
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| {
            let words = "is damaged: restore it from a backup, or remove it and add the identities again";
            io::Error::new(io::ErrorKind::InvalidData, format!("{} {words}", path.display()))
        })?;
        Ok(Self { key: LessSafeKey::new(key), path })
    }

    pub(super) fn seal(&self, of: &str, secret: &Secret) -> io::Result<String> {
        let nonce = random::<NONCE_LEN>()?;
        let mut sealed = secret.expose().as_bytes().to_vec();
        let done = self.key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(of.as_bytes()),
            &mut sealed,
        );
        done.map_err(|_| io::Error::other("sealing a secret failed"))?;
        Ok(format!("{VERSION}{}", STANDARD.encode([nonce.as_slice(), &sealed].concat())))
    }

    /// `None` means that the secret was sealed with another key, belongs to another identity, or is damaged.
    pub(super) fn unseal(&self, of: &str, sealed: &str) -> Option<Secret> {
        let bytes = STANDARD.decode(sealed.strip_prefix(VERSION)?).ok()?;
        let (nonce, rest) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut rest = rest.to_vec();
        let opened = self.key.open_in_place(nonce, Aad::from(of.as_bytes()), &mut rest).ok()?;
        Some(Secret::new(std::str::from_utf8(opened).ok()?))
    }
}

fn random<const LENGTH: usize>() -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes)
        .map_err(|error| io::Error::other(format!("there is no randomness: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_readable_by_its_user_only() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(DataKey::find(dir.path()).expect("looks").is_none());
        let sealed = DataKey::find_or_make(dir.path())
            .expect("made")
            .seal("alice", &Secret::new("hunter2"))
            .expect("sealed");
        let again = DataKey::find_or_make(dir.path()).expect("read");
        assert_eq!(again.unseal("alice", &sealed), Some(Secret::new("hunter2")));
        let mode = std::fs::metadata(dir.path().join(FILE)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(
            !format!("{again:?}")
                .contains(&std::fs::read_to_string(dir.path().join(FILE)).expect("a key")[..8])
        );
    }

    #[test]
    fn a_secret_is_of_use_to_its_identity_and_with_its_key_only() {
        let (dir, other) =
            (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let key = DataKey::find_or_make(dir.path()).expect("made");
        let sealed = key.seal("alice", &Secret::new("hunter2")).expect("sealed");
        assert_ne!(
            sealed,
            key.seal("alice", &Secret::new("hunter2")).expect("sealed"),
            "the same secret never looks the same"
        );
        assert!(!sealed.contains("hunter2"));
        assert_eq!(key.unseal("bob", &sealed), None);
        assert_eq!(DataKey::find_or_make(other.path()).expect("made").unseal("alice", &sealed), None);
        for damaged in ["", "v1:", "v2:AAAA", "v1:AAAA", "v1:%", &sealed[..sealed.len() - 8]] {
            assert_eq!(key.unseal("alice", damaged), None, "{damaged}");
        }
    }

    #[test]
    fn a_damaged_key_is_an_error_and_not_replaced() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join(FILE), "c2hvcnQ=\n").expect("written");
        assert!(
            DataKey::find_or_make(dir.path()).is_err_and(|error| error.to_string().contains("is damaged"))
        );
        assert_eq!(std::fs::read_to_string(dir.path().join(FILE)).expect("there"), "c2hvcnQ=\n");
    }
}
