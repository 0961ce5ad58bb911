//! Multipart uploads: ids and part numbers.

use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// The maximum number of a part (S3 User Guide, "Multipart upload limits").
pub const MAX_PART_NUMBER: u16 = 10_000;

/// An upload id: url-safe, unguessable, and safe as a file name because `parse` refuses everything else.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UploadId(Arc<str>);

impl UploadId {
    pub fn parse(text: &str) -> Option<Self> {
        let ok = (1..=200).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        ok.then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of a part: 1 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartNumber(u16);

impl PartNumber {
    pub fn new(number: u16) -> Option<Self> {
        (1..=MAX_PART_NUMBER).contains(&number).then_some(Self(number))
    }

    pub fn get(self) -> u16 {
        self.0
    }
}
