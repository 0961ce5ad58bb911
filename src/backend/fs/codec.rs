//! The reversible key codec: object key to path and back.
//!
//! Ordinary keys are their own paths: `a/b.jpg` is the file `a/b.jpg`. What no file system can hold is escaped, segment
//! by segment, under the reserved name prefix `.cw~`:
//!
//! | name | stands for |
//! |---|---|
//! | `.cw~e…` | a segment that cannot be a name: empty, `.`, `..`, with NUL, over-long, reserved; percent-escaped |
//! | `.cw~o…` | the object whose plain name is a directory: `a` beside `a/b` |
//! | `.cw~s…` | a directory: the beginning of an over-long segment, which goes on in the next name |
//!
//! Invariants: every key has exactly one plain and one beside path, no path leaves the root, no path lies in
//! `.causeway/`, and `decode` inverts both. Every UTF-8 name of at most 250 bytes that does not begin with `.cw~` is a
//! key by itself, so whatever lay on the disk before is served under its own name.

use crate::model::{MAX_KEY_BYTES, ObjectKey};

const MARK: &str = ".cw~";
/// Our own files live under this directory of a backend's root.
pub(super) const RESERVED_DIR: &str = ".causeway";
/// Longest name that Linux file systems hold.
const MAX_NAME: usize = 255;
/// Longest plain name: the same object must also fit beside a directory of that name.
const MAX_PLAIN: usize = MAX_NAME - MARK.len() - 1;

/// Where a key lives, relative to its bucket's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyPath {
    /// The parent directory; empty for the root.
    pub(super) dir: String,
    /// The object's name in it, unless a directory has that name.
    pub(super) plain: String,
    /// Its name there when a directory has taken the plain one.
    pub(super) beside: String,
}

impl KeyPath {
    pub(super) fn plain_path(&self) -> String {
        join(&self.dir, &self.plain)
    }

    pub(super) fn beside_path(&self) -> String {
        join(&self.dir, &self.beside)
    }
}

pub(super) fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

pub(super) fn encode(key: &ObjectKey) -> KeyPath {
    let (parents, last) = match key.as_str().rsplit_once('/') {
        Some((parents, last)) => (Some(parents), last),
        None => (None, key.as_str()),
    };
    let mut dir = String::with_capacity(key.as_str().len() + 16);
    for (at, segment) in parents.into_iter().flat_map(|p| p.split('/')).enumerate() {
        if at > 0 {
            dir.push('/');
        }
        push_segment(segment, at == 0, 'e', &mut dir);
    }
    let mut full = String::with_capacity(last.len() + 8);
    push_segment(last, parents.is_none(), 'e', &mut full);
    let mut beside = String::with_capacity(last.len() + 8);
    push_escaped(last, 'o', &mut beside);
    // An over-long last segment brings directories of its own; they belong to the parent.
    if let Some((more, plain)) = full.rsplit_once('/') {
        let parent = join(&dir, more);
        let (_, beside) = beside.rsplit_once('/').unwrap_or(("", &beside));
        return KeyPath { dir: parent, plain: plain.to_owned(), beside: beside.to_owned() };
    }
    KeyPath { dir, plain: full, beside }
}

fn is_plain(segment: &str, first: bool) -> bool {
    !(segment.is_empty()
        || segment == "."
        || segment == ".."
        || segment.len() + 2 * segment.matches('%').count() > MAX_PLAIN
        || segment.starts_with(MARK)
        || segment.as_bytes().contains(&0)
        || (first && segment == RESERVED_DIR))
}

fn push_segment(segment: &str, first: bool, form: char, out: &mut String) {
    if is_plain(segment, first) { out.push_str(segment) } else { push_escaped(segment, form, out) }
}

/// `.cw~<form>…`, or `.cw~s…/…/.cw~<form>…` where one name is too short for it.
fn push_escaped(segment: &str, form: char, out: &mut String) {
    let mut name = String::new();
    for character in segment.chars() {
        let mut utf8 = [0; 4];
        let piece = match character {
            '\0' => "%00",
            '%' => "%25",
            other => &*other.encode_utf8(&mut utf8),
        };
        if name.len() + piece.len() > MAX_PLAIN {
            out.push_str(MARK);
            out.push('s');
            out.push_str(&name);
            out.push('/');
            name.clear();
        }
        name.push_str(piece);
    }
    out.push_str(MARK);
    out.push(form);
    out.push_str(&name);
}

/// The key of a file at `path` (relative to the bucket's root); `None` if it is not an object's: a reserved name that
/// is not one of ours, or too long for a key.
pub(super) fn decode(path: &str) -> Option<ObjectKey> {
    let mut key = String::with_capacity(path.len());
    let mut begun = String::new();
    let mut names = path.split('/').enumerate().peekable();
    while let Some((at, name)) = names.next() {
        let last = names.peek().is_none();
        if at == 0 && name == RESERVED_DIR {
            return None;
        }
        let segment = match name.strip_prefix(MARK) {
            None if begun.is_empty() => name.to_owned(),
            None => return None,
            Some(escaped) => {
                let (form, text) = (escaped.chars().next()?, escaped.get(1..)?);
                begun.push_str(&unescape(text)?);
                match form {
                    's' if !last => continue,
                    'e' => std::mem::take(&mut begun),
                    'o' if last => std::mem::take(&mut begun),
                    _ => return None,
                }
            }
        };
        key.push_str(&segment);
        if !last {
            key.push('/');
        }
    }
    if key.len() > MAX_KEY_BYTES {
        return None;
    }
    let key = ObjectKey::new(key).ok()?;
    // Only the canonical spelling is an object: two paths never claim one key.
    let known = encode(&key);
    (known.plain_path() == path || known.beside_path() == path).then_some(key)
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        out.push(match rest.get(at..at + 3)? {
            "%00" => '\0',
            "%25" => '%',
            _ => return None,
        });
        rest = &rest[at + 3..];
    }
    out.push_str(rest);
    Some(out)
}

/// The keys whose objects may lie where `key` needs a directory: `a`, `a/b` for `a/b/c`. Longest first.
pub(super) fn ancestors(key: &ObjectKey) -> impl Iterator<Item = ObjectKey> + '_ {
    key.as_str().rmatch_indices('/').filter_map(|(at, _)| ObjectKey::new(&key.as_str()[..at]).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(key: &str) -> String {
        encode(&ObjectKey::new(key).expect("a key")).plain_path()
    }

    #[test]
    fn ordinary_keys_are_their_own_paths() {
        for key in ["a", "a/b.jpg", "50%.txt", "ünïcode/😀", " x ", "a\tb", ".hidden", "~", ".cw", "x/.causeway"] {
            assert_eq!(path(key), key);
        }
    }

    #[test]
    fn keys_that_are_no_paths_are_escaped() {
        assert_eq!(path("a//b"), "a/.cw~e/b");
        assert_eq!(path("x/"), "x/.cw~e");
        assert_eq!(path("/"), ".cw~e/.cw~e");
        assert_eq!(path("../.."), ".cw~e../.cw~e..");
        assert_eq!(path("a\0%"), ".cw~ea%00%25");
        assert_eq!(path(".causeway/x"), ".cw~e.causeway/x");
        assert_eq!(path(".cw~ex"), ".cw~e.cw~ex");
        assert_eq!(encode(&ObjectKey::new("d/a").expect("a key")).beside_path(), "d/.cw~oa");
    }

    #[test]
    fn names_that_are_not_canonical_are_nobodys() {
        for path in [".cw~ea", ".cw~x", ".cw~", ".cw~sa", ".cw~sa/b", ".cw~e%zz", ".cw~o/a", ".causeway/tmp/x", "a//b", "a/./b", "../a"] {
            assert_eq!(decode(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn every_key_round_trips_and_stays_inside(key in "([a/.%\u{0}é]|\\.cw~|\\.causeway|o|e){1,40}|[x/é]{200,512}|[x%]{80,260}|x{256,1024}") {
            let key = ObjectKey::new(key).expect("a key");
            let encoded = encode(&key);
            for path in [encoded.plain_path(), encoded.beside_path()] {
                prop_assert_eq!(decode(&path), Some(key.clone()), "{}", path);
                prop_assert!(!encoded.plain.contains('/') && !encoded.beside.contains('/'));
                for name in path.split('/') {
                    prop_assert!(!name.is_empty() && name != "." && name != ".." && name.len() <= 255 && !name.contains('\0'));
                }
                prop_assert!(path.split('/').next() != Some(RESERVED_DIR));
            }
            prop_assert_ne!(encoded.plain_path(), encoded.beside_path());
        }
    }
}
