//! What a browser keeps between the way to the provider and the way back: a state, a nonce and the verifier
//! of PKCE, sealed.
//!
//! Invariant: the verifier reaches nobody but the provider, with the code.

use crate::{data_key::DataKey, model::Timestamp, random};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest;
use serde::{Deserialize, Serialize};
use std::{fmt, io};

/// How long a person may take at the provider, in seconds.
pub const PENDING: u32 = 600;
/// Never the name of an access key: a token of STS does not pass for it.
const SEALED_FOR: &str = "sign-in pending v1";

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pending {
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
    until: Timestamp,
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("until", &self.until).finish_non_exhaustive()
    }
}

impl Pending {
    pub(super) fn new(now: Timestamp) -> io::Result<Self> {
        let random = || Ok::<_, io::Error>(URL_SAFE_NO_PAD.encode(random::bytes::<32>()?));
        let until = Timestamp::from_millis(now.millis() + i64::from(PENDING) * 1000);
        Ok(Self { state: random()?, nonce: random()?, verifier: random()?, until })
    }

    /// The challenge of the verifier, by the method S256 (RFC 7636).
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.verifier.as_bytes()))
    }

    /// Whoever asks has brought both: what is pending, and the state.
    pub(super) fn is_of(&self, state: &str) -> bool {
        self.state == state
    }

    pub(super) fn seal(&self, key: &DataKey) -> io::Result<String> {
        Ok(URL_SAFE_NO_PAD.encode(key.seal_token(SEALED_FOR, &serde_json::to_vec(self)?)?))
    }

    /// `None`: it is none of ours, or it took too long.
    pub(super) fn open(key: &DataKey, sealed: &str, now: Timestamp) -> Option<Self> {
        let content = key.unseal_token(SEALED_FOR, &URL_SAFE_NO_PAD.decode(sealed).ok()?)?;
        let pending: Self = serde_json::from_slice(&content).ok()?;
        (now < pending.until).then_some(pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pending_ends_and_belongs_to_one_state() {
        let dir = tempfile::tempdir().expect("a directory");
        let key = DataKey::find_or_make(dir.path()).expect("a key");
        let now = Timestamp::from_millis(1_000);
        let pending = Pending::new(now).expect("random");
        let sealed = pending.seal(&key).expect("sealed");
        let open = |millis| Pending::open(&key, &sealed, Timestamp::from_millis(millis));
        assert!(open(600_999).is_some_and(|found| found.is_of(&pending.state) && !found.is_of("other")));
        assert!(open(601_000).is_none());
        assert!(!format!("{pending:?}").contains(&pending.verifier));
    }

    /// RFC 7636, appendix B.
    #[test]
    fn a_challenge_is_that_of_the_standard() {
        let pending = Pending {
            state: String::new(),
            nonce: String::new(),
            verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned(),
            until: Timestamp::from_millis(0),
        };
        assert_eq!(pending.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
