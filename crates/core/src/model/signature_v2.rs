//! The places in a request where signature version 2 is accepted.

/// Which requests that are signed with version 2 are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignatureV2 {
    Off,
    /// Presigned URLs only: many SDKs still make them by default, and such a URL expires.
    #[default]
    Presigned,
    /// Query parameters and the `Authorization` header.
    All,
}
