//! The reversible key codec of storage that holds files in folders: object key to path and back.
//!
//! Ordinary keys are their own paths: `a/b.jpg` is the file `a/b.jpg`. What the storage does not allow
//! ([`Names`]) is escaped, segment by segment, under the reserved name prefix `.cw~`:
//!
//! | name | stands for |
//! |---|---|
//! | `.cw~e…` | a segment, percent-escaped: empty, `.`, `..`, over-long, reserved, with refused characters |
//! | `.cw~o…` | the object whose plain name is a directory: `a` beside `a/b` |
//! | `.cw~s…` | a directory: the beginning of an over-long segment, which continues in the next name |
//! | `.cw~d…` | a directory of a key whose spelling collides with another, where `a` and `A` are one name |
//! | `.cw~t…` | the beginning of such a directory or object, if its name is over-long |
//! | `.cw~f…` | the object of such a key |
//!
//! Invariants: every key has exactly one plain, one beside and one apart path. No path leaves the root, and
//! none is in `.causeway/`. `decode` inverts the first two, `decode_apart` the third. The apart paths of two
//! keys never differ only in spellings that some storage treats as equal. Every UTF-8 name of at most 250
//! bytes that does not begin with `.cw~` and that the storage allows is a key by itself, so files that
//! existed before are served under their own names.

use crate::model::{MAX_KEY_BYTES, ObjectKey};

const MARK: &str = ".cw~";
/// The directory for Causeway's own files in a backend's root.
pub const RESERVED_DIR: &str = ".causeway";
/// The longest name on Linux file systems, in bytes.
const MAX_NAME: usize = 255;
/// The longest plain name: the same object must also fit beside a directory with that name.
const MAX_PLAIN: usize = MAX_NAME - MARK.len() - 1;

/// Which names a storage allows. Names that no storage allows are always escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Everything except NUL: SFTP, local disk.
    Posix,
    /// No control characters, because servers treat them differently in URLs, XML and JSON.
    Printable,
    /// `Printable` without `\` and without spaces at either end: libraries that normalise paths would change
    /// those.
    Trimmed,
    /// The names that Windows allows: none of `" * : < > ? \ |`, no space at an end, no dot at the end.
    Windows,
    /// `Printable` without `#`, `;` and `?`: some servers parse them as parts of an address, even if they are
    /// escaped.
    Unmarked,
    /// Names that fit into a line of text: no control characters, no space at an end. For FTP.
    Lines,
    /// The names that OneDrive and SharePoint allow: none of `" * : < > ? \ |`, no space at an end, no dot at
    /// the end, no names that Windows or SharePoint reserve.
    OneDrive,
    /// The names that Dropbox allows: no `\`, no space at the end, nothing that it would spell differently,
    /// no names that it never stores.
    Dropbox,
}

impl Names {
    fn takes(self, segment: &str) -> bool {
        let control = |c: char| c.is_control();
        match self {
            Self::Posix => true,
            Self::Printable => !segment.contains(control),
            Self::Trimmed => {
                !segment.contains(|c: char| control(c) || c == '\\') && segment.trim() == segment
            }
            Self::Unmarked => !segment.contains(control) && !has_marks(segment),
            Self::Lines => !segment.contains(control) && !segment.starts_with(' ') && !segment.ends_with(' '),
            Self::Windows => is_windows_name(segment),
            Self::OneDrive => {
                is_windows_name(segment)
                    && !SHAREPOINT_NAMES.iter().any(|name| segment.eq_ignore_ascii_case(name))
                    && !segment.to_ascii_lowercase().contains("_vti_")
            }
            Self::Dropbox => {
                !segment.contains(|c: char| control(c) || is_respelled(c))
                    && !segment.ends_with(char::is_whitespace)
                    && !DROPBOX_NAMES.iter().any(|name| segment.eq_ignore_ascii_case(name))
            }
        }
    }

    /// Returns whether a character is percent-escaped in an escaped name; `%` always is.
    fn escapes(self, c: char) -> bool {
        match self {
            Self::Posix => c == '\0',
            Self::Printable => c.is_control(),
            Self::Trimmed => c.is_control() || c == '\\' || c.is_whitespace(),
            Self::Unmarked => c.is_control() || MARKS.contains(&c),
            Self::Lines => c.is_control() || c == ' ',
            // Spaces and dots are forbidden only at an end, but where an over-long name is split decides what
            // the ends are. So all of them are escaped.
            Self::Windows | Self::OneDrive => {
                c.is_control() || WINDOWS_REFUSES.contains(c) || matches!(c, ' ' | '.' | '_')
            }
            Self::Dropbox => c.is_control() || is_respelled(c) || c.is_whitespace() || c == '.',
        }
    }
}

const MARKS: [char; 3] = ['#', ';', '?'];

/// Returns whether a name or path contains characters that have a special meaning in addresses.
pub fn has_marks(name: &str) -> bool {
    name.contains(MARKS)
}

fn is_windows_name(segment: &str) -> bool {
    !segment.contains(|c: char| c.is_control() || WINDOWS_REFUSES.contains(c))
        && !segment.starts_with([' ', '~'])
        && !segment.ends_with([' ', '.'])
        && !WINDOWS_DEVICES
            .iter()
            .any(|device| segment.split('.').next().is_some_and(|name| name.eq_ignore_ascii_case(device)))
}

const WINDOWS_REFUSES: &str = "\"*:<>?\\|";
const WINDOWS_DEVICES: [&str; 24] = [
    "CON", "PRN", "AUX", "NUL", "COM0", "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8",
    "COM9", "LPT0", "LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9",
];

const SHAREPOINT_NAMES: [&str; 2] = [".lock", "desktop.ini"];
/// The names in Dropbox's help, "Ignored files".
const DROPBOX_NAMES: [&str; 7] =
    [".dropbox", ".dropbox.attr", ".dropbox.cache", ".ds_store", "desktop.ini", "thumbs.db", "icon\r"];

/// Returns whether Dropbox changes the character: backslashes, and combining marks, which it composes with
/// the letter before.
fn is_respelled(c: char) -> bool {
    matches!(c, '\\' | '\u{300}'..='\u{36f}')
}

/// The location of a key, relative to its bucket's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPath {
    /// The parent directory; empty for the root.
    pub dir: String,
    /// The object's name in `dir`, unless a directory has that name.
    pub plain: String,
    /// The object's name in `dir` if a directory has the plain name.
    pub beside: String,
}

impl KeyPath {
    pub fn plain_path(&self) -> String {
        join(&self.dir, &self.plain)
    }

    pub fn beside_path(&self) -> String {
        join(&self.dir, &self.beside)
    }
}

pub fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

pub fn encode(key: &ObjectKey, names: Names) -> KeyPath {
    let (parents, last) = match key.as_str().rsplit_once('/') {
        Some((parents, last)) => (Some(parents), last),
        None => (None, key.as_str()),
    };
    let mut dir = String::with_capacity(key.as_str().len() + 16);
    for (at, segment) in parents.into_iter().flat_map(|p| p.split('/')).enumerate() {
        if at > 0 {
            dir.push('/');
        }
        push_segment(segment, at == 0, names, &mut dir);
    }
    let mut full = String::with_capacity(last.len() + 8);
    push_segment(last, parents.is_none(), names, &mut full);
    let mut beside = String::with_capacity(last.len() + 8);
    push_escaped(last, 'o', names, &mut beside);
    // An over-long last segment adds directories, which belong to the parent.
    if let Some((more, plain)) = full.rsplit_once('/') {
        let parent = join(&dir, more);
        let (_, beside) = beside.rsplit_once('/').unwrap_or(("", &beside));
        return KeyPath { dir: parent, plain: plain.to_owned(), beside: beside.to_owned() };
    }
    KeyPath { dir, plain: full, beside }
}

/// Returns the path of a key whose plain path, or a directory in it, collides with that of another key by its
/// spelling. All characters that may have several spellings are escaped.
pub fn apart(key: &ObjectKey, names: Names) -> String {
    let escapes = |c: char| names.escapes(c) || c.is_ascii_uppercase() || !c.is_ascii();
    let mut path = String::with_capacity(key.as_str().len() + 16);
    let mut segments = key.as_str().split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        push_escaped_if(escapes, segment, ('t', if is_last { 'f' } else { 'd' }), &mut path);
        if !is_last {
            path.push('/');
        }
    }
    path
}

fn is_plain(segment: &str, first: bool, names: Names) -> bool {
    !(segment.is_empty()
        || segment == "."
        || segment == ".."
        || escaped_length(segment, names) > MAX_PLAIN
        || segment.starts_with(MARK)
        || segment.as_bytes().contains(&0)
        || (first && segment == RESERVED_DIR)
        || !names.takes(segment))
}

fn escaped_length(segment: &str, names: Names) -> usize {
    segment.chars().map(|c| if c == '%' || names.escapes(c) { 3 * c.len_utf8() } else { c.len_utf8() }).sum()
}

fn push_segment(segment: &str, first: bool, names: Names, out: &mut String) {
    if is_plain(segment, first, names) {
        out.push_str(segment)
    } else {
        push_escaped(segment, 'e', names, out)
    }
}

/// Appends `.cw~<form>…`, or `.cw~s…/…/.cw~<form>…` if one name is too short.
fn push_escaped(segment: &str, form: char, names: Names, out: &mut String) {
    push_escaped_if(|c| names.escapes(c), segment, ('s', form), out);
}

fn push_escaped_if(
    escapes: impl Fn(char) -> bool,
    segment: &str,
    (begun, form): (char, char),
    out: &mut String,
) {
    let mut name = String::new();
    for character in segment.chars() {
        let mut utf8 = [0; 4];
        let plain = &*character.encode_utf8(&mut utf8);
        let escaped: String;
        let piece = if character == '%' || escapes(character) {
            escaped = plain.bytes().map(|byte| format!("%{byte:02X}")).collect();
            &escaped
        } else {
            plain
        };
        if name.len() + piece.len() > MAX_PLAIN {
            out.push_str(MARK);
            out.push(begun);
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

/// Returns the key of a file at `path` (relative to the bucket's root). `None` if it is not an object's file:
/// its name is reserved but not made by the codec, or too long for a key.
pub fn decode(path: &str, names: Names) -> Option<ObjectKey> {
    let key = read(path)?;
    // Only the canonical path is an object: two paths never belong to one key.
    let known = encode(&key, names);
    (known.plain_path() == path || known.beside_path() == path).then_some(key)
}

/// Returns what the keys of the files in a directory begin with. `None`: none of its files is an object.
pub fn prefix(dir: &str) -> Option<String> {
    const FIRST: char = 'x';
    let mut key = read(&join(dir, &format!("{MARK}o{FIRST}")))?.as_str().to_owned();
    key.pop();
    Some(key)
}

/// Returns whether a name is one that the codec makes.
pub fn is_escaped(name: &str) -> bool {
    name.starts_with(MARK)
}

/// Decodes an apart path.
pub fn decode_apart(path: &str, names: Names) -> Option<ObjectKey> {
    read(path).filter(|key| apart(key, names) == path)
}

/// Returns the key that a path would have, if its spelling is canonical.
fn read(path: &str) -> Option<ObjectKey> {
    let mut key = String::with_capacity(path.len());
    let mut begun = String::new();
    let mut parts = path.split('/').enumerate().peekable();
    while let Some((at, name)) = parts.next() {
        let last = parts.peek().is_none();
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
                    's' | 't' if !last => continue,
                    'd' if !last => std::mem::take(&mut begun),
                    'e' => std::mem::take(&mut begun),
                    'o' | 'f' if last => std::mem::take(&mut begun),
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
    ObjectKey::new(key).ok()
}

/// Decodes without checks: `decode` accepts only names that `push_escaped` writes.
fn unescape(text: &str) -> Option<String> {
    percent_encoding::percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

/// Returns the keys whose objects may be where `key` needs a directory, the longest first: `a/b`, `a` for
/// `a/b/c`.
pub fn ancestors(key: &ObjectKey) -> impl Iterator<Item = ObjectKey> + '_ {
    key.as_str().rmatch_indices('/').filter_map(|(at, _)| ObjectKey::new(&key.as_str()[..at]).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(key: &str) -> String {
        encode(&ObjectKey::new(key).expect("a key"), Names::Posix).plain_path()
    }

    #[test]
    fn ordinary_keys_are_their_own_paths() {
        for key in
            ["a", "a/b.jpg", "50%.txt", "ünïcode/😀", " x ", "a\tb", ".hidden", "~", ".cw", "x/.causeway"]
        {
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
        assert_eq!(encode(&ObjectKey::new("d/a").expect("a key"), Names::Posix).beside_path(), "d/.cw~oa");
    }

    #[test]
    fn the_keys_of_a_directory_begin_with_its_prefix() {
        let long = "l".repeat(600);
        for key in [
            "a",
            "a/b.jpg",
            "a//b",
            "x/",
            "/",
            "../..",
            ".causeway/x",
            &long,
            &format!("a/{long}"),
            &format!("{long}/b"),
        ] {
            let key = ObjectKey::new(key).expect("a key");
            let prefix = prefix(&encode(&key, Names::Posix).dir).expect("a directory of objects");
            assert!(key.as_str().starts_with(&prefix), "{key}: {prefix}");
            // What follows is in the directory itself.
            assert!(!key.as_str()[prefix.len()..].contains('/'), "{key}: {prefix}");
        }
        assert_eq!(prefix("").as_deref(), Some(""));
        assert_eq!(prefix("a/b").as_deref(), Some("a/b/"));
        assert_eq!(prefix(".causeway/tmp"), None);
        assert_eq!(prefix(".cw~xa"), None);
    }

    #[test]
    fn names_that_are_not_canonical_are_nobodys() {
        for path in [
            ".cw~ea",
            ".cw~x",
            ".cw~",
            ".cw~sa",
            ".cw~sa/b",
            ".cw~e%zz",
            ".cw~o/a",
            ".causeway/tmp/x",
            "a//b",
            "a/./b",
            "../a",
        ] {
            assert_eq!(decode(path, Names::Posix), None, "{path}");
        }
    }

    #[test]
    fn keys_that_differ_in_case_or_accents_have_apart_paths_that_differ_in_more() {
        let mut seen = std::collections::BTreeSet::new();
        for key in ["a/b", "A/b", "a/B", "A/B", "A", "a", "ä", "Ä", "a\u{308}", "%41", "%c3%84", "a/"] {
            assert!(
                seen.insert(apart(&ObjectKey::new(key).expect("a key"), Names::OneDrive).to_lowercase()),
                "{key}"
            );
        }
        assert_eq!(
            apart(&ObjectKey::new("Photos/new.JPG").expect("a key"), Names::Printable),
            ".cw~d%50hotos/.cw~fnew.%4A%50%47"
        );
    }

    #[test]
    fn names_that_a_service_keeps_for_itself_are_escaped() {
        for (names, refused) in [
            (
                Names::OneDrive,
                &["~$a.docx", ".lock", "Desktop.INI", "a_vti_b", "com1.txt", "a.", " a", "a:b", "what?"][..],
            ),
            (Names::Dropbox, &["a ", "a\\b", ".DS_Store", "Thumbs.db", "e\u{301}"][..]),
        ] {
            for key in refused {
                let path = encode(&ObjectKey::new(*key).expect("a key"), names).plain_path();
                assert!(path.starts_with(".cw~e"), "{path}");
            }
            for key in ["a", ".hidden", "a b", "Forms", "ünïcode", "a#b", "50%"] {
                assert_eq!(encode(&ObjectKey::new(key).expect("a key"), names).plain_path(), key);
            }
        }
    }

    proptest! {
        #[test]
        fn every_key_round_trips_and_stays_inside(
            key in "([a/.%#;?\u{0}\u{85}\n :\\\\é~]|\\.cw~|\\.causeway|CON|_vti_|desktop.ini|A|o|e){1,40}|[x/é]{200,512}|[x%]{80,260}|[.:]{80,260}|x{256,1024}",
            names in prop::sample::select(vec![
                Names::Posix, Names::Printable, Names::Trimmed, Names::Unmarked, Names::Lines, Names::Windows, Names::OneDrive, Names::Dropbox,
            ]),
        ) {
            let key = ObjectKey::new(key).expect("a key");
            let encoded = encode(&key, names);
            for path in [encoded.plain_path(), encoded.beside_path()] {
                prop_assert_eq!(decode(&path, names), Some(key.clone()), "{}", path);
                prop_assert!(!encoded.plain.contains('/') && !encoded.beside.contains('/'));
                for name in path.split('/') {
                    prop_assert!(!name.is_empty() && name != "." && name != ".." && name.len() <= 255 && !name.contains('\0'));
                    prop_assert!(names.takes(name), "{name:?}");
                }
                prop_assert!(path.split('/').next() != Some(RESERVED_DIR));
            }
            prop_assert_ne!(encoded.plain_path(), encoded.beside_path());
            let apart = apart(&key, names);
            prop_assert_eq!(decode_apart(&apart, names), Some(key.clone()), "{}", apart);
            prop_assert_eq!(decode(&apart, names), None);
            prop_assert!(apart.split('/').all(|name| name.len() <= 255 && names.takes(name)), "{}", apart);
        }
    }
}
