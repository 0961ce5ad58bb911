//! What can be wrong with the website configuration of a bucket.
//!
//! Owns the words, which are those of S3 where they are known. The checks are where the parts of a
//! configuration are.

/// The limit of S3.
pub(super) const MAX_RULES: usize = 50;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebsiteError {
    #[error("The IndexDocument Suffix is not well formed")]
    Index(String),
    #[error("The ErrorDocument Key is not well formed")]
    ErrorDocument(String),
    #[error(
        "{0} routing rules provided, the number of routing rules in a website configuration is limited to {MAX_RULES}."
    )]
    TooMany(usize),
    #[error(
        "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present."
    )]
    EmptyCondition,
    #[error("A redirect names a host, a protocol, a code or a key.")]
    EmptyRedirect,
    #[error("The provided HTTP error code ({0}) is not valid. Valid codes are 4XX or 5XX.")]
    ErrorCode(u16),
    #[error("The provided HTTP redirect code ({0}) is not valid. Valid codes are 3XX except 300.")]
    RedirectCode(u16),
    #[error("The provided HostName is not valid.")]
    Host(String),
}
