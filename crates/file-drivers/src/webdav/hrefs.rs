//! Addresses in replies: absolute, or only a path, in any encoding. An address that is not below the root is
//! refused, so that no server makes the driver change anything outside of it.

use crate::store::{
    Result,
    error::{StoreError, StoreErrorKind},
};
use percent_encoding::percent_decode_str;

/// The segments of the root's address, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base(Vec<String>);

/// How an address is related to a folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Itself,
    Child(String),
    /// The address is in the folder, but its name cannot be part of a path.
    Nameless,
}

impl Base {
    pub(super) fn of(path: &str) -> Result<Self> {
        let decoded: Option<Vec<String>> = segments(path).map(decode).collect();
        let plain = |segment: &String| !matches!(segment.as_str(), "." | "..");
        match decoded {
            Some(decoded) if decoded.iter().all(plain) => Ok(Self(decoded)),
            _ => {
                Err(StoreError::new(StoreErrorKind::InvalidRequest, "the path of the url is not a plain one"))
            }
        }
    }

    /// Returns how `href` is related to `folder`. It is an error if it is not in the folder.
    pub(super) fn relate(&self, folder: &str, href: &str) -> Result<Relation> {
        let outside = || {
            StoreError::new(
                StoreErrorKind::Broken,
                "the server lists what is not in the folder that it was asked for",
            )
        };
        let mut found = segments(path_of(href));
        let above = self.0.iter().map(String::as_str).chain(segments(folder));
        for expected in above {
            if found.next().and_then(decode).as_deref() != Some(expected) {
                return Err(outside());
            }
        }
        let Some(name) = found.next() else { return Ok(Relation::Itself) };
        match (decode(name), found.next()) {
            (_, Some(_)) => Err(outside()),
            (Some(name), None) if matches!(name.as_str(), "." | "..") => Err(outside()),
            (Some(name), None) if !name.contains('/') => Ok(Relation::Child(name)),
            (_, None) => Ok(Relation::Nameless),
        }
    }
}

fn path_of(href: &str) -> &str {
    let href = href.trim();
    match href.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => href,
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

fn decode(segment: &str) -> Option<String> {
    percent_decode_str(segment).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_however_they_are_written() {
        let base = Base::of("/remote.php/dav/files/J%20D").expect("a base");
        let relate = |href: &str| base.relate("a/b c", href).ok();
        for itself in [
            "/remote.php/dav/files/J%20D/a/b%20c/",
            "https://elsewhere/remote.php/dav/files/J D/a/b c",
            "//remote.php/dav/files/J%20D/a//b%20c",
        ] {
            assert_eq!(relate(itself), Some(Relation::Itself), "{itself}");
        }
        for (name, written) in
            [("x", "x"), ("ä", "%c3%a4"), ("ä", "ä"), ("50%", "50%25"), ("d", "d/"), ("a://b", "a:%2F%2Fb")]
        {
            let expected =
                if name.contains('/') { Relation::Nameless } else { Relation::Child(name.to_owned()) };
            let href = format!("/remote.php/dav/files/J%20D/a/b%20c/{written}");
            assert_eq!(relate(&href), Some(expected), "{written}");
        }
        assert_eq!(relate("/remote.php/dav/files/J%20D/a/b%20c/%ff"), Some(Relation::Nameless));
    }

    #[test]
    fn what_is_outside_is_refused() {
        let base = Base::of("/dav").expect("a base");
        for href in [
            "/",
            "/dav",
            "/dav/a/..",
            "/dav/a/../../etc",
            "/dav/a/%2e%2e",
            "/dav/a/b/c",
            "/other/a/b",
            "http://h",
            "",
        ] {
            assert!(base.relate("a", href).is_err(), "{href}");
        }
        assert!(Base::of("/a/%2e%2e/b").is_err());
    }
}
