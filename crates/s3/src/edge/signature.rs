//! The keys of signatures: derived once per identity, day and region, and compared in constant time. Of SigV4A,
//! which has no region, the public key is made by `public_key`.

use super::{
    claim::{Algorithm, Credential},
    public_key::{PublicKey, PublicKeys},
};
use crate::model::Secret;
use ring::hmac;
use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Arc, PoisonError, RwLock},
};

/// More than the identities, regions and days that are busy at one time. A clash costs four HMACs, nothing
/// else.
const SLOTS: usize = 256;

/// A key that verifies signatures of one identity, day and region.
pub(super) struct SigningKey {
    access_key: Box<str>,
    scope: Box<str>,
    service: Box<str>,
    /// Shows whether the identity has another secret by now. It is never compared with anything that a client
    /// sent.
    secret: Secret,
    verifier: Verifier,
}

enum Verifier {
    Hmac(hmac::Key),
    Ecdsa(Arc<PublicKey>),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("access_key", &self.access_key)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    fn derive(credential: &Credential<'_>, secret: &Secret, public: &PublicKeys) -> Option<Self> {
        let verifier = match credential.algorithm {
            Algorithm::Hmac => Verifier::Hmac(Self::symmetric(credential, secret)),
            Algorithm::Ecdsa => Verifier::Ecdsa(public.of(credential.access_key, secret)?),
        };
        Some(Self {
            access_key: credential.access_key.into(),
            scope: credential.scope.into(),
            service: credential.service.into(),
            secret: secret.clone(),
            verifier,
        })
    }

    fn symmetric(credential: &Credential<'_>, secret: &Secret) -> hmac::Key {
        let sign =
            |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
        let date = sign(["AWS4", secret.expose()].concat().as_bytes(), credential.date);
        let region = sign(date.as_ref(), credential.region);
        let service = sign(region.as_ref(), credential.service);
        hmac::Key::new(hmac::HMAC_SHA256, sign(service.as_ref(), "aws4_request").as_ref())
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match self.verifier {
            Verifier::Hmac(_) => Algorithm::Hmac,
            Verifier::Ecdsa(_) => Algorithm::Ecdsa,
        }
    }

    pub(super) fn scope(&self) -> &str {
        &self.scope
    }

    pub(super) fn service(&self) -> &str {
        &self.service
    }

    /// In constant time.
    pub(super) fn verifies(&self, text: &[u8], signature: &str) -> bool {
        match &self.verifier {
            Verifier::Hmac(key) => {
                parse_signature(signature).is_some_and(|tag| hmac::verify(key, text, &tag).is_ok())
            }
            Verifier::Ecdsa(key) => key.verifies(text, signature),
        }
    }
}

/// Exactly 64 lower-case hexadecimal digits: a signature has one spelling.
fn parse_signature(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    (lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

/// The recently used keys. Only keys that have verified a signature enter, so strangers cannot evict them.
pub(super) struct SigningKeys {
    slots: Box<[RwLock<Option<Arc<SigningKey>>>]>,
    hasher: RandomState,
    public: PublicKeys,
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKeys")
    }
}

impl SigningKeys {
    pub(super) fn new() -> Self {
        let slots = (0..SLOTS).map(|_| RwLock::default()).collect();
        Self { slots, hasher: RandomState::new(), public: PublicKeys::new() }
    }

    /// The key, if the signature is its own.
    pub(super) fn verify(
        &self,
        credential: &Credential<'_>,
        secret: &Secret,
        text: &[u8],
        signature: &str,
    ) -> Option<Arc<SigningKey>> {
        // An access key may have two secrets for some time: each has its own slot.
        let slot = (credential.access_key, credential.scope, secret.expose());
        let slot = self.hasher.hash_one(slot) as usize % SLOTS;
        let slot = self.slots.get(slot)?;
        let fits = |key: &&Arc<SigningKey>| {
            *key.access_key == *credential.access_key
                && *key.scope == *credential.scope
                && key.secret == *secret
        };
        let known = slot.read().unwrap_or_else(PoisonError::into_inner).as_ref().filter(fits).cloned();
        match known {
            Some(key) => key.verifies(text, signature).then_some(key),
            None => {
                let key = Arc::new(SigningKey::derive(credential, secret, &self.public)?);
                if !key.verifies(text, signature) {
                    return None;
                }
                *slot.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&key));
                Some(key)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::claim::S3, *};

    // S3 API reference, "Signature calculations: transfer payload in a single chunk", example "GET Object".
    const CREDENTIAL: &str = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const TEXT: &[u8] = b"AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n\
                          7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972";
    const SIGNATURE: &str = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";

    #[test]
    fn the_documented_signature_holds_and_any_other_does_not() {
        let keys = SigningKeys::new();
        let credential = Credential::parse(CREDENTIAL, S3, Algorithm::Hmac).expect("parses");
        let holds = |text: &[u8], signature: &str| {
            keys.verify(&credential, &Secret::new(SECRET), text, signature).is_some()
        };
        // Twice: derived, then from the cache.
        assert!(holds(TEXT, SIGNATURE));
        assert!(holds(TEXT, SIGNATURE));
        assert!(!holds(b"other", SIGNATURE));
        for signature in [
            "",
            "00",
            &SIGNATURE.to_uppercase(),
            &SIGNATURE[1..],
            &SIGNATURE.replace("f0", "f1"),
            &format!("{SIGNATURE}00"),
        ] {
            assert!(!holds(TEXT, signature), "{signature}");
        }
    }

    #[test]
    fn a_secret_that_was_replaced_opens_nothing() {
        let keys = SigningKeys::new();
        let credential = Credential::parse(CREDENTIAL, S3, Algorithm::Hmac).expect("parses");
        assert!(keys.verify(&credential, &Secret::new(SECRET), TEXT, SIGNATURE).is_some());
        assert!(keys.verify(&credential, &Secret::new("other"), TEXT, SIGNATURE).is_none());
    }

    #[test]
    fn wrong_signatures_leave_no_key_behind() {
        let keys = SigningKeys::new();
        let credential = Credential::parse(CREDENTIAL, S3, Algorithm::Hmac).expect("parses");
        assert!(keys.verify(&credential, &Secret::new(SECRET), TEXT, &"0".repeat(64)).is_none());
        assert!(keys.slots.iter().all(|slot| slot.read().expect("not poisoned").is_none()));
    }

    #[test]
    fn debug_shows_no_secret() {
        let keys = SigningKeys::new();
        let credential = Credential::parse(CREDENTIAL, S3, Algorithm::Hmac).expect("parses");
        let key = keys.verify(&credential, &Secret::new(SECRET), TEXT, SIGNATURE);
        assert!(!format!("{keys:?} {key:?}").contains(SECRET));
    }
}
