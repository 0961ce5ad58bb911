//! How S3 and Google Cloud Storage's XML API differ. Everything else is the same code.

/// Which of the two a storage speaks.
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

    /// `x-amz-meta-`, `x-goog-meta-`
    pub(super) fn meta(self) -> &'static str {
        match self {
            Self::S3 => "x-amz-meta-",
            Self::Gcs => "x-goog-meta-",
        }
    }

    /// A vendor header by its name without the prefix.
    pub(super) fn header(self, name: &str) -> String {
        format!("{}{name}", self.prefix())
    }
}
