//! What exists at a location where a bucket will be created.

/// The variants are ordered: a bucket on several backends uses the maximum of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Found {
    /// Nothing exists: the location will be created.
    Nothing,
    /// An empty location, as a failed creation leaves it.
    Empty,
    /// A location that is not empty, or something that cannot be a location.
    Something,
}

impl Found {
    /// Returns what was found at an existing location. `is_empty`: its listing has no entry.
    pub fn in_place(is_empty: bool) -> Self {
        if is_empty { Self::Empty } else { Self::Something }
    }
}
