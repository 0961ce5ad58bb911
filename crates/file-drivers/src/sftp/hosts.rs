//! Checks a server's host key against `known_hosts` files or fingerprints.
//!
//! This module reads the format that `ssh` writes: hashed names, patterns, `[host]:port`, `@revoked`.
//! Certificates of host authorities are not supported: their lines are skipped.

use base64::{Engine, engine::general_purpose::STANDARD};
use russh::keys::{Algorithm, HashAlg, PublicKey};
use std::path::PathBuf;

/// Which host keys are trusted.
#[derive(Debug, Clone)]
pub enum HostKeys {
    /// Trusts the keys that a `known_hosts` file lists for the host.
    KnownHosts(PathBuf),
    /// Trusts these keys: `SHA256:…` as `ssh-keygen -l` prints it, or whole keys as in `.pub` files.
    Pinned(Vec<String>),
    /// Accepts any server. An attacker on the network can read and change everything that is sent.
    Any,
}

/// The trusted keys of one host. They are read again for each connection.
#[derive(Debug)]
pub(super) enum Trusted {
    Keys {
        known: Vec<Vec<u8>>,
        revoked: Vec<Vec<u8>>,
        whence: String,
        /// The host in the notation of `known_hosts` files.
        name: String,
    },
    Fingerprints(Vec<String>),
    Any,
}

impl HostKeys {
    pub(super) async fn trusted(&self, host: &str, port: u16) -> Result<Trusted, String> {
        match self {
            Self::Any => Ok(Trusted::Any),
            Self::Pinned(pins) => Ok(Trusted::Fingerprints(pins.clone())),
            Self::KnownHosts(path) => {
                let whence = path.display().to_string();
                let text = match tokio::fs::read_to_string(path).await {
                    Ok(text) => text,
                    // The file may be missing until the first host is recorded in it.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
                    Err(error) => return Err(format!("reading {whence}: {error}")),
                };
                let host = host.to_ascii_lowercase();
                let name = if port == 22 { host } else { format!("[{host}]:{port}") };
                let (mut known, mut revoked) = (Vec::new(), Vec::new());
                for line in text.lines().filter_map(Line::parse).filter(|line| is_for(line.hosts, &name)) {
                    match line.marker {
                        None => known.push(line.key),
                        Some("@revoked") => revoked.push(line.key),
                        Some(_) => {}
                    }
                }
                Ok(Trusted::Keys { known, revoked, whence, name })
            }
        }
    }
}

impl Trusted {
    /// Returns the algorithms of the known keys. They are requested first, because a server shows only one of
    /// its keys.
    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        let keys: Vec<PublicKey> = match self {
            Self::Keys { known, .. } => {
                known.iter().filter_map(|key| PublicKey::from_bytes(key).ok()).collect()
            }
            Self::Fingerprints(pins) => {
                pins.iter().filter_map(|pin| PublicKey::from_openssh(pin).ok()).collect()
            }
            Self::Any => Vec::new(),
        };
        keys.iter().map(PublicKey::algorithm).collect()
    }

    /// Checks a host key. The error is the reason why it is not trusted.
    pub(super) fn check(&self, key: &PublicKey) -> Result<(), String> {
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let shown = key.to_bytes().map_err(|error| error.to_string())?;
        match self {
            Self::Any => Ok(()),
            Self::Fingerprints(pins) => {
                let matches = |pin: &String| match PublicKey::from_openssh(pin) {
                    Ok(pinned) => pinned.key_data() == key.key_data(),
                    Err(_) => pin.trim_end_matches('=') == fingerprint,
                };
                if pins.iter().any(matches) {
                    Ok(())
                } else {
                    Err(format!("its key {fingerprint} ({}) is none of those in 'host_key'", key.algorithm()))
                }
            }
            Self::Keys { revoked, .. } if revoked.contains(&shown) => {
                Err(format!("its key {fingerprint} was revoked"))
            }
            Self::Keys { known, .. } if known.contains(&shown) => Ok(()),
            Self::Keys { known, whence, name, .. } if known.is_empty() => Err(format!(
                "the host is unknown: no key in {whence} is for {name}. It shows the {} key {fingerprint}. If that is its key, write \
                 host_key = '{fingerprint}' into the configuration of the backend, or add this line to {whence}: {name} {}",
                key.algorithm(),
                key.to_openssh().map_err(|error| error.to_string())?
            )),
            Self::Keys { whence, .. } => Err(format!(
                "its key {fingerprint} ({}) is not the one in {whence}: somebody may be in between",
                key.algorithm()
            )),
        }
    }
}

struct Line<'l> {
    marker: Option<&'l str>,
    hosts: &'l str,
    key: Vec<u8>,
}

impl<'l> Line<'l> {
    fn parse(line: &'l str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace().peekable();
        if words.peek()?.starts_with('#') {
            return None;
        }
        let marker = words.next_if(|word| word.starts_with('@'));
        let hosts = words.next()?;
        let _algorithm = words.next()?;
        let key = STANDARD.decode(words.next()?).ok()?;
        Some(Self { marker, hosts, key })
    }
}

/// Returns whether a list of patterns matches a name.
fn is_for(hosts: &str, name: &str) -> bool {
    let mut is_for = false;
    for pattern in hosts.split(',') {
        match pattern.strip_prefix('!') {
            Some(refused) if matches(refused, name) => return false,
            Some(_) => {}
            None => is_for |= matches(pattern, name),
        }
    }
    is_for
}

fn matches(pattern: &str, name: &str) -> bool {
    if let Some((salt, hash)) = pattern.strip_prefix("|1|").and_then(|rest| rest.split_once('|')) {
        let (Ok(salt), Ok(hash)) = (STANDARD.decode(salt), STANDARD.decode(hash)) else { return false };
        let salt = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
        return ring::hmac::verify(&salt, name.as_bytes(), &hash).is_ok();
    }
    let pattern = pattern.to_ascii_lowercase();
    globs(pattern.as_bytes(), name.as_bytes())
}

/// Matches a pattern: `*` is any text, `?` is one character, and brackets have no special meaning.
fn globs(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut from, mut star) = (0, 0, None);
    while from < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(c) if *c == b'?' || *c == name[from] => (at, from) = (at + 1, from + 1),
            _ => match &mut star {
                Some((back, taken)) => {
                    *taken += 1;
                    (at, from) = (*back + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";

    async fn check(file: &str, host: &str, port: u16) -> Result<(), String> {
        let path = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(path.path(), file).expect("a file");
        let trusted =
            HostKeys::KnownHosts(path.path().to_owned()).trusted(host, port).await.expect("readable");
        trusted.check(&PublicKey::from_openssh(KEY).expect("a key"))
    }

    #[tokio::test]
    async fn a_host_is_known_by_name_port_pattern_or_hash() {
        let salt = [7u8; 20];
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
        let hash = STANDARD.encode(ring::hmac::sign(&key, b"[files.example.com]:2222"));
        let hashed = format!("|1|{}|{hash} {KEY}", STANDARD.encode(salt));
        for file in [
            format!("# words\n\nother {OTHER}\n[files.example.com]:2222 {KEY}"),
            format!("192.0.2.1,[*.example.com]:2222\t{KEY} a comment"),
            format!("[*.Example.com]:2??? {OTHER}\n[files.example.com]:2222 {KEY}"),
            hashed,
        ] {
            assert_eq!(check(&file, "Files.example.com", 2222).await, Ok(()), "{file}");
            assert!(
                check(&file, "files.example.com", 22)
                    .await
                    .is_err_and(|why| why.contains("the host is unknown")),
                "{file}"
            );
        }
    }

    #[tokio::test]
    async fn changed_revoked_and_excepted_keys_are_refused() {
        let changed = check(&format!("h {OTHER}"), "h", 22).await;
        assert!(changed.is_err_and(|why| why.contains("in between")));
        let revoked = check(&format!("h {KEY}\n@revoked * {KEY}"), "h", 22).await;
        assert!(revoked.is_err_and(|why| why.contains("revoked")));
        assert!(check(&format!("*,!h {KEY}"), "h", 22).await.is_err());
        assert!(check(&format!("@cert-authority * {KEY}"), "h", 22).await.is_err());
    }

    #[tokio::test]
    async fn a_pin_is_a_fingerprint_or_a_key() {
        let key = PublicKey::from_openssh(KEY).expect("a key");
        for pin in [key.fingerprint(HashAlg::Sha256).to_string(), KEY.to_owned(), format!("{KEY} a comment")]
        {
            let pins = vec![OTHER.to_owned(), pin];
            assert_eq!(HostKeys::Pinned(pins).trusted("h", 22).await.expect("pins").check(&key), Ok(()));
        }
        let other = HostKeys::Pinned(vec![OTHER.to_owned()]).trusted("h", 22).await.expect("pins");
        assert!(other.check(&key).is_err_and(|why| why.contains("SHA256:")));
    }
}
