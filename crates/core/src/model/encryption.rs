//! Encryption at rest that a storage does itself, with its own keys or those of a key service. Encryption
//! with keys of clients is not covered here.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EncryptionAlgorithm {
    #[serde(rename = "AES256")]
    Aes256,
    #[serde(rename = "aws:kms")]
    Kms,
    /// DSSE-KMS: the storage encrypts twice.
    #[serde(rename = "aws:kms:dsse")]
    KmsDsse,
}

impl EncryptionAlgorithm {
    const NAMES: [(&'static str, Self); 3] =
        [("AES256", Self::Aes256), ("aws:kms", Self::Kms), ("aws:kms:dsse", Self::KmsDsse)];

    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, algorithm)| algorithm)
    }

    pub fn as_str(self) -> &'static str {
        // Every variant has a row: the default is never used.
        Self::NAMES.into_iter().find(|(_, algorithm)| *algorithm == self).map_or("AES256", |(name, _)| name)
    }

    /// Returns whether a key service holds the key.
    pub fn has_key(self) -> bool {
        self != Self::Aes256
    }
}

/// Encryption, as a client asks for it or as a storage reports it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Encryption {
    pub algorithm: EncryptionAlgorithm,
    /// The name of the key. The gateway never has the key itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The context that the key service authenticates: JSON, encoded as base64. Clients send it; the gateway
    /// neither stores nor returns it.
    #[serde(skip)]
    pub context: Option<String>,
    #[serde(default)]
    pub bucket_key: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_algorithm_is_stored_by_the_name_that_s3_gives_it() {
        for (name, algorithm) in EncryptionAlgorithm::NAMES {
            assert_eq!((EncryptionAlgorithm::parse(name), algorithm.as_str()), (Some(algorithm), name));
            assert_eq!(serde_json::to_string(&algorithm).expect("text"), format!("\"{name}\""));
        }
        assert_eq!(EncryptionAlgorithm::parse("aes256"), None);
    }
}
