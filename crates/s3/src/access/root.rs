//! The administrator of a server without configured identities: generated once, kept in a file that only its
//! user can read.

use crate::model::{AccessKey, Secret};
use rustix::fs::{Mode, OFlags};
use std::{
    io::{self, Read, Write},
    path::Path,
};

/// In the directory of Causeway's own files.
const FILE: &str = "root-credentials";

#[derive(Debug, Clone)]
pub struct RootCredentials {
    pub access_key: AccessKey,
    pub secret_key: Secret,
}

/// The credentials in `dir`, generated if there are none. The directory is held by one server at a time.
pub fn generated_root(dir: &Path) -> io::Result<RootCredentials> {
    let path = dir.join(FILE);
    match std::fs::File::open(&path) {
        Ok(mut file) => {
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            parse(&text).ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{} is damaged; remove it", path.display()),
                )
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let root = generated_keys()?;
            write(&path, &root)?;
            Ok(root)
        }
        Err(error) => Err(error),
    }
}

fn parse(text: &str) -> Option<RootCredentials> {
    let value = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .filter(|value| !value.is_empty())
    };
    Some(RootCredentials {
        access_key: AccessKey(value("access_key")?.into()),
        secret_key: Secret::new(value("secret_key")?),
    })
}

/// The file appears as a whole or not at all, and is never readable by others, not even for a moment.
fn write(path: &Path, root: &RootCredentials) -> io::Result<()> {
    let new = path.with_extension("new");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let fd = rustix::fs::open(&new, flags, Mode::RUSR | Mode::WUSR)?;
    let mut file = std::fs::File::from(fd);
    writeln!(file, "access_key={}\nsecret_key={}", root.access_key, root.secret_key.expose())?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}

/// A new access key and secret key.
pub(super) fn generated_keys() -> io::Result<RootCredentials> {
    Ok(RootCredentials {
        access_key: AccessKey(random::<20>(UPPER)?.into()),
        secret_key: Secret::new(random::<40>(ALL)?),
    })
}

/// 32 and 64 characters: the low bits of a byte choose among them without bias.
const UPPER: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const ALL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn random<const LENGTH: usize>(alphabet: &[u8]) -> io::Result<String> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes.iter().map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn generated_credentials_are_kept_and_readable_by_their_user_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = generated_root(dir.path()).expect("generated");
        let again = generated_root(dir.path()).expect("read");
        assert_eq!((first.access_key.as_str().len(), first.secret_key.expose().len()), (20, 40));
        assert_eq!((&first.access_key, &first.secret_key), (&again.access_key, &again.secret_key));
        let mode = std::fs::metadata(dir.path().join(FILE)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_ne!(first.secret_key, generated_keys().expect("others").secret_key);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_not_new_credentials() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join(FILE), "access_key=a\n").expect("written");
        assert!(generated_root(dir.path()).is_err_and(|error| error.to_string().contains("damaged")));
    }
}
