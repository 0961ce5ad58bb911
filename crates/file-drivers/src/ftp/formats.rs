//! Parses the output of LIST, which is written for people: the formats of `ls -l` and of DOS.
//!
//! Times in it are ignored: their zone is unknown, and their precision is minutes or days. A line that cannot
//! be parsed is an error for its folder, because a line that is skipped would make a file disappear.

use crate::backend::tree::files::EntryKind;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'l> {
    Entry {
        kind: EntryKind,
        size: u64,
        name: &'l [u8],
    },
    /// A headline or an empty line.
    Void,
    /// A format that is not known.
    Strange,
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

pub(super) fn line(line: &[u8]) -> Line<'_> {
    if line.iter().all(|c| c.is_ascii_whitespace()) {
        return Line::Void;
    }
    let words: Vec<(&str, usize)> = Words { line, at: 0 }.take(12).collect();
    if let [("total", _), (number, _)] = words[..]
        && number.bytes().all(|c| c.is_ascii_digit())
    {
        return Line::Void;
    }
    unix(line, &words).or_else(|| dos(line, &words)).unwrap_or(Line::Strange)
}

/// Parses `-rw-r--r--   1 owner group     1024 Jan  2 12:34 name`, with any number of columns before the
/// size.
fn unix<'l>(line: &'l [u8], words: &[(&str, usize)]) -> Option<Line<'l>> {
    let (mode, _) = words.first()?;
    if mode.len() < 10 || !mode.bytes().skip(1).take(9).all(|c| b"rwxsStTlL-".contains(&c)) {
        return None;
    }
    let kind = match mode.as_bytes()[0] {
        b'-' => EntryKind::File,
        b'd' => EntryKind::Folder,
        b'l' | b'b' | b'c' | b'p' | b's' | b'D' => EntryKind::Other,
        _ => return None,
    };
    // Looks for the first number that a date follows: that number is the size. Columns before it, such as
    // group names, may contain anything.
    for at in 1..words.len() {
        let Ok(size) = words[at].0.parse::<u64>() else { continue };
        let Some(length) = date(&words[at + 1..]) else { continue };
        let (last, begin) = words[at + length];
        let name = line.get(begin + last.len() + 1..).filter(|name| !name.is_empty())?;
        let size = if kind == EntryKind::File { size } else { 0 };
        return Some(Line::Entry {
            kind,
            size,
            name: if mode.starts_with('l') { without_target(name) } else { name },
        });
    }
    None
}

/// Returns how many words form a date: `Jan 2 12:34`, `Jan 2 2020`, `2 Jan 2020`, `2020-01-02 12:34`.
fn date(words: &[(&str, usize)]) -> Option<usize> {
    let word = |at: usize| words.get(at).map(|(word, _)| *word);
    let is_month = |word: &str| MONTHS.iter().any(|month| word.eq_ignore_ascii_case(month));
    let is_day = |word: &str| word.parse::<u8>().is_ok_and(|day| (1..=31).contains(&day));
    let is_year = |word: &str| word.len() == 4 && word.bytes().all(|c| c.is_ascii_digit());
    match (word(0)?, word(1)?) {
        (month, day) if is_month(month) && is_day(day) => {
            word(2).filter(|last| is_year(last) || is_time(last)).map(|_| 3)
        }
        (day, month) if is_month(month) && is_day(day) => {
            word(2).filter(|last| is_year(last) || is_time(last)).map(|_| 3)
        }
        (day, time) if is_iso_day(day) && is_time(time) => Some(2),
        _ => None,
    }
}

fn is_time(word: &str) -> bool {
    let parts: Vec<&str> = word.split(':').collect();
    (2..=3).contains(&parts.len())
        && parts.iter().all(|part| (1..=2).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_digit()))
}

fn is_iso_day(word: &str) -> bool {
    word.len() == 10
        && word
            .bytes()
            .enumerate()
            .all(|(at, c)| if matches!(at, 4 | 7) { c == b'-' } else { c.is_ascii_digit() })
}

fn without_target(name: &[u8]) -> &[u8] {
    name.windows(4).position(|window| window == b" -> ").map_or(name, |at| &name[..at])
}

/// Parses `01-02-26  03:45PM       <DIR>          name` and `01-02-2026  15:45      1024 name`.
fn dos<'l>(line: &'l [u8], words: &[(&str, usize)]) -> Option<Line<'l>> {
    let [(day, _), (time, _), (size, begin), ..] = words else { return None };
    let digits = |word: &str, separator: char| {
        word.split(separator).all(|part| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit()))
    };
    if !(matches!(day.len(), 8 | 10) && day.split('-').count() == 3 && digits(day, '-')) {
        return None;
    }
    let clock = time.trim_end_matches(['A', 'P', 'M', 'a', 'p', 'm']);
    if !is_time(clock) {
        return None;
    }
    let rest = line.get(begin + size.len() + 1..)?;
    let blanks = rest.iter().take_while(|c| **c == b' ').count();
    let (kind, size, name) = match *size {
        "<DIR>" => (EntryKind::Folder, 0, &rest[blanks..]),
        "<JUNCTION>" | "<SYMLINK>" | "<SYMLINKD>" => (EntryKind::Other, 0, &rest[blanks..]),
        size => (EntryKind::File, size.parse().ok()?, rest),
    };
    (!name.is_empty()).then_some(Line::Entry { kind, size, name })
}

/// The words of a line and the position of each, as far as the line is UTF-8.
struct Words<'l> {
    line: &'l [u8],
    at: usize,
}

impl<'l> Iterator for Words<'l> {
    type Item = (&'l str, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let begin = self.at + self.line.get(self.at..)?.iter().position(|c| *c != b' ')?;
        let rest = &self.line[begin..];
        let length = rest.iter().position(|c| *c == b' ').unwrap_or(rest.len());
        self.at = begin + length;
        // A word that is not UTF-8 is the owner's name, or belongs to the file name, which comes last.
        Some((std::str::from_utf8(&rest[..length]).unwrap_or("?"), begin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(text: &str) -> (EntryKind, u64, String) {
        match line(text.as_bytes()) {
            Line::Entry { kind, size, name } => (kind, size, String::from_utf8_lossy(name).into_owned()),
            other => panic!("{other:?} of {text:?}"),
        }
    }

    #[test]
    fn lines_of_real_servers_are_read() {
        let file = |size, name: &str| (EntryKind::File, size, name.to_owned());
        for (text, expected) in [
            ("-rw-r--r--   1 ftp      ftp          1024 Jan 02 12:34 a b", file(1024, "a b")),
            ("-rw-------    1 1000     1000            0 Nov 21  2025  lead", file(0, " lead")),
            ("-rw-r--r--+ 1 Jan 12 3 Feb 29 2024 x", file(3, "x")),
            ("-rwxr-xr-x 1 user domain users 77 2 Mar 2020 y", file(77, "y")),
            ("-rw-r--r-- 1 u g 5 2024-02-29 23:59 z", file(5, "z")),
            ("-rw-r--r-- 1 u 5 May 5 5:05 5", file(5, "5")),
            ("-rw-rw-rw-   1 0 0 9 Jan 1 12:00 1 Jan 1 12:00", file(9, "1 Jan 1 12:00")),
            ("drwxr-xr-x   2 ftp ftp 4096 Jan 02 12:34 d", (EntryKind::Folder, 0, "d".into())),
            ("lrwxrwxrwx   1 ftp ftp 4 Jan 02 12:34 l -> /etc", (EntryKind::Other, 0, "l".into())),
            (
                "01-02-26  03:45PM       <DIR>          Program Files",
                (EntryKind::Folder, 0, "Program Files".into()),
            ),
            ("01-02-2026  15:45            144700153 image 34.gif", file(144_700_153, "image 34.gif")),
        ] {
            assert_eq!(entry(text), expected, "{text}");
        }
        assert_eq!(line(b"total 12"), Line::Void);
        assert_eq!(line(b"  "), Line::Void);
        for text in [
            "-rw-r--r-- 1 u g 5 Jan 2 12:34",
            "-rw-r--r-- 1 u g x Jan 2 12:34 name",
            "hello",
            "01-02-26 03:45PM x y",
            "crw 1",
        ] {
            assert_eq!(line(text.as_bytes()), Line::Strange, "{text}");
        }
    }

    #[test]
    fn names_that_are_no_text_do_not_lose_their_line() {
        assert_eq!(
            line(b"-rw-r--r-- 1 \xff g 5 Jan 2 12:34 n\xfe"),
            Line::Entry { kind: EntryKind::File, size: 5, name: b"n\xfe" }
        );
    }

    proptest! {
        #[test]
        fn what_ls_writes_is_what_is_read(
            size: u64,
            name in "[^\r\n\0/]{1,40}",
            owner in "[a-zé0-9]{1,9}",
            group in "[a-z]{1,9}|Jan|12",
            month in prop::sample::select(vec!["Jan", "Feb", "Sep"]),
            day in 1u8..=31,
            time in "[0-2][0-9]:[0-5][0-9]|[12][0-9]{3}",
        ) {
            let text = format!("-rw-r--r--   1 {owner:8} {group:8} {size:>12} {month} {day:>2} {time:>5} {name}");
            prop_assert_eq!(entry(&text), (EntryKind::File, size, name));
        }

        #[test]
        fn what_dos_writes_is_what_is_read(size: u64, name in "[^\r\n\0/ ][^\r\n\0/]{0,40}", is_folder: bool) {
            let column = if is_folder { "<DIR>         ".to_owned() } else { format!("{size:>20}") };
            let expected = if is_folder { (EntryKind::Folder, 0, name.clone()) } else { (EntryKind::File, size, name.clone()) };
            prop_assert_eq!(entry(&format!("11-21-26  01:05PM       {column} {name}")), expected);
        }

        #[test]
        fn nothing_that_servers_may_say_is_a_panic(text in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = line(&text);
        }

        #[test]
        fn no_line_that_begins_like_an_entry_is_void(text in "[-dl][rwx-]{9} .{0,60}") {
            prop_assert_ne!(line(text.as_bytes()), Line::Void);
        }
    }
}
