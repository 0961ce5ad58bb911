//! The key that seals secrets in the catalog and tokens of temporary credentials: generated when it is first
//! needed, kept in a file that only its user can read.
//!
//! Owns the file and the two sealed forms, both AES-256-GCM with associated data, so that what is sealed is
//! of no use elsewhere:
//! - a secret: `v1:` and base64 of nonce, ciphertext and tag; its associated data is its access key;
//! - a token: the same bytes, with a key that is derived from the key of secrets, so that neither passes for
//!   the other.
//!
//! The catalog without the key (an export, or a backup of its file) reveals no secret; the data directory as
//! a whole does.
//!
//! Invariants: no message repeats a secret or a key; a key is never replaced.

use crate::{model::Secret, random};
use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
};
use std::{
    fmt,
    fs::File,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// In the directory of Causeway's own files.
const FILE: &str = "identities.key";
const VERSION: &str = "v1:";
const KEY_LEN: usize = 32;
/// Never change these words: tokens that were given out are sealed by the result.
const OF_SESSIONS: &[u8] = b"causeway session tokens v1";

/// Two that need a key at once must not make two.
static MAKING: Mutex<()> = Mutex::new(());

pub struct DataKey {
    secrets: LessSafeKey,
    sessions: LessSafeKey,
    path: PathBuf,
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").field("path", &self.path).finish_non_exhaustive()
    }
}

impl DataKey {
    /// The key in `dir`. `None` means that there is none.
    pub fn find(dir: &Path) -> io::Result<Option<Self>> {
        let path = dir.join(FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, path).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io::Error::new(error.kind(), format!("reading {}: {error}", path.display()))),
        }
    }

    /// The key in `dir`, generated if there is none. The directory is held by one server at a time.
    pub fn find_or_make(dir: &Path) -> io::Result<Self> {
        let _one_at_a_time = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = Self::find(dir)? {
            return Ok(key);
        }
        let (path, text) = (dir.join(FILE), STANDARD.encode(random::bytes::<KEY_LEN>()?) + "\n");
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
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &bytes), OF_SESSIONS);
        let key = |bytes: &[u8]| {
            UnboundKey::new(&AES_256_GCM, bytes).map(LessSafeKey::new).map_err(|_| {
                let words = "is damaged: restore it from a backup, or remove it and add the identities again";
                io::Error::new(io::ErrorKind::InvalidData, format!("{} {words}", path.display()))
            })
        };
        Ok(Self { secrets: key(&bytes)?, sessions: key(derived.as_ref())?, path })
    }

    /// Seals a secret for an access key.
    pub fn seal(&self, of: &str, secret: &Secret) -> io::Result<String> {
        let sealed = seal(&self.secrets, of, secret.expose().as_bytes())?;
        Ok(format!("{VERSION}{}", STANDARD.encode(sealed)))
    }

    /// `None` means that the secret was sealed with another key, belongs to another identity, or is damaged.
    pub fn unseal(&self, of: &str, sealed: &str) -> Option<Secret> {
        let bytes = STANDARD.decode(sealed.strip_prefix(VERSION)?).ok()?;
        Some(Secret::new(String::from_utf8(unseal(&self.secrets, of, &bytes)?).ok()?))
    }

    /// Seals what a token holds, for the access key that it comes with.
    pub(crate) fn seal_token(&self, access_key: &str, content: &[u8]) -> io::Result<Vec<u8>> {
        seal(&self.sessions, access_key, content)
    }

    pub(crate) fn unseal_token(&self, access_key: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        unseal(&self.sessions, access_key, sealed)
    }
}

fn seal(key: &LessSafeKey, of: &str, content: &[u8]) -> io::Result<Vec<u8>> {
    let nonce = random::bytes::<NONCE_LEN>()?;
    let mut sealed = content.to_vec();
    let done = key.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(of.as_bytes()),
        &mut sealed,
    );
    done.map_err(|_| io::Error::other("sealing a secret failed"))?;
    Ok([nonce.as_slice(), &sealed].concat())
}

fn unseal(key: &LessSafeKey, of: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, rest) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut rest = rest.to_vec();
    let length = key.open_in_place(nonce, Aad::from(of.as_bytes()), &mut rest).ok()?.len();
    rest.truncate(length);
    Some(rest)
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

    #[test]
    fn a_secret_is_no_token_and_a_token_no_secret() {
        let dir = tempfile::tempdir().expect("a directory");
        let key = DataKey::find_or_make(dir.path()).expect("made");
        let token = key.seal_token("alice", b"content").expect("sealed");
        assert_eq!(key.unseal_token("alice", &token).as_deref(), Some(&b"content"[..]));
        assert_eq!(key.unseal_token("bob", &token), None);
        assert_eq!(key.unseal("alice", &format!("{VERSION}{}", STANDARD.encode(&token))), None);
        let secret = key.seal("alice", &Secret::new("hunter2")).expect("sealed");
        let bytes = STANDARD.decode(&secret[VERSION.len()..]).expect("base64");
        assert_eq!(key.unseal_token("alice", &bytes), None);
    }
}
