//! Bucket names (S3 User Guide, "Bucket naming rules").

use serde::{Deserialize, Serialize};
use std::{fmt, net::Ipv4Addr, sync::Arc};

/// A name has 3 to 63 bytes: lower-case letters, digits, dots and hyphens. Its labels begin and end with a
/// letter or a digit, and it is no IPv4 address. It is therefore always a safe path segment, and never begins
/// with a dot.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BucketName(Arc<str>);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the specified bucket is not valid: {0}")]
pub struct BucketNameError(&'static str);

impl BucketName {
    pub fn parse(name: &str) -> Result<Self, BucketNameError> {
        let fail = |why| Err(BucketNameError(why));
        if !(3..=63).contains(&name.len()) {
            return fail("a name has 3 to 63 characters");
        }
        if !name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-')) {
            return fail("a name has only lower-case letters, digits, dots and hyphens");
        }
        let edges_ok = |label: &str| {
            let bytes = label.as_bytes();
            matches!((bytes.first(), bytes.last()), (Some(a), Some(b)) if a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric())
        };
        if !name.split('.').all(edges_ok) {
            return fail("each label begins and ends with a letter or digit");
        }
        if name.parse::<Ipv4Addr>().is_ok() {
            return fail("a name is not an IP address");
        }
        if name.starts_with("xn--") || name.ends_with("-s3alias") || name.ends_with("--ol-s3") {
            return fail("this prefix or suffix is reserved by S3");
        }
        Ok(Self(name.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether S3 refuses this name for new buckets: such names are for S3's other kinds of buckets,
    /// or for buckets in the namespace of an account (`-an`). An existing bucket may have such a name, and an
    /// operator may give one.
    pub fn is_reserved(&self) -> bool {
        const PREFIXES: [&str; 2] = ["sthree-", "amzn-s3-demo-"];
        const SUFFIXES: [&str; 4] = ["-an", ".mrap", "--x-s3", "--table-s3"];
        PREFIXES.iter().any(|prefix| self.0.starts_with(prefix))
            || SUFFIXES.iter().any(|suffix| self.0.ends_with(suffix))
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl TryFrom<String> for BucketName {
    type Error = BucketNameError;
    fn try_from(name: String) -> Result<Self, BucketNameError> {
        Self::parse(&name)
    }
}

impl From<BucketName> for String {
    fn from(name: BucketName) -> String {
        name.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_s3_takes_are_taken() {
        for name in ["abc", "a.b.c", "my-bucket-1", "0abc", &"a".repeat(63)] {
            assert!(BucketName::parse(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn names_that_s3_keeps_for_itself_are_names_but_reserved() {
        let reserved = |name| BucketName::parse(name).expect("a name").is_reserved();
        for name in [
            "photos-111122223333-us-west-2-an",
            "a-an",
            "a.mrap",
            "a--usw2-az1--x-s3",
            "a--table-s3",
            "sthree-a",
            "amzn-s3-demo-a",
        ] {
            assert!(reserved(name), "{name}");
        }
        for name in ["japan", "a-an-b", "an-a", "a-ann"] {
            assert!(!reserved(name), "{name}");
        }
    }

    #[test]
    fn names_that_s3_refuses_are_refused() {
        for name in [
            "",
            "ab",
            "Abc",
            "a_b",
            "-ab",
            "ab-",
            "a..b",
            "a.-b",
            "a-.b",
            ".ab",
            "192.168.5.4",
            "xn--abc",
            "a/b",
            "..",
            &"a".repeat(64),
        ] {
            assert!(BucketName::parse(name).is_err(), "{name}");
        }
    }
}
