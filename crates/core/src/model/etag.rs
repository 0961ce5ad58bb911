//! Entity tags.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, sync::Arc};

/// The length of an MD5 in hex.
const HEX: usize = 32;

/// An entity tag without its quotes. An object written by one PUT has its MD5 in hex. A multipart object has
/// the MD5 of its parts' MD5s, followed by `-N`. Where the MD5 is not known, the tag is opaque text with a
/// `-` in it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ETag(Text);

/// A text of the length of an MD5 has its place in the tag itself: a listing has a thousand tags, and nearly all
/// are MD5s. Each text has one form, so that equal tags are equal.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Text {
    Short([u8; HEX]),
    Other(Arc<str>),
}

impl ETag {
    pub fn from_md5(md5: [u8; 16]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        // Each write makes several tags: this takes a tenth of the time that the formatter takes.
        let mut text = [0; HEX];
        for (byte, digits) in md5.iter().zip(text.chunks_exact_mut(2)) {
            digits.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        Self(Text::Short(text))
    }

    /// Returns the ETag of a multipart object. `md5` is that of the concatenated binary MD5s of its parts,
    /// and `parts` is their number.
    pub fn multipart(md5: [u8; 16], parts: usize) -> Self {
        Self::opaque(format!("{}-{parts}", hex::encode(md5)))
    }

    /// Parses a tag that a client sent, with or without quotes and the mark of a weak tag. S3 compares all of
    /// these alike.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let text = text.strip_prefix("W/").unwrap_or(text);
        Self::opaque(text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text))
    }

    pub fn opaque(text: impl AsRef<str> + Into<Arc<str>>) -> Self {
        Self(match text.as_ref().as_bytes().try_into() {
            Ok(short) => Text::Short(short),
            Err(_) => Text::Other(text.into()),
        })
    }

    pub fn as_str(&self) -> &str {
        match &self.0 {
            // It was text when the tag was made.
            Text::Short(text) => std::str::from_utf8(text).unwrap_or_default(),
            Text::Other(text) => text,
        }
    }

    /// Returns the MD5 that this tag represents, if it represents one.
    pub fn as_md5(&self) -> Option<[u8; 16]> {
        let mut md5 = [0; 16];
        hex::decode_to_slice(self.as_str(), &mut md5).ok()?;
        Some(md5)
    }

    /// Returns whether the tag is computed from the bytes: it is the MD5 of the body, or made of those of the
    /// parts.
    pub fn tells_bytes(&self) -> bool {
        let of_parts = |(digest, count): (&str, &str)| {
            count.parse::<u16>().is_ok() && Self::parse(digest).as_md5().is_some()
        };
        self.as_md5().is_some() || self.as_str().rsplit_once('-').is_some_and(of_parts)
    }

    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.as_str())
    }
}

impl fmt::Debug for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for ETag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ETag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::opaque)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_weakness_do_not_change_a_tag() {
        let tag = ETag::from_md5([0xab; 16]);
        for text in [tag.quoted(), tag.as_str().to_owned(), format!("W/{}", tag.quoted())] {
            assert_eq!(ETag::parse(&text), tag);
        }
        assert_eq!(tag.as_md5(), Some([0xab; 16]));
        assert_eq!(ETag::opaque("ab".repeat(16)), tag);
        let every_digit =
            [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10];
        assert_eq!(ETag::from_md5(every_digit).as_str(), hex::encode(every_digit));
        assert_eq!(ETag::multipart([0xab; 16], 3).as_md5(), None);
        let tells = |text: &str| ETag::parse(text).tells_bytes();
        assert!(tag.tells_bytes() && ETag::multipart([0xab; 16], 3).tells_bytes());
        assert!(!["version-28", "0x8DC", "", "-1"].map(tells).contains(&true));
    }

    #[test]
    fn any_text_comes_back_as_it_was() {
        for text in ["", "a", &"é".repeat(16), &"x".repeat(32), &"x".repeat(33)] {
            let tag = ETag::opaque(text);
            let stored = serde_json::to_string(&tag).expect("a text");
            assert_eq!((tag.as_str(), &stored), (text, &serde_json::to_string(text).expect("a text")));
            assert_eq!(serde_json::from_str::<ETag>(&stored).expect("a tag"), tag);
        }
    }
}
