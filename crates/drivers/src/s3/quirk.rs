//! Kinds of names that a storage may confuse with others, and which of them one bucket keeps apart.
//!
//! This module does not own how that is tried out (`names`).

use tokio::sync::OnceCell;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameQuirk {
    LeadingSlash,
    TrailingSlash,
    EmptySegment,
    DotSegment,
}

impl NameQuirk {
    pub(super) const ALL: [Self; 4] =
        [Self::LeadingSlash, Self::TrailingSlash, Self::EmptySegment, Self::DotSegment];

    pub(super) fn is_in(self, name: &str) -> bool {
        match self {
            Self::LeadingSlash => name.starts_with('/'),
            Self::TrailingSlash => name.ends_with('/'),
            Self::EmptySegment => name.contains("//"),
            Self::DotSegment => name.split('/').any(|segment| matches!(segment, "." | "..")),
        }
    }

    /// Returns a name of this kind, and the name that it is confused with where names are paths.
    pub(super) fn pair(self, name: &str) -> (String, String) {
        match self {
            Self::LeadingSlash => (format!("/{name}"), name.to_owned()),
            Self::TrailingSlash => (format!("{name}/"), name.to_owned()),
            Self::EmptySegment => (format!("{name}//x"), format!("{name}/x")),
            Self::DotSegment => (format!("{name}/y/../x"), format!("{name}/x")),
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::LeadingSlash => "takes keys that begin with a slash for others",
            Self::TrailingSlash => "takes keys that end with a slash for others",
            Self::EmptySegment => "takes keys with two slashes in a row for others",
            Self::DotSegment => "takes keys with the segments . and .. for others",
        }
    }
}

/// Whether one bucket keeps each kind of name apart, once that is known.
#[derive(Debug, Default)]
pub(super) struct Names(pub(super) [OnceCell<bool>; NameQuirk::ALL.len()]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_told_by_its_slashes_and_dots() {
        let kinds =
            |name: &str| NameQuirk::ALL.into_iter().filter(|quirk| quirk.is_in(name)).collect::<Vec<_>>();
        assert_eq!(kinds("a/b.c/..d/..."), []);
        assert_eq!(kinds("/a"), [NameQuirk::LeadingSlash]);
        assert_eq!(kinds("a/"), [NameQuirk::TrailingSlash]);
        assert_eq!(
            kinds("a//b/../"),
            [NameQuirk::TrailingSlash, NameQuirk::EmptySegment, NameQuirk::DotSegment]
        );
        assert_eq!(kinds("."), [NameQuirk::DotSegment]);
        for quirk in NameQuirk::ALL {
            let (odd, plain) = quirk.pair("name");
            assert!(quirk.is_in(&odd) && kinds(&plain).is_empty(), "{quirk:?}");
        }
    }
}
