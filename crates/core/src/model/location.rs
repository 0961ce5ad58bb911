//! Locations on a storage. They can be compared: two may be the same, or one may be inside the other.

/// A folder of a storage. Locations on different storages never overlap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The identity of the storage: the same text however the storage was configured. It is compared and
    /// never shown.
    storage: String,
    /// Names joined by `/`, none of them empty. The empty path is the whole storage.
    path: String,
}

impl Location {
    pub fn new(storage: impl Into<String>, path: &str) -> Self {
        Self { storage: storage.into(), path: String::new() }.below(path)
    }

    /// Returns a folder below this one. The empty path returns this folder itself.
    pub fn below(&self, path: &str) -> Self {
        let names = self.path.split('/').chain(path.split('/')).filter(|name| !matches!(*name, "" | "."));
        Self { storage: self.storage.clone(), path: names.collect::<Vec<_>>().join("/") }
    }

    /// Returns the path from this location to `other`, if `other` is this location or inside it.
    pub fn way_to<'o>(&self, other: &'o Self) -> Option<&'o str> {
        if self.storage != other.storage {
            return None;
        }
        match other.path.strip_prefix(self.path.as_str())? {
            rest if self.path.is_empty() => Some(rest),
            "" => Some(""),
            rest => rest.strip_prefix('/'),
        }
    }

    /// Returns whether, in the order of locations, something inside this one may come after another location
    /// that comes after this one.
    pub fn may_hold_what_follows(&self, other: &Self) -> bool {
        self.storage == other.storage && other.path.starts_with(&self.path)
    }

    /// Returns whether the two locations are the same, or one is inside the other.
    pub fn touches(&self, other: &Self) -> bool {
        self.way_to(other).is_some() || other.way_to(self).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_touches_itself_and_what_is_inside_or_around_it() {
        let at = |path: &str| Location::new("disk", path);
        for (one, other) in
            [("a", "a"), ("a", "a/b"), ("", "a"), ("", ""), ("a/b", "a/b/c/d"), ("/a//b/", "a/./b")]
        {
            assert!(at(one).touches(&at(other)) && at(other).touches(&at(one)), "{one} {other}");
        }
        for (one, other) in [("a", "b"), ("a", "ab"), ("a/b", "a/bc"), ("a/b", "a/c/b")] {
            assert!(!at(one).touches(&at(other)) && !at(other).touches(&at(one)), "{one} {other}");
        }
        assert!(!at("a").touches(&Location::new("other", "a")));
        assert_eq!(at("a").way_to(&at("a/b/c")), Some("b/c"));
        assert_eq!((at("a/b").way_to(&at("a")), at("a").below("").way_to(&at("a"))), (None, Some("")));
    }
}
