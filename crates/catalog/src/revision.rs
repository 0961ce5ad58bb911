//! Compare-and-swap: what a caller has read, and what it expects to overwrite.
//!
//! Several processes may have one catalog open. Whoever writes what it computed from something that it has read names the
//! revision of that; whoever writes whatever is there says so.

/// Names a stored value as it was read. Another value never has it, not even after the first was removed. Those of one bucket's
/// settings grow with each change, and so do those of all identities; of other values they only differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Revision(pub i64);

impl Revision {
    /// Nothing is stored.
    pub const NONE: Self = Self(0);
}

/// What has to be there for a change to be made. If something else is, the change fails with `Conflict` and nothing is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there is overwritten.
    Any,
    Exactly(Revision),
}

impl Expected {
    pub const ABSENT: Self = Self::Exactly(Revision::NONE);

    pub fn admits(self, found: Revision) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(revision) => revision == found,
        }
    }
}
