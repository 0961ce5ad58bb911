//! Why a person could not sign in.
//!
//! Invariant: the text of an error is for the person, and has nothing of its source, which is for the log.

/// Why a sign-in came to nothing. The text is for the person; what is in `Failed` is for the log.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    #[error("This sign-in was not begun in this browser, or it took too long. Begin again.")]
    NotBegun,
    #[error("The identity provider did not sign you in.")]
    Refused,
    #[error("You are signed in at the identity provider, but no role here is yours.")]
    NoRole,
    #[error("The identity provider could not be used. Try again later.")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl SignInError {
    pub(super) fn failed(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Failed(why.into())
    }
}
