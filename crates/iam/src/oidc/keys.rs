//! The keys of a provider (RFC 7517), and whether one of them has signed a token.
//!
//! Invariant: a key verifies by its own algorithm only, whatever the token says.

use super::token::{Algorithm, Token};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

/// Maximum number of keys of a provider.
const MOST: usize = 100;

#[derive(Debug, Deserialize)]
struct Document {
    keys: Vec<Jwk>,
}

#[derive(Debug, Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
}

#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    public: Public,
}

#[derive(Debug)]
enum Public {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// A point of P-256, uncompressed.
    P256(Vec<u8>),
}

/// The keys in a document that can sign tokens. Keys of other kinds are left out.
pub(super) fn parse(document: &[u8]) -> Result<Vec<Key>, serde_json::Error> {
    let document: Document = serde_json::from_slice(document)?;
    Ok(document.keys.iter().take(MOST).filter_map(key).collect())
}

fn key(jwk: &Jwk) -> Option<Key> {
    if jwk.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_ref()?.trim_end_matches('=')).ok();
    let is_for = |algorithm: &str| jwk.alg.as_deref().is_none_or(|alg| alg == algorithm);
    let public = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) if is_for("RS256") => Public::Rsa { n: bytes(&jwk.n)?, e: bytes(&jwk.e)? },
        ("EC", Some("P-256")) if is_for("ES256") => {
            let (x, y) = (bytes(&jwk.x)?, bytes(&jwk.y)?);
            (x.len() == 32 && y.len() == 32).then_some(())?;
            Public::P256([&[4][..], &x, &y].concat())
        }
        _ => return None,
    };
    Some(Key { id: jwk.kid.clone(), public })
}

impl Key {
    /// Whether the token names this key. A token without a key id may be of any.
    pub(super) fn is_named_by(&self, token: &Token<'_>) -> bool {
        token.key_id.is_none() || token.key_id == self.id
    }

    pub(super) fn has_signed(&self, token: &Token<'_>) -> bool {
        let (signed, signature) = (token.signed.as_bytes(), token.signature.as_slice());
        match (&self.public, token.algorithm) {
            (Public::Rsa { n, e }, Algorithm::Rs256) => RsaPublicKeyComponents { n, e }
                .verify(&signature::RSA_PKCS1_2048_8192_SHA256, signed, signature)
                .is_ok(),
            (Public::P256(point), Algorithm::Es256) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                    .verify(signed, signature)
                    .is_ok()
            }
            (Public::Rsa { .. }, Algorithm::Es256) | (Public::P256(_), Algorithm::Rs256) => false,
        }
    }
}
