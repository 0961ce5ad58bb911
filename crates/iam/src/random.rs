//! New ids, access keys and secrets.

use crate::model::Secret;
use std::io;

/// The letters of ids and access keys: 32, so that the low bits of a byte choose without bias.
const UPPER: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const ALL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What a unique id is of: its first four letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdOf {
    User,
    Group,
    Role,
    Policy,
    AccessKey,
    TemporaryAccessKey,
}

/// The first letters of access keys of temporary credentials.
pub(crate) const TEMPORARY: &str = "ASIA";

impl IdOf {
    fn prefix(self) -> &'static str {
        match self {
            Self::User => "AIDA",
            Self::Group => "AGPA",
            Self::Role => "AROA",
            Self::Policy => "ANPA",
            Self::AccessKey => "AKIA",
            Self::TemporaryAccessKey => TEMPORARY,
        }
    }

    /// Returns a new id: four letters of the kind, and 80 random bits.
    pub(crate) fn fresh(self) -> io::Result<String> {
        Ok(format!("{}{}", self.prefix(), text::<16>(UPPER)?))
    }
}

/// A new secret key: 240 random bits.
pub(crate) fn secret_key() -> io::Result<Secret> {
    Ok(Secret::new(text::<40>(ALL)?))
}

/// A new access key of a user, with its secret.
pub(crate) fn access_key_pair() -> io::Result<(String, Secret)> {
    Ok((IdOf::AccessKey.fresh()?, secret_key()?))
}

pub(crate) fn bytes<const LENGTH: usize>() -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes)
        .map_err(|error| io::Error::other(format!("there is no randomness: {error}")))?;
    Ok(bytes)
}

fn text<const LENGTH: usize>(alphabet: &[u8]) -> io::Result<String> {
    let chosen = |byte: u8| char::from(alphabet[usize::from(byte) % alphabet.len()]);
    Ok(bytes::<LENGTH>()?.into_iter().map(chosen).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_what_they_are_of_and_differ() {
        for (of, prefix) in [(IdOf::User, "AIDA"), (IdOf::Role, "AROA"), (IdOf::TemporaryAccessKey, "ASIA")] {
            let (one, other) = (of.fresh().expect("random"), of.fresh().expect("random"));
            assert!(one.starts_with(prefix) && one.len() == 20 && one != other, "{one} {other}");
        }
        let (key, secret) = access_key_pair().expect("random");
        assert!(key.starts_with("AKIA"));
        assert_eq!(secret.expose().len(), 40);
    }
}
