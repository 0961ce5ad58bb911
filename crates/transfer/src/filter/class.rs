//! Classes of characters in patterns: `[a-z]`, `[!a]`, `[[:alpha:]]`, `\d`.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
    /// Classes within the brackets that are negated by themselves: `[\D_]`.
    others: Vec<Class>,
    /// A path separator never belongs to the class.
    no_slash: bool,
}

const DIGITS: &[(char, char)] = &[('0', '9')];
const SPACES: &[(char, char)] = &[(' ', ' '), ('\t', '\n'), ('\u{c}', '\r')];
const WORDS: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

/// The named classes of POSIX, which are of ASCII.
const POSIX: &[(&str, &[(char, char)])] = &[
    ("alnum", &[('0', '9'), ('A', 'Z'), ('a', 'z')]),
    ("alpha", &[('A', 'Z'), ('a', 'z')]),
    ("ascii", &[('\0', '\u{7f}')]),
    ("blank", &[(' ', ' '), ('\t', '\t')]),
    ("cntrl", &[('\0', '\u{1f}'), ('\u{7f}', '\u{7f}')]),
    ("digit", DIGITS),
    ("graph", &[('!', '~')]),
    ("lower", &[('a', 'z')]),
    ("print", &[(' ', '~')]),
    ("punct", &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
    ("space", &[(' ', ' '), ('\t', '\r')]),
    ("upper", &[('A', 'Z')]),
    ("word", WORDS),
    ("xdigit", &[('0', '9'), ('A', 'F'), ('a', 'f')]),
];

impl Class {
    fn of(ranges: &[(char, char)], negated: bool) -> Self {
        Self { negated, ranges: ranges.to_vec(), others: Vec::new(), no_slash: false }
    }

    pub(super) fn any() -> Self {
        Self::of(&[], true)
    }

    /// Returns the class of `\d` and its like.
    pub(super) fn perl(letter: char) -> Option<Self> {
        let ranges = match letter.to_ascii_lowercase() {
            'd' => DIGITS,
            's' => SPACES,
            'w' => WORDS,
            _ => return None,
        };
        Some(Self::of(ranges, letter.is_ascii_uppercase()))
    }

    pub(super) fn without_slash(self) -> Self {
        Self { no_slash: true, ..self }
    }

    pub(super) fn has(&self, read: char) -> bool {
        let named = self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&read))
            || self.others.iter().any(|class| class.has(read));
        named != self.negated && !(self.no_slash && read == '/')
    }
}

/// Reads the class that begins at `at` with a `[`. Returns it with the place behind its `]`.
pub(super) fn parse(chars: &[char], at: usize) -> Result<(Class, usize), &'static str> {
    const OPEN: &str = "there is a '[' without its ']'";
    let mut at = at + 1;
    let negated = matches!(chars.get(at), Some('!' | '^'));
    at += usize::from(negated);
    let mut class = Class::of(&[], negated);
    let first = at;
    loop {
        match chars.get(at).ok_or(OPEN)? {
            // A ']' in the first place stands for itself.
            ']' if at > first => return Ok((class, at + 1)),
            '[' if chars.get(at + 1) == Some(&':') => {
                let length = chars[at + 2..].iter().position(|read| *read == ':').ok_or(OPEN)?;
                let name: String = chars[at + 2..at + 2 + length].iter().collect();
                at += length + 4;
                if chars.get(at - 1) != Some(&']') {
                    return Err("a named class ends with ':]'");
                }
                let (name, negated) = match name.strip_prefix('^') {
                    Some(name) => (name.to_owned(), true),
                    None => (name, false),
                };
                let (_, ranges) =
                    POSIX.iter().find(|(known, _)| *known == name).ok_or("no named class has this name")?;
                class.others.push(Class::of(ranges, negated));
            }
            '\\' if chars.get(at + 1).copied().and_then(Class::perl).is_some() => {
                class.others.extend(Class::perl(chars[at + 1]));
                at += 2;
            }
            _ => {
                let from = one(chars, &mut at).ok_or(OPEN)?;
                let is_range = chars.get(at) == Some(&'-') && chars.get(at + 1).is_some_and(|c| *c != ']');
                let to = if is_range {
                    at += 1;
                    one(chars, &mut at).ok_or(OPEN)?
                } else {
                    from
                };
                if from > to {
                    return Err("a range of characters ends before it begins");
                }
                class.ranges.push((from, to));
            }
        }
    }
}

/// Reads one character, which may be escaped.
fn one(chars: &[char], at: &mut usize) -> Option<char> {
    *at += usize::from(chars.get(*at) == Some(&'\\'));
    let read = chars.get(*at).copied();
    *at += 1;
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_ranges_names_and_escapes() {
        let has = |text: &str, read| {
            let chars: Vec<char> = text.chars().collect();
            let (class, end) = parse(&chars, 0).expect("a class");
            assert_eq!(end, chars.len(), "{text}");
            class.has(read)
        };
        for (text, yes, no) in [
            ("[a-c]", 'b', 'd'),
            ("[^a-c]", 'd', 'b'),
            ("[!x]", '/', 'x'),
            (r"[\]]", ']', '\\'),
            ("[]a]", ']', 'b'),
            (r"[\-x]", '-', 'y'),
            ("[a-]", '-', 'b'),
            (r"[\d_]", '7', 'a'),
            (r"[\D]", 'a', '7'),
            (r"[^\d]", 'a', '7'),
            ("[[:alpha:]0]", '0', '1'),
            ("[[:^alpha:]]", '1', 'a'),
        ] {
            assert!(has(text, yes) && !has(text, no), "{text}");
        }
        for wrong in ["[", "[a", "[[:what:]]", "[[:alpha]", "[b-a]", "[^"] {
            assert!(parse(&wrong.chars().collect::<Vec<_>>(), 0).is_err(), "{wrong}");
        }
    }
}
