//! What exists at a location where a bucket is to be made.

/// Ordered: a bucket on several backends finds the most that lies on any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Found {
    /// Nothing: the place is to be made.
    Nothing,
    /// A place with nothing in it, as a failed creation leaves one.
    Empty,
    /// A place with something in it, or something that is no place for a bucket.
    Something,
}

impl Found {
    /// Reports what was found at a location that exists. `is_empty`: a listing of the location has no entry.
    pub fn in_place(is_empty: bool) -> Self {
        if is_empty { Self::Empty } else { Self::Something }
    }
}
