//! Maps keys to names on GCS, which allows every key except `.`, `..` and those with line ends. The mapping
//! is reversible and keeps the order of the keys, so that listings need no sorting.
//!
//! | in a key | in its name |
//! |---|---|
//! | a line end | the character below it, U+10FFFD and U+10FFFE |
//! | U+10FFFD or above after such a character | U+10FFFD twice, and then the character itself |
//! | the end, after `.` or `..` at the beginning | a space and U+100000 |
//! | a character up to the space, after `.` or `..` at the beginning | a space and the character U+100001
//! places above it |
//!
//! Invariants, held by the tests: `decode(encode(k)) == k`; `a < b` means `encode(a) < encode(b)`; a name
//! begins with `encode_prefix(p)` if its key begins with `p`. All other keys are their own names.

const MARK: char = '\u{10fffd}';
const LINE_END: char = '\u{10fffe}';
const END: char = '\u{100000}';
/// Line ends, and the characters below them.
const BELOW: [(char, char); 2] = [('\t', '\n'), ('\x0c', '\r')];

pub(super) fn encode(key: &str) -> String {
    write(key, true)
}

/// Returns the beginning of the names of all keys that begin with `prefix`.
pub(super) fn encode_prefix(prefix: &str) -> String {
    write(prefix, false)
}

/// Returns the key of a name, if `encode` makes that name.
pub(super) fn decode(name: &str) -> Option<String> {
    Some(read(name)).filter(|key| encode(key) == name)
}

/// Returns the prefix of keys that a prefix of names stands for.
pub(super) fn decode_prefix(prefix: &str) -> Option<String> {
    Some(read(prefix)).filter(|key| encode_prefix(key) == prefix)
}

/// Returns whether names contain this text exactly where their keys contain it.
pub(super) fn keeps(text: &str) -> bool {
    text.chars().all(|c| c > ' ' && c < END)
}

fn write(key: &str, whole: bool) -> String {
    let mut name = String::with_capacity(key.len() + 8);
    let mut rest = key;
    for dots in ["..", "."] {
        let Some(behind) = key.strip_prefix(dots) else { continue };
        let tag = match behind.chars().next() {
            None if whole => END,
            Some(c @ '\0'..=' ') => above_end(c),
            _ => continue,
        };
        name.push_str(dots);
        name.extend([' ', tag]);
        // The escaped character has one byte; at the end there is none.
        rest = behind.get(1..).unwrap_or_default();
        break;
    }
    for c in rest.chars() {
        if let Some((below, _)) = BELOW.iter().find(|(_, line_end)| *line_end == c) {
            name.extend([*below, MARK, LINE_END]);
            continue;
        }
        if c >= MARK && BELOW.iter().any(|(below, _)| name.ends_with(*below)) {
            name.extend([MARK, MARK]);
        }
        name.push(c);
    }
    name
}

fn above_end(c: char) -> char {
    char::from_u32(END as u32 + 1 + c as u32).unwrap_or(END)
}

/// Decodes a name that `write` made. For any other name, `write` of the result is different.
fn read(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    let mut rest = name;
    for dots in ["..", "."] {
        let tagged = name.strip_prefix(dots).and_then(|behind| behind.strip_prefix(' '));
        let Some(tag) = tagged.and_then(|tagged| tagged.chars().next()) else { continue };
        let escaped = ('\0'..=' ').find(|c| above_end(*c) == tag);
        if tag == END || escaped.is_some() {
            key.push_str(dots);
            key.extend(escaped);
            rest = &name[dots.len() + 1 + tag.len_utf8()..];
            break;
        }
    }
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        let below = BELOW.iter().find(|(below, _)| *below == c);
        let mut next = rest.chars();
        match (below, next.next(), next.next()) {
            (Some((_, line_end)), Some(MARK), Some(LINE_END)) => {
                key.push(*line_end);
                rest = next.as_str();
            }
            (Some(_), Some(MARK), Some(MARK)) => {
                key.push(c);
                rest = next.as_str();
            }
            _ => key.push(c),
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TROUBLE: &[char] = &[
        '\0',
        '\u{8}',
        '\t',
        '\n',
        '\x0b',
        '\x0c',
        '\r',
        '\x0e',
        ' ',
        '!',
        '-',
        '.',
        '/',
        'a',
        '\u{fffd}',
        '😀',
        '\u{100000}',
        '\u{100001}',
        '\u{10fffc}',
        '\u{10fffd}',
        '\u{10fffe}',
        '\u{10ffff}',
    ];

    fn assert_good(key: &str) {
        let name = encode(key);
        assert_eq!(decode(&name).as_deref(), Some(key), "{name:?}");
        assert!(!name.contains(['\n', '\r']) && name != "." && name != "..", "{name:?}");
        for (at, _) in key.char_indices().chain([(key.len(), ' ')]) {
            let prefix = encode_prefix(&key[..at]);
            assert!(name.starts_with(&prefix), "{:?} {prefix:?} {name:?}", &key[..at]);
            assert_eq!(decode_prefix(&prefix).as_deref(), Some(&key[..at]), "{prefix:?}");
        }
    }

    #[test]
    fn every_short_text_of_troublesome_characters_comes_back_in_its_place() {
        let mut keys = vec![String::new()];
        for length in 0..3 {
            let longer = keys.iter().filter(|key| key.chars().count() == length).cloned().collect::<Vec<_>>();
            keys.extend(longer.iter().flat_map(|key| TROUBLE.iter().map(move |c| format!("{key}{c}"))));
        }
        keys.sort();
        keys.iter().for_each(|key| assert_good(key));
        keys.windows(2).for_each(|pair| assert!(encode(&pair[0]) < encode(&pair[1]), "{pair:?}"));
    }

    #[test]
    fn ordinary_keys_are_their_own_names() {
        for key in [
            "a",
            "a/b.txt",
            "a b",
            "...",
            "..a",
            ".git/config",
            "a/../b",
            "a/.",
            "😀",
            "\t",
            "\u{10ffff}",
            "a\0b",
        ] {
            assert_eq!((encode(key).as_str(), decode(key).as_deref()), (key, Some(key)));
        }
    }

    proptest! {
        #[test]
        fn any_two_keys_keep_their_order(
            stem in prop::collection::vec(prop::sample::select(TROUBLE), 0..6),
            a in prop::collection::vec(prop::sample::select(TROUBLE), 0..6),
            b in prop::collection::vec(prop::sample::select(TROUBLE), 0..6),
        ) {
            let stem: String = stem.into_iter().collect();
            let (a, b) = (a.into_iter().collect::<String>(), b.into_iter().collect::<String>());
            let (a, b) = (format!("{stem}{a}"), format!("{stem}{b}"));
            assert_good(&a);
            prop_assert_eq!(a.cmp(&b), encode(&a).cmp(&encode(&b)));
        }
    }
}
