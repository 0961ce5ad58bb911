//! Byte ranges (RFC 9110 section 14).

/// One requested range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// `bytes=2-5`: both ends included.
    FromTo(u64, u64),
    /// `bytes=2-`
    From(u64),
    /// `bytes=-5`: the last five bytes.
    Suffix(u64),
}

/// Bytes `start..end` of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub start: u64,
    pub end: u64,
}

impl Span {
    pub fn len(self) -> u64 {
        self.end - self.start
    }

    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    pub fn whole(size: u64) -> Self {
        Self { start: 0, end: size }
    }
}

impl ByteRange {
    /// Parses a `Range` header. `None` for what S3 ignores (other units, several ranges, text that is no
    /// range): the whole object is sent.
    pub fn parse(header: &str) -> Option<Self> {
        let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
        let number = |text: &str| {
            (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
                .then(|| text.parse::<u64>().unwrap_or(u64::MAX))
        };
        match (first, last) {
            ("", suffix) => number(suffix).map(Self::Suffix),
            (from, "") => number(from).map(Self::From),
            (from, to) => {
                let (from, to) = (number(from)?, number(to)?);
                (from <= to).then_some(Self::FromTo(from, to))
            }
        }
    }

    /// Returns the bytes that the range selects in an object of `size` bytes. `None`: it selects none (416
    /// InvalidRange).
    pub fn resolve(self, size: u64) -> Option<Span> {
        let span = match self {
            Self::FromTo(from, to) => Span { start: from, end: to.saturating_add(1).min(size) },
            Self::From(from) => Span { start: from, end: size },
            Self::Suffix(n) => Span { start: size.saturating_sub(n), end: size },
        };
        (span.start < span.end).then_some(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_rfc_9110_resolve() {
        let of =
            |header: &str, size| ByteRange::parse(header).map(|r| r.resolve(size).map(|s| (s.start, s.end)));
        assert_eq!(of("bytes=0-0", 10), Some(Some((0, 1))));
        assert_eq!(of("bytes=4-", 10), Some(Some((4, 10))));
        assert_eq!(of("bytes=-4", 10), Some(Some((6, 10))));
        assert_eq!(of("bytes=-40", 10), Some(Some((0, 10))));
        assert_eq!(of("bytes=4-99999999999999999999", 10), Some(Some((4, 10))));
        assert_eq!(of("bytes=10-", 10), Some(None));
        assert_eq!(of("bytes=-0", 10), Some(None));
        assert_eq!(of("bytes=0-", 0), Some(None));
        for ignored in [
            "bytes=5-4",
            "bytes=abc",
            "bytes=0-1,3-4",
            "items=0-1",
            "bytes=-",
            "bytes",
            "bytes=+1-2",
            "bytes= -1",
            "bytes= 0-1",
            "bytes=0 -1",
        ] {
            assert_eq!(ByteRange::parse(ignored), None, "{ignored}");
        }
    }
}
