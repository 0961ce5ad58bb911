//! The places in a request where signature version 2 is accepted.

use serde::{Deserialize, Serialize};

/// Which requests that are signed with version 2 are accepted. The names are stored: never change one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignatureV2 {
    Off,
    /// Presigned URLs only: many SDKs still make them by default, and such a URL expires.
    #[default]
    Presigned,
    /// Query parameters and the `Authorization` header.
    All,
}

impl SignatureV2 {
    const ALL_OF_THEM: [Self; 3] = [Self::Off, Self::Presigned, Self::All];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Presigned => "presigned",
            Self::All => "all",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL_OF_THEM.into_iter().find(|accepted| accepted.as_str() == text)
    }

    /// Whether a request is accepted that is presigned, or signed in its header.
    pub fn accepts(self, is_presigned: bool) -> bool {
        match self {
            Self::Off => false,
            Self::Presigned => is_presigned,
            Self::All => true,
        }
    }
}
