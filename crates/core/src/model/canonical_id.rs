//! The canonical id of an account: the id by which ACLs name it, and which owners are shown by.
//!
//! Invariant: 1 to 64 ASCII letters and digits. S3's ids are 64 hexadecimal digits. So an id needs no escapes
//! in the stored form of an ACL, in XML and in headers.

use std::sync::Arc;

const LONGEST: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CanonicalId(Arc<str>);

impl CanonicalId {
    /// `None`: no account can have such an id.
    pub fn parse(text: &str) -> Option<Self> {
        let fits =
            (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        fits.then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_letters_and_digits_only() {
        let long = "a".repeat(LONGEST);
        assert_eq!(CanonicalId::parse(&long).expect("an id").as_str(), long);
        for junk in ["", "_foo", "a b", "a,b", "a=b", "ä", &format!("{long}a")] {
            assert_eq!(CanonicalId::parse(junk), None, "{junk}");
        }
    }
}
