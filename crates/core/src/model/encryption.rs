//! Encryption at rest that a storage does itself with keys of its own or of a key service. With keys of clients: not here.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EncryptionAlgorithm {
    #[serde(rename = "AES256")]
    Aes256,
    #[serde(rename = "aws:kms")]
    Kms,
    /// Two layers.
    #[serde(rename = "aws:kms:dsse")]
    KmsDsse,
}

impl EncryptionAlgorithm {
    const NAMES: [(&'static str, Self); 3] = [("AES256", Self::Aes256), ("aws:kms", Self::Kms), ("aws:kms:dsse", Self::KmsDsse)];

    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, algorithm)| algorithm)
    }

    pub fn as_str(self) -> &'static str {
        // Every variant has a row.
        Self::NAMES.into_iter().find(|(_, algorithm)| *algorithm == self).map_or("AES256", |(name, _)| name)
    }

    /// Whether a key service has the key.
    pub fn has_key(self) -> bool {
        self != Self::Aes256
    }
}

/// As a client asks for it, or as a storage says that it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Encryption {
    pub algorithm: EncryptionAlgorithm,
    /// The key's name; the key itself never comes here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// What the key service is to authenticate: base64 of JSON. Only asked for, never told, never stored.
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
