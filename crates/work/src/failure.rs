//! Why a step failed, in words for operators. It holds text and no error value, so that the remembered
//! failure keeps nothing else in memory.

use crate::model::Chain;
use std::{error::Error, fmt};

/// The maximum length of the text in bytes; longer text is cut.
const LONGEST: usize = 500;

/// The text of an error. It holds no secrets, because errors hold none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(Box<str>);

impl Failure {
    pub fn new(words: impl Into<String>) -> Self {
        let mut words = words.into();
        if words.len() > LONGEST {
            words.truncate(words.floor_char_boundary(LONGEST));
            words.push('…');
        }
        Self(words.into())
    }

    /// Describes an error with all its sources.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        Self::new(Chain(error).to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("listing the bucket")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_failure_has_all_causes_of_an_error_and_is_never_long() {
        assert_eq!(
            Failure::of(&Outer(std::io::Error::other("disk"))).to_string(),
            "listing the bucket: disk"
        );
        let long = Failure::new("ä".repeat(LONGEST)).to_string();
        assert!(long.len() <= LONGEST + '…'.len_utf8() && long.ends_with('…'), "{} bytes", long.len());
    }
}
