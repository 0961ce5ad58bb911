//! Sealed secrets: encrypted in the configuration, with a key that is stored elsewhere.
//!
//! The format is `v1:` and the base64 of nonce, ciphertext and tag: AES-256-GCM with a random nonce each
//! time. The associated data is the path of the key that holds the secret (`backend.lake.secret_key`), so
//! that a sealed value is useless at another key.
//!
//! Owns the format and the sources of the seal key. Invariant: no message repeats a secret or a key.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
};

/// The variable with the seal key itself, in base64.
const KEY: &str = "CAUSEWAY_SEAL_KEY";
/// The variable that names a file with the seal key.
const KEY_FILE: &str = "CAUSEWAY_SEAL_KEY_FILE";

const VERSION: &str = "v1:";
const KEY_LEN: usize = 32;

/// Where a seal key can come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) environment: &'a BTreeMap<String, String>,
    /// The configuration file: the seal key is in a file beside it, unless the environment says otherwise.
    pub(super) file: Option<&'a Path>,
    /// A key that is not on disk yet.
    pub(super) new: Option<&'a SealKey>,
}

pub(super) struct SealKey {
    key: LessSafeKey,
    /// The name of the key in messages.
    pub(super) origin: String,
    /// Set for a new key: the file that it has to be written to, and the text.
    pub(super) unsaved: Option<(PathBuf, String)>,
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealKey").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Returns the path of the key file beside a configuration.
fn beside(configuration: &Path) -> PathBuf {
    let mut name = configuration.as_os_str().to_owned();
    name.push(".seal-key");
    name.into()
}

impl Sources<'_> {
    /// Returns the existing key, or a message that there is none.
    pub(super) fn find(&self) -> Result<SealKey, String> {
        match self.look()? {
            Ok(key) => Ok(key),
            Err(Some(missing)) => Err(format!(
                "is sealed, but there is no key: {} does not exist, and {KEY} is not set",
                missing.display()
            )),
            Err(None) => Err(format!("is sealed, but there is no key: {KEY} and {KEY_FILE} are not set")),
        }
    }

    /// Returns the existing key, or a new one.
    pub(super) fn find_or_make(&self) -> Result<SealKey, String> {
        match self.look()? {
            Ok(key) => Ok(key),
            Err(Some(missing)) => SealKey::make(missing),
            Err(None) => Err(format!("there is no key to seal with: {KEY} and {KEY_FILE} are not set")),
        }
    }

    /// The outer error means that a source of the key is wrong. The inner error means that there is no key;
    /// its file could hold a new one.
    fn look(&self) -> Result<Result<SealKey, Option<PathBuf>>, String> {
        if let Some(new) = self.new {
            return Ok(Ok(SealKey { key: new.key.clone(), origin: new.origin.clone(), unsaved: None }));
        }
        let set = |name: &str| self.environment.get(name).filter(|value| !value.is_empty());
        if let Some(text) = set(KEY) {
            return SealKey::parse(text, format!("the variable {KEY}")).map(Ok);
        }
        let (path, must_exist) = match (set(KEY_FILE), self.file) {
            (Some(path), _) => (PathBuf::from(path), true),
            (None, Some(configuration)) => (beside(configuration), false),
            (None, None) => return Ok(Err(None)),
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => SealKey::parse(&text, path.display().to_string()).map(Ok),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => Ok(Err(Some(path))),
            Err(error) => Err(format!("needs the seal key in {}: {error}", path.display())),
        }
    }
}

impl SealKey {
    fn parse(text: &str, origin: String) -> Result<Self, String> {
        let wrong = || format!("needs the seal key in {origin}, which is not {KEY_LEN} bytes in base64");
        let bytes =
            STANDARD.decode(text.trim()).ok().filter(|bytes| bytes.len() == KEY_LEN).ok_or_else(wrong)?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| wrong())?;
        Ok(Self { key: LessSafeKey::new(key), origin, unsaved: None })
    }

    fn make(path: PathBuf) -> Result<Self, String> {
        let text = STANDARD.encode(random::<KEY_LEN>()?);
        Ok(Self {
            unsaved: Some((path.clone(), text.clone() + "\n")),
            ..Self::parse(&text, path.display().to_string())?
        })
    }

    /// Writes a new key to its file, readable by its user only. It never overwrites another key.
    pub(super) fn save(&mut self) -> io::Result<()> {
        use std::{io::Write, os::unix::fs::OpenOptionsExt};
        let Some((path, text)) = &self.unsaved else { return Ok(()) };
        let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        self.unsaved = None;
        Ok(())
    }

    pub(super) fn seal(&self, path: &str, secret: &str) -> Result<String, String> {
        let nonce = random::<NONCE_LEN>()?;
        let mut sealed = secret.as_bytes().to_vec();
        let done = self.key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(path.as_bytes()),
            &mut sealed,
        );
        done.map_err(|_| "sealing failed".to_owned())?;
        Ok(format!("{VERSION}{}", STANDARD.encode([nonce.as_slice(), &sealed].concat())))
    }

    pub(super) fn unseal(&self, path: &str, sealed: &str) -> Result<String, String> {
        let encoded =
            sealed.strip_prefix(VERSION).ok_or("is sealed in a format that this version does not know")?;
        let bytes = STANDARD
            .decode(encoded)
            .ok()
            .filter(|bytes| bytes.len() > NONCE_LEN)
            .ok_or("is sealed, but damaged")?;
        let (nonce, rest) = bytes.split_at(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| "is sealed, but damaged")?;
        let mut rest = rest.to_vec();
        let opened = self.key.open_in_place(nonce, Aad::from(path.as_bytes()), &mut rest);
        let opened = opened.map_err(|_| {
            format!("cannot be unsealed with the key in {}: it was sealed with another key, or for another place than {path}", self.origin)
        })?;
        String::from_utf8(opened.to_vec()).map_err(|_| "is sealed, but no text".to_owned())
    }
}

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], String> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| format!("there is no randomness: {error}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SealKey {
        SealKey::make("seal-key".into()).expect("a key")
    }

    #[test]
    fn a_sealed_secret_opens_with_its_key_in_its_place_only() {
        let key = key();
        let sealed = key.seal("backend.a.secret_key", "hunter2").expect("sealed");
        assert_eq!(key.unseal("backend.a.secret_key", &sealed).as_deref(), Ok("hunter2"));
        for wrong in
            [key.unseal("backend.b.secret_key", &sealed), self::key().unseal("backend.a.secret_key", &sealed)]
        {
            let words = wrong.expect_err("refused");
            assert!(words.contains("the key in seal-key") && !words.contains("hunter2"), "{words}");
        }
    }

    #[test]
    fn the_same_secret_never_looks_the_same() {
        let key = key();
        assert_ne!(key.seal("p", "hunter2"), key.seal("p", "hunter2"));
    }

    #[test]
    fn damaged_values_are_refused() {
        let key = key();
        let sealed = key.seal("p", "hunter2").expect("sealed");
        let mut flipped = STANDARD.decode(&sealed[3..]).expect("base64");
        *flipped.last_mut().expect("bytes") ^= 1;
        for wrong in [
            "",
            "v1:",
            "v2:AAAA",
            "v1:AAAA",
            "v1:%",
            &sealed[..9],
            &format!("v1:{}", STANDARD.encode(flipped)),
        ] {
            assert!(key.unseal("p", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_environment_comes_before_the_file_beside_the_configuration() {
        let dir = tempfile::tempdir().expect("a directory");
        let configuration = dir.path().join("c.toml");
        let find = |environment: &[(&str, &str)]| {
            let environment =
                environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Sources { environment: &environment, file: Some(&configuration), new: None }
                .find()
                .map(|key| key.origin)
        };
        assert!(find(&[]).expect_err("none").contains("c.toml.seal-key does not exist"));
        let text = STANDARD.encode([7; KEY_LEN]);
        std::fs::write(beside(&configuration), format!("{text}\n")).expect("written");
        std::fs::write(dir.path().join("other"), &text).expect("written");
        let other = dir.path().join("other").display().to_string();
        assert_eq!(find(&[]), Ok(beside(&configuration).display().to_string()));
        assert_eq!(find(&[(KEY_FILE, &other)]), Ok(other.clone()));
        assert_eq!(find(&[(KEY_FILE, &other), (KEY, &text)]), Ok(format!("the variable {KEY}")));
        assert!(find(&[(KEY, "c2hvcnQ=")]).expect_err("too short").contains("not 32 bytes"));
        assert!(find(&[(KEY_FILE, "/missing/key")]).is_err());
    }

    #[test]
    fn a_new_key_is_private_and_never_replaces_one() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("key");
        let mut first = SealKey::make(path.clone()).expect("a key");
        let mut second = SealKey::make(path.clone()).expect("a key");
        first.save().expect("saved");
        assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        assert!(second.save().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists));
        let text = std::fs::read_to_string(&path).expect("a key");
        let again = SealKey::parse(&text, "again".into()).expect("a key");
        assert_eq!(again.unseal("p", &first.seal("p", "s").expect("sealed")).as_deref(), Ok("s"));
    }
}
