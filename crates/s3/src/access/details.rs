//! What is stored of an added identity beside its columns: expiry, whether it is disabled, a secret that was
//! replaced, and where signature version 2 is accepted. Also the changes of these.
//!
//! Invariants: the stored form only gains fields, and a field that is not known is an error, because an older
//! release that ignored an expiry would let a key in; secrets are sealed.

use super::KeyTerms;
use crate::{
    iam::DataKey,
    model::{ReplacedSecret, Secret, SignatureV2, Timestamp},
};
use serde::{Deserialize, Serialize};

/// Stored as JSON. Nothing is stored as an empty text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Details {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) disabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) previous: Option<Previous>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) signature_v2: Option<SignatureV2>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Previous {
    /// Sealed for its access key.
    pub(super) secret: String,
    pub(super) until: Timestamp,
}

/// A change of an added identity.
#[derive(Debug, Clone)]
pub enum KeyChange {
    Enable,
    Disable,
    /// `None`: never.
    Expire(Option<Timestamp>),
    /// `None`: as the server accepts it.
    SignatureV2(Option<SignatureV2>),
    /// Another secret, generated if none is given. The old one is valid until a time.
    Rotate {
        secret_key: Option<Secret>,
        until: Timestamp,
    },
}

impl Details {
    pub(super) fn parse(text: &str) -> serde_json::Result<Self> {
        if text.is_empty() { Ok(Self::default()) } else { serde_json::from_str(text) }
    }

    pub(super) fn text(&self) -> serde_json::Result<String> {
        if *self == Self::default() { Ok(String::new()) } else { serde_json::to_string(self) }
    }

    /// A replaced secret that cannot be unsealed is left out.
    pub(super) fn terms(&self, access_key: &str, key: &DataKey) -> KeyTerms {
        let previous = self.previous.as_ref().and_then(|previous| {
            let secret = key.unseal(access_key, &previous.secret)?;
            Some(ReplacedSecret { secret, until: Some(previous.until) })
        });
        let Self { expires, disabled, signature_v2, .. } = *self;
        KeyTerms { expires, is_disabled: disabled, previous, signature_v2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These texts are stored: they are only added to.
    #[test]
    fn stored_details_are_read_as_they_were_written() {
        let whole =
            r#"{"expires":5,"disabled":true,"previous":{"secret":"v1:x","until":6},"signature_v2":"all"}"#;
        for text in ["", r#"{"disabled":true}"#, whole] {
            let details = Details::parse(text).expect(text);
            assert_eq!(details.text().expect("written"), text);
        }
        assert!(Details::parse(r#"{"later":1}"#).is_err());
    }
}
