//! What a check finds about one name.

use serde::Serialize;

/// What was found about one name. The signs are those of rclone's `--combined`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Mark {
    #[serde(rename = "=")]
    Same,
    /// Only the destination has it.
    #[serde(rename = "-")]
    OnlyDestination,
    /// Only the source has it.
    #[serde(rename = "+")]
    OnlySource,
    #[serde(rename = "*")]
    Different,
    /// It could not be compared.
    #[serde(rename = "!")]
    Error,
}

impl Mark {
    pub fn sign(self) -> char {
        match self {
            Self::Same => '=',
            Self::OnlyDestination => '-',
            Self::OnlySource => '+',
            Self::Different => '*',
            Self::Error => '!',
        }
    }
}
