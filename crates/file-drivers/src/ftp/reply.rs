//! Replies of servers on the control connection, and the values in some of them.

use crate::model::Timestamp;
use std::net::Ipv4Addr;
use time::{Date, Month, PrimitiveDateTime, Time};

/// One complete reply. Its code is that of the first line and of the last line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// The first and the last line without the code; those between them unchanged.
    pub(super) lines: Vec<String>,
}

impl Reply {
    /// Returns the text of the reply for messages: one line, without control characters.
    pub(super) fn words(&self) -> String {
        let last = self.lines.last().map(String::as_str).unwrap_or_default();
        last.chars().filter(|c| !c.is_control()).take(200).collect()
    }

    pub(super) fn is_preliminary(&self) -> bool {
        self.code < 200
    }

    /// Returns whether the code is `2xx` or `3xx` (a further command is expected).
    pub(super) fn is_positive(&self) -> bool {
        (200..400).contains(&self.code)
    }

    /// Returns the lines between the first and the last one.
    pub(super) fn inner(&self) -> &[String] {
        self.lines.get(1..self.lines.len().saturating_sub(1)).unwrap_or_default()
    }
}

/// Collects lines until a reply is complete.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    code: Option<u16>,
    lines: Vec<String>,
}

impl Gathering {
    /// Returns the reply once its last line was added. An error means that the line is not part of a reply.
    pub(super) fn take(&mut self, line: &[u8]) -> Result<Option<Reply>, ()> {
        let line = String::from_utf8_lossy(line).into_owned();
        let code = line
            .get(..3)
            .filter(|code| code.bytes().all(|c| c.is_ascii_digit()))
            .and_then(|code| code.parse::<u16>().ok());
        let after = line.as_bytes().get(3).copied();
        let rest = || line.get(4..).unwrap_or_default().to_owned();
        match (self.code, code) {
            (None, Some(code @ 100..600)) if after == Some(b'-') => {
                self.code = Some(code);
                self.lines.push(rest());
                Ok(None)
            }
            (None, Some(code @ 100..600)) if matches!(after, None | Some(b' ')) => {
                Ok(Some(Reply { code, lines: vec![rest()] }))
            }
            (None, _) => Err(()),
            (Some(first), Some(code)) if code == first && matches!(after, None | Some(b' ')) => {
                self.lines.push(rest());
                self.code = None;
                Ok(Some(Reply { code, lines: std::mem::take(&mut self.lines) }))
            }
            (Some(_), _) => {
                self.lines.push(line);
                Ok(None)
            }
        }
    }
}

/// Parses the port in `Entering Extended Passive Mode (|||6446|)`.
pub(super) fn extended_port(words: &str) -> Option<u16> {
    let (_, inner) = words.split_once('(')?;
    let (inner, _) = inner.split_once(')')?;
    let delimiter = inner.chars().next()?;
    inner.split(delimiter).nth(3)?.parse().ok().filter(|port| *port > 0)
}

/// Parses the port in `Entering Passive Mode (h1,h2,h3,h4,p1,p2).` The address is ignored: a server could
/// otherwise make the client connect to any host.
pub(super) fn passive_port(words: &str) -> Option<u16> {
    let from = words.find(|c: char| c.is_ascii_digit())?;
    let numbers: Vec<u8> = words[from..]
        .split(|c: char| !c.is_ascii_digit() && c != ',')
        .next()?
        .split(',')
        .map(|number| number.parse().ok())
        .collect::<Option<_>>()?;
    let [a, b, c, d, high, low] = numbers[..] else { return None };
    let _ = Ipv4Addr::new(a, b, c, d);
    Some(u16::from_be_bytes([high, low])).filter(|port| *port > 0)
}

/// Parses the folder in `"/some ""quoted"" folder" is the current directory`.
pub(super) fn quoted(words: &str) -> Option<String> {
    let mut rest = words.strip_prefix('"')?;
    let mut folder = String::new();
    loop {
        let (before, after) = rest.split_once('"')?;
        folder.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                folder.push('"');
                rest = after;
            }
            None => return Some(folder),
        }
    }
}

/// Parses `YYYYMMDDHHMMSS[.f…]`, which is in UTC.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    if whole.len() != 14 || !whole.bytes().chain(fraction.bytes()).all(|c| c.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| whole[from..to].parse::<u16>().ok();
    let small = |from: usize| number(from, from + 2).and_then(|number| u8::try_from(number).ok());
    let month = Month::try_from(small(4)?).ok()?;
    let date = Date::from_calendar_date(i32::from(number(0, 4)?), month, small(6)?).ok()?;
    // A leap second becomes the second before it.
    let time = Time::from_hms(small(8)?, small(10)?, small(12)?.min(59)).ok()?;
    let seconds = PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp();
    let millis: i64 =
        format!("{:0<3}", fraction.get(..fraction.len().min(3)).unwrap_or_default()).parse().ok()?;
    Some(Timestamp::from_millis(seconds * 1000 + millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gather(text: &str) -> Result<Vec<Reply>, ()> {
        let mut gathering = Gathering::default();
        let replies = text.lines().map(|line| gathering.take(line.as_bytes()));
        replies.filter_map(Result::transpose).collect()
    }

    #[test]
    fn replies_of_one_line_and_of_many_are_told_apart() {
        let text = "220 hello\n250-Listing\n type=file; /a\n250 End\n211-Features:\n 211 is no end\n211-nor this\nnor 211 that\n211\n226";
        let replies = gather(text).expect("replies");
        let codes: Vec<u16> = replies.iter().map(|reply| reply.code).collect();
        assert_eq!(codes, [220, 250, 211, 226]);
        assert_eq!(replies[1].inner(), [" type=file; /a"]);
        assert_eq!(replies[2].lines.len(), 5);
        for text in ["hello", "22 x", "2200 x", "999 x", "22x y", "", "220_x"] {
            assert!(text.is_empty() || gather(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ports_are_read_and_addresses_are_not() {
        assert_eq!(extended_port("Entering Extended Passive Mode (|||6446|)"), Some(6446));
        assert_eq!(extended_port("mode (!!!6446!)."), Some(6446));
        for words in ["(|||0|)", "(|||x|)", "(|||70000|)", "|||6446|", "()", "(||6446|)"] {
            assert_eq!(extended_port(words), None, "{words}");
        }
        assert_eq!(passive_port("Entering Passive Mode (10,0,0,1,4,1)."), Some(1025));
        assert_eq!(passive_port("Entering Passive Mode 10,0,0,1,4,1"), Some(1025));
        for words in ["(10,0,0,1,4)", "(10,0,0,256,4,1)", "(10,0,0,1,0,0)", "no", "(10,0,0,1,4,1,5)"] {
            assert_eq!(passive_port(words), None, "{words}");
        }
    }

    #[test]
    fn folders_and_times_are_read() {
        assert_eq!(quoted("\"/a \"\"b\"\"\" is it").as_deref(), Some("/a \"b\""));
        assert_eq!(quoted("/a is it"), None);
        assert_eq!(quoted("\"/a"), None);
        assert_eq!(time("20071029155301").map(Timestamp::seconds), Some(1_193_673_181));
        assert_eq!(time("19700101000001.5").map(Timestamp::millis), Some(1500));
        assert_eq!(time("19700101000001.123456").map(Timestamp::millis), Some(1123));
        for text in ["", "2007", "20071329155301", "2007102915530é", "19107102915530", "20070230000000"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_servers_may_say_is_a_panic(text in "(.|\n){0,80}|[0-9(),|\"é -]{0,40}") {
            let _ = (gather(&text), extended_port(&text), passive_port(&text), quoted(&text), time(&text));
        }
    }
}
