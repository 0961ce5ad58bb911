//! Maps keys to names on flat stores that do not allow every key. The mapping is reversible and keeps the
//! order of the keys.
//!
//! Flat stores list in the order of their names, so names in the order of the keys need no sorting, no matter
//! how long the listing is. Ordinary keys are their own names. In the others, the forbidden characters are
//! encoded with characters that every such store allows: no control characters, no backslash, no segment that
//! ends in a dot (HTTP servers remove them), nothing outside the Basic Multilingual Plane, no space at the
//! end.
//!
//! | in a key | in its name |
//! |---|---|
//! | a control character below the space | three spaces and one of `0`–`9`, `A`–`V` |
//! | a space before such a one, at the end, or one of three | three spaces and `z` |
//! | `\` or U+007F–U+009F | the allowed character below it, U+FFFD, and a Hangul syllable |
//! | `/` after a dot, or after the name of Causeway's folder | `.`, U+FFFD and a Hangul syllable, then `/` |
//! | a dot at the end | the dot, three spaces and `!` |
//! | U+FFFD | U+FFFD and `0` |
//! | U+FFFE and above | U+FFFD and two ideographs, as digits |
//!
//! Invariants, held by the tests: `decode(encode(k)) == k`; `a < b` as bytes means `encode(a) < encode(b)`,
//! whether a store compares UTF-8 or UTF-16; a name begins with `encode_prefix(p)` if its key begins with `p`
//! (but other names may too); `/` is in a name where it is in the key; no name begins with [`RESERVED`] and a
//! `/`.

/// Causeway's own folder: it contains no name of a key.
pub const RESERVED: &str = ".causeway";

const HIGH: char = '\u{fffd}';
/// A sequence that sorts before everything else that can follow a character.
const LOW: &str = "   ";
const END: char = '!';
const BLANK: char = 'z';
const CONTROLS: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";
const LITERAL_HIGH: char = '0';
/// The first of the 1,025 ideographs that are digits for characters above U+FFFD.
const DIGIT: u32 = 0x4e00;
const BASE: u32 = 1024;
/// The first Hangul syllable of the tags, which are above all digits.
const TAG: u32 = 0xac00;
const DELETE: u32 = 0x7f;
const LAST_C1: u32 = 0x9f;

/// Returns the name of a key.
pub fn encode(key: &str) -> String {
    write(key, true)
}

/// Returns the beginning of the names of all keys that begin with `prefix`.
pub fn encode_prefix(prefix: &str) -> String {
    write(prefix, false)
}

/// Returns the key of a name, if `encode` makes that name.
pub fn decode(name: &str) -> Option<String> {
    if encode(name) == name {
        return Some(name.to_owned());
    }
    read(name).filter(|key| encode(key) == name)
}

fn write(key: &str, whole: bool) -> String {
    let mut name = String::with_capacity(key.len() + 8);
    let mut before = None;
    let mut rest = key.chars();
    while let Some(c) = rest.next() {
        match c {
            '\0'..='\x1f' => escape_low(&mut name, CONTROLS[c as usize].into()),
            ' ' => match blank(rest.as_str(), whole) {
                Blank::Plain => name.push(' '),
                Blank::Escaped => escape_low(&mut name, BLANK),
                Blank::Open => {}
            },
            '/' => {
                if before == Some('.') || name == RESERVED {
                    escape_high(&mut name, '.', 0);
                }
                name.push('/');
            }
            '\\' => escape_high(&mut name, '[', 0),
            '\u{7f}'..='\u{9f}' => escape_high(&mut name, '~', c as u32 - DELETE),
            HIGH => name.extend([HIGH, LITERAL_HIGH]),
            c if c > HIGH => {
                let above = c as u32 - HIGH as u32 - 1;
                name.push(HIGH);
                name.extend(
                    [above / BASE, above % BASE]
                        .into_iter()
                        .filter_map(|digit| char::from_u32(DIGIT + digit)),
                );
            }
            c => name.push(c),
        }
        before = Some(c);
    }
    if whole && before == Some('.') {
        escape_low(&mut name, END);
    }
    name
}

fn escape_low(name: &mut String, tag: char) {
    name.push_str(LOW);
    name.push(tag);
}

/// Appends the encoding of the `nth` character above `below`.
fn escape_high(name: &mut String, below: char, nth: u32) {
    name.extend([below, HIGH]);
    name.extend(char::from_u32(TAG + nth));
}

enum Blank {
    Plain,
    Escaped,
    /// The result depends on what follows the prefix.
    Open,
}

/// Returns how a space before `rest` is encoded.
fn blank(rest: &str, whole: bool) -> Blank {
    let others = rest.trim_start_matches(' ');
    match others.chars().next() {
        None if !whole => Blank::Open,
        None | Some('\0'..='\x1f') => Blank::Escaped,
        Some(_) if rest.len() - others.len() >= 2 => Blank::Escaped,
        Some(_) => Blank::Plain,
    }
}

fn read(name: &str) -> Option<String> {
    let mut key = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        if let Some(tagged) = rest.strip_prefix(LOW) {
            let tag = tagged.chars().next()?;
            rest = &tagged[tag.len_utf8()..];
            match tag {
                BLANK => key.push(' '),
                END => {}
                tag => key.push(char::from(
                    u8::try_from(CONTROLS.iter().position(|control| char::from(*control) == tag)?).ok()?,
                )),
            }
            continue;
        }
        rest = &rest[c.len_utf8()..];
        if c == HIGH {
            let mut digits = rest.chars();
            let first = digits.next()?;
            if first == LITERAL_HIGH {
                key.push(HIGH);
            } else {
                let value = |digit: char| (digit as u32).checked_sub(DIGIT).filter(|digit| *digit <= BASE);
                let above = value(first)? * BASE + value(digits.next()?)?;
                key.push(char::from_u32(HIGH as u32 + 1 + above)?);
            }
            rest = digits.as_str();
            continue;
        }
        let mut next = rest.chars();
        let nth = match (next.next(), next.next()) {
            (Some(HIGH), Some(tag)) => (tag as u32).checked_sub(TAG),
            _ => None,
        };
        match (c, nth) {
            ('.', Some(0)) => {}
            ('[', Some(0)) => key.push('\\'),
            ('~', Some(nth)) if nth <= LAST_C1 - DELETE => key.push(char::from_u32(DELETE + nth)?),
            _ => {
                key.push(c);
                continue;
            }
        }
        rest = next.as_str();
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Characters that are encoded, those that they are encoded as, and neighbours of both.
    const TROUBLE: &[char] = &[
        '\0',
        '\t',
        '\x1f',
        ' ',
        '!',
        '-',
        '.',
        '/',
        '0',
        'A',
        'V',
        'Z',
        '[',
        '\\',
        ']',
        'z',
        '}',
        '~',
        '\x7f',
        '\u{85}',
        '\u{9f}',
        '\u{a0}',
        '\u{4e00}',
        '\u{5200}',
        '\u{ac00}',
        '\u{d7ff}',
        '\u{e000}',
        '\u{fffc}',
        '\u{fffd}',
        '\u{fffe}',
        '\u{ffff}',
        '\u{10000}',
        '😀',
        '\u{10ffff}',
    ];

    fn assert_in_order(a: &str, b: &str) {
        let (x, y) = (encode(a), encode(b));
        assert_eq!(a.cmp(b), x.cmp(&y), "{a:?} {b:?}: {x:?} {y:?}");
        assert_eq!(a.cmp(b), x.encode_utf16().cmp(y.encode_utf16()), "{a:?} {b:?} in UTF-16: {x:?} {y:?}");
    }

    fn assert_allowed(name: &str) {
        assert!(
            name.chars().all(|c| c >= ' ' && c <= HIGH && c != '\\' && !('\x7f'..='\u{9f}').contains(&c)),
            "{name:?}"
        );
        assert!(!name.ends_with(' ') && name.split('/').all(|segment| !segment.ends_with('.')), "{name:?}");
        assert!(!name.starts_with(".causeway/"), "{name:?}");
    }

    fn assert_good(key: &str) {
        let name = encode(key);
        assert_eq!(decode(&name).as_deref(), Some(key), "{name:?}");
        assert_allowed(&name);
        assert_eq!(name.matches('/').count(), key.matches('/').count());
        for (at, _) in key.char_indices().chain([(key.len(), ' ')]) {
            let prefix = encode_prefix(&key[..at]);
            assert!(name.starts_with(&prefix), "{:?} {prefix:?} {name:?}", &key[..at]);
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
        keys.windows(2).for_each(|pair| assert_in_order(&pair[0], &pair[1]));
    }

    #[test]
    fn ordinary_keys_are_their_own_names() {
        for key in [
            "a",
            "a/b.txt",
            "a b/c  d",
            "a//b",
            "/a",
            "a/",
            "日本語（１）.txt",
            "é/e\u{301}",
            "%2e+&?#*:\"<>|",
            ".git/config",
            "..a",
        ] {
            assert_eq!((encode(key).as_str(), decode(key).as_deref()), (key, Some(key)));
        }
    }

    #[test]
    fn names_that_no_key_has_are_none() {
        for name in [
            ".causeway/x",
            "a.",
            "a/../b",
            "\u{1}",
            "😀",
            "a   b",
            "a ",
            "\u{fffd}",
            "\u{fffd}9",
            "[\u{fffd}\u{ac01}",
        ] {
            assert_eq!(decode(name), None, "{name:?}");
        }
    }

    #[test]
    fn the_reserved_folder_is_out_of_reach() {
        for key in
            [".causeway", ".causeway/", ".causeway/x", ".causeway./x", "x/.causeway/y", ".causeway.\u{fffd}"]
        {
            assert_good(key);
        }
        assert_eq!(encode("x/.causeway/y"), "x/.causeway/y");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn any_two_keys_keep_their_order(
            stem in prop::collection::vec(prop::sample::select(TROUBLE), 0..6),
            a in prop::collection::vec(prop::sample::select(TROUBLE), 0..6),
            b in prop::collection::vec(prop::sample::select(TROUBLE), 0..6),
            any in "\\PC{0,8}",
        ) {
            let stem: String = stem.into_iter().collect();
            let (a, b) = (a.into_iter().collect::<String>(), b.into_iter().collect::<String>());
            let (a, b) = (format!("{stem}{a}{any}"), format!("{stem}{b}"));
            assert_good(&a);
            assert_in_order(&a, &b);
        }
    }
}
