//! Encoded words (RFC 2047): how text outside ASCII travels in a header, on S3 and on storages with the same
//! convention.
//!
//! Invariant: `decode(encode(text))` is the text, whatever it holds.

use base64::{Engine, engine::general_purpose::STANDARD};
use std::borrow::Cow;

const BEGIN: &str = "=?UTF-8?B?";
const END: &str = "?=";

/// The maximum number of bytes of text in one word. Encoded as Base64 and framed, the word then has at most
/// 75 characters.
const LONGEST: usize = 45;

/// Linear white space inside a header.
const BLANKS: [char; 2] = [' ', '\t'];

/// Encodes the text as words with a blank between them. No character is split between two words.
pub fn encode(text: &str) -> String {
    let mut words = String::with_capacity(text.len() * 2 + BEGIN.len() + END.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(LONGEST));
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(BEGIN);
        STANDARD.encode_string(piece, &mut words);
        words.push_str(END);
        rest = after;
    }
    words
}

/// Decodes the encoded words in the text. Blanks between two words are dropped. A word that is not valid
/// stays as it is.
pub fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains("=?") {
        return text.into();
    }
    let (mut decoded, mut rest, mut behind_word) = (String::with_capacity(text.len()), text, false);
    while !rest.is_empty() {
        let (blanks, tail) = rest.split_at(rest.len() - rest.trim_start_matches(BLANKS).len());
        let (token, after) = tail.split_at(tail.find(BLANKS).unwrap_or(tail.len()));
        let word = decode_word(token);
        if !behind_word || word.is_none() {
            decoded.push_str(blanks);
        }
        decoded.push_str(word.as_deref().unwrap_or(token));
        (behind_word, rest) = (word.is_some(), after);
    }
    decoded.into()
}

/// `=?CHARSET?ENCODING?TEXT?=`. A charset may name a language behind a `*` (RFC 2231 section 5).
fn decode_word(word: &str) -> Option<String> {
    let mut fields = word.strip_prefix("=?")?.strip_suffix(END)?.split('?');
    let (charset, encoding, text) = (fields.next()?, fields.next()?, fields.next()?);
    if fields.next().is_some() {
        return None;
    }
    let bytes = match encoding {
        "B" | "b" => STANDARD.decode(text).ok()?,
        "Q" | "q" => unquote(text)?,
        _ => return None,
    };
    let charset = charset.split_once('*').map_or(charset, |(charset, _)| charset);
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" => String::from_utf8(bytes).ok(),
        "us-ascii" => String::from_utf8(bytes).ok().filter(|text| text.is_ascii()),
        // The characters of this charset are the first 256 of Unicode.
        "iso-8859-1" => Some(bytes.into_iter().map(char::from).collect()),
        _ => None,
    }
}

fn unquote(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        out.push(match byte {
            b'_' => b' ',
            b'=' => u8::try_from(digit()? * 16 + digit()?).ok()?,
            b'!'..=b'~' => byte,
            _ => return None,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_of_every_kind_are_decoded() {
        for (words, text) in [
            ("=?UTF-8?B?w6Q=?=", "ä"),
            ("=?utf-8?q?caf=C3=A9_x?=", "café x"),
            ("=?UTF-8*de?B?w6Q=?=", "ä"),
            ("=?ISO-8859-1?Q?caf=e9?=", "café"),
            ("=?US-ASCII?B?YQ==?=", "a"),
            ("a =?UTF-8?Q?b?= c", "a b c"),
            ("=?UTF-8?B?w6Q=?= \t =?UTF-8?B?w7Y=?=  c", "äö  c"),
            ("=?UTF-8?B??=", ""),
        ] {
            assert_eq!(decode(words), text, "{words}");
        }
    }

    #[test]
    fn what_is_no_valid_word_stays_as_it_is() {
        for text in [
            "plain",
            "=?",
            "=??=",
            "=?UTF-8?B?w6Q?=",
            "=?UTF-8?B?/w==?=",
            "=?US-ASCII?B?w6Q=?=",
            "=?KOI8-R?B?w6Q=?=",
            "=?UTF-8?X?a?=",
            "=?UTF-8?Q?=4g?=",
            "=?UTF-8?Q?=+1?=",
            "=?UTF-8?Q?a?b?=",
            "x=?UTF-8?Q?a?=",
            "  =?UTF-8?Q?a b?= ",
        ] {
            assert_eq!(decode(text), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>()) {
            let words = encode(&text);
            prop_assert_eq!(decode(&words), text);
        }

        #[test]
        fn words_are_short_plain_and_of_whole_characters(text in "\\PC{0,200}") {
            let words = encode(&text);
            for word in words.split(' ').filter(|word| !word.is_empty()) {
                prop_assert!(word.len() <= 75 && word.bytes().all(|b| b.is_ascii_graphic()), "{}", word);
                prop_assert!(decode_word(word).is_some(), "{}", word);
            }
        }

        #[test]
        fn any_text_is_decoded_without_a_panic(text in "(=\\?|\\?=|\\?|UTF-8|[BQbq]|[ -~é]|=[0-9a-g]{2}){0,20}") {
            decode(&text);
        }
    }
}
