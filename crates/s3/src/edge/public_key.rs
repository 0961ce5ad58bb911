//! The public keys of SigV4A: derived from an access key and its secret, and kept.
//!
//! Owns the derivation (NIST SP 800-108 in counter mode with HMAC-SHA256, as AWS's signers do it) and the
//! verification of one signature. Does not own what is signed.
//!
//! Invariants: a key is kept only for an access key that exists, and their number is bounded; neither the
//! secret nor the private key is in a `Debug` form, and the private key is not kept at all.

use super::claim::ASYMMETRIC;
use crate::model::Secret;
use p256::{SecretKey, elliptic_curve::sec1::ToSec1Point};
use ring::{
    hmac,
    signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey},
};
use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Arc, PoisonError, RwLock},
};

/// More than the access keys that sign with SigV4A at one time. A clash costs a derivation.
const SLOTS: usize = 256;
/// An uncompressed point of the curve.
const POINT: usize = 65;
/// The longest DER form of a signature of P-256.
const LONGEST: usize = 72;
/// The order of the curve, less two. A candidate up to this becomes a private key when one is added.
const ORDER_LESS_2: [u8; 32] = [
    0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC,
    0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x4F,
];

/// The public key of one access key.
pub(super) struct PublicKey {
    access_key: Box<str>,
    /// Shows whether the access key has another secret by now.
    secret: Secret,
    point: UnparsedPublicKey<[u8; POINT]>,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

impl PublicKey {
    /// `None` has a probability of zero for any purpose.
    fn derive(access_key: &str, secret: &Secret) -> Option<Self> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, ["AWS4A", secret.expose()].concat().as_bytes());
        let private = (1..=254u8).find_map(|counter| {
            let mut context = hmac::Context::with_key(&key);
            context.update(&1u32.to_be_bytes());
            context.update(ASYMMETRIC.as_bytes());
            context.update(&[0]);
            context.update(access_key.as_bytes());
            context.update(&[counter]);
            context.update(&256u32.to_be_bytes());
            private_key(context.sign().as_ref().try_into().ok()?)
        })?;
        let public = SecretKey::from_slice(&private).ok()?.public_key().to_sec1_point(false);
        let point: [u8; POINT] = public.as_bytes().try_into().ok()?;
        Some(Self {
            access_key: access_key.into(),
            secret: secret.clone(),
            point: UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point),
        })
    }

    /// `signature` is in hexadecimal, in lower case.
    pub(super) fn verifies(&self, text: &[u8], signature: &str) -> bool {
        let mut bytes = [0; LONGEST];
        let lower = !signature.bytes().any(|byte| byte.is_ascii_uppercase());
        let Some(bytes) = bytes.get_mut(..signature.len() / 2) else { return false };
        lower && hex::decode_to_slice(signature, bytes).is_ok() && self.point.verify(text, bytes).is_ok()
    }
}

/// A candidate that is too large is no key. Only candidates that begin with 32 set bits take another time to
/// compare, so that the time tells nothing.
fn private_key(mut candidate: [u8; 32]) -> Option<[u8; 32]> {
    if candidate > ORDER_LESS_2 {
        return None;
    }
    for byte in candidate.iter_mut().rev() {
        let (sum, is_carried) = byte.overflowing_add(1);
        *byte = sum;
        if !is_carried {
            break;
        }
    }
    Some(candidate)
}

/// The recently used public keys. A derivation costs as much as a verification: with the keys kept, a wrong
/// signature costs no more than a right one.
pub(super) struct PublicKeys {
    slots: Box<[RwLock<Option<Arc<PublicKey>>>]>,
    hasher: RandomState,
}

impl fmt::Debug for PublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKeys")
    }
}

impl PublicKeys {
    pub(super) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| RwLock::default()).collect(), hasher: RandomState::new() }
    }

    /// The public key of an access key that exists and has this secret.
    pub(super) fn of(&self, access_key: &str, secret: &Secret) -> Option<Arc<PublicKey>> {
        let slot = self.slots.get(self.hasher.hash_one((access_key, secret.expose())) as usize % SLOTS)?;
        let fits = |key: &&Arc<PublicKey>| *key.access_key == *access_key && key.secret == *secret;
        let known = slot.read().unwrap_or_else(PoisonError::into_inner).as_ref().filter(fits).cloned();
        if known.is_some() {
            return known;
        }
        let derived = Arc::new(PublicKey::derive(access_key, secret)?);
        *slot.write().unwrap_or_else(PoisonError::into_inner) = Some(derived.clone());
        Some(derived)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The test suite of AWS's signers (`aws-signing-test-suite/v4a/get-vanilla`).
    const ACCESS_KEY: &str = "AKIDEXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const X: &str = "b6618f6a65740a99e650b33b6b4b5bd0d43b176d721a3edfea7e7d2d56d936b1";
    const Y: &str = "865ed22a7eadc9c5cb9d2cbaca1b3699139fedc5043dc6661864218330c8e518";
    const TEXT: &[u8] = b"AWS4-ECDSA-P256-SHA256\n20150830T123600Z\n20150830/service/aws4_request\n\
                          cf59db423e841c8b7e3444158185aa261b724a5c27cbe762676f3eed19f4dc02";
    const SIGNATURE: &str = "3045022018b4e277d0281864beb51d3600e23f88510ea5031d68ddfbb68614b82a5eb7d2022100effb9c5f22ed9ef3ae0ab243d21f06bce82365bbb79529a07b6888c343ae5f8c";

    #[test]
    fn the_published_key_is_derived_and_the_published_signature_holds() {
        let keys = PublicKeys::new();
        let key = keys.of(ACCESS_KEY, &Secret::new(SECRET)).expect("derived");
        assert_eq!(hex::encode(key.point.as_ref()), format!("04{X}{Y}"));
        assert!(key.verifies(TEXT, SIGNATURE));
        assert!(!key.verifies(b"other", SIGNATURE));
        for signature in [
            "",
            "30",
            &SIGNATURE.to_uppercase(),
            &SIGNATURE[1..],
            &SIGNATURE[2..],
            &SIGNATURE.replace("3045", "3046"),
            &format!("{SIGNATURE}00"),
            &format!("{SIGNATURE}**"),
            &"0".repeat(400),
        ] {
            assert!(!key.verifies(TEXT, signature), "{signature}");
        }
    }

    #[test]
    fn a_key_is_derived_once_until_its_secret_is_replaced() {
        let keys = PublicKeys::new();
        let of = |secret: &str| keys.of(ACCESS_KEY, &Secret::new(secret)).expect("derived");
        let first = of(SECRET);
        assert!(Arc::ptr_eq(&first, &of(SECRET)));
        let other = of("other");
        assert!(!Arc::ptr_eq(&first, &other) && !other.verifies(TEXT, SIGNATURE));
        assert!(!format!("{first:?} {keys:?}").contains(SECRET));
    }

    #[test]
    fn a_candidate_beyond_the_order_of_the_curve_is_no_key() {
        let mut largest = ORDER_LESS_2;
        let made = private_key(largest).expect("a key");
        assert_eq!(made[31], 0x50, "the order less one is the largest private key");
        assert!(SecretKey::from_slice(&made).is_ok());
        largest[31] += 1;
        assert_eq!(private_key(largest), None);
        let mut carried = [0; 32];
        carried[31] = 0xFF;
        assert_eq!(private_key(carried).expect("a key")[30..], [1, 0]);
    }
}
