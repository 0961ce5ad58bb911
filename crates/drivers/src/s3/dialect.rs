//! The differences between S3 and Google Cloud Storage's XML API, as data. Everything else is the same code.

/// The dialect that a storage speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    S3,
    Gcs,
}

impl Dialect {
    /// The prefix of vendor headers: `x-amz-`, `x-goog-`.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::S3 => "x-amz-",
            Self::Gcs => "x-goog-",
        }
    }

    /// Returns the prefix of user metadata.
    pub(super) fn meta(self) -> &'static str {
        match self {
            Self::S3 => "x-amz-meta-",
            Self::Gcs => "x-goog-meta-",
        }
    }

    /// Returns the name of a vendor header with its prefix.
    pub(super) fn header(self, name: &str) -> String {
        format!("{}{name}", self.prefix())
    }
}
