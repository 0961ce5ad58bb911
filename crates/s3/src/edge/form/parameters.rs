//! Values with parameters, as `Content-Type` and the `Content-Disposition` of a part have them:
//! `form-data; name="key"; filename="a.txt"`.
//!
//! Owns the syntax, not the meaning. Invariant: what is not understood is `None`, never a guess.

use percent_encoding::percent_decode_str;

/// The value in lower case, and its parameters with names in lower case.
pub(super) fn parse(text: &str) -> Option<(String, Vec<(String, String)>)> {
    let (value, mut rest) = match text.split_once(';') {
        Some((value, rest)) => (value, rest.trim_start()),
        None => (text, ""),
    };
    let mut parameters: Vec<(String, String)> = Vec::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => until_quote(quoted)?,
            None => {
                let (token, after) = after.split_once(';').unwrap_or((after, ""));
                (token.trim().to_owned(), after)
            }
        };
        let name = name.trim().to_ascii_lowercase();
        if name.is_empty() || parameters.iter().any(|(known, _)| *known == name) {
            return None;
        }
        parameters.push((name, value));
        rest = after.trim_start();
    }
    Some((value.trim().to_ascii_lowercase(), parameters))
}

/// The text up to the closing quote, and what follows the next semicolon. Browsers escape nothing but the
/// quote: the backslashes of a path on Windows mean themselves.
fn until_quote(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' if characters.peek().is_some_and(|(_, next)| *next == '"') => {
                text.push('"');
                characters.next();
            }
            '"' => {
                let after = quoted.get(at + 1..)?.trim_start();
                return match after.strip_prefix(';') {
                    Some(after) => Some((text, after)),
                    None if after.is_empty() => Some((text, after)),
                    None => None,
                };
            }
            other => text.push(other),
        }
    }
    None
}

/// The value of a parameter. The extended form (RFC 8187), which names its character set, wins.
pub(super) fn get(parameters: &[(String, String)], name: &str) -> Option<String> {
    let find = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    let extended = find(&format!("{name}*")).and_then(|value| {
        let (charset, value) = value.split_once('\'')?;
        let (_language, value) = value.split_once('\'')?;
        let is_utf8 = charset.eq_ignore_ascii_case("utf-8");
        percent_decode_str(value).decode_utf8().ok().filter(|_| is_utf8).map(|text| text.into_owned())
    });
    extended.or_else(|| find(name).cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(String, Vec<(String, String)>)> {
        parse(text)
    }

    fn owned(value: &str, parameters: &[(&str, &str)]) -> Option<(String, Vec<(String, String)>)> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Some((value.to_owned(), parameters.iter().map(pair).collect()))
    }

    #[test]
    fn parameters_are_tokens_or_quoted() {
        assert_eq!(parsed("text/plain"), owned("text/plain", &[]));
        assert_eq!(
            parsed("Form-Data; Name=\"key\" ; filename=a.txt;"),
            owned("form-data", &[("name", "key"), ("filename", "a.txt")])
        );
        assert_eq!(parsed("a; b=\"c;d=e\"; f=g"), owned("a", &[("b", "c;d=e"), ("f", "g")]));
    }

    #[test]
    fn a_quote_is_escaped_and_a_backslash_means_itself() {
        assert_eq!(parsed(r#"a; f="C:\dir\n\"1\".txt""#), owned("a", &[("f", r#"C:\dir\n"1".txt"#)]));
    }

    #[test]
    fn what_is_not_understood_is_no_value() {
        for text in ["a; b", "a; b=\"c", "a; b=\"c\"d", "a; =c", "a; b=1; B=2"] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn the_extended_form_wins_if_it_is_utf8() {
        let name = |text: &str| get(&parse(text).expect("parses").1, "filename");
        assert_eq!(name("a; filename=x; filename*=utf-8''%C3%A4.txt").as_deref(), Some("ä.txt"));
        assert_eq!(name("a; filename=x; filename*=koi8-r''%C3.txt").as_deref(), Some("x"));
        assert_eq!(name("a; filename*=utf-8''%FF").as_deref(), None);
    }
}
