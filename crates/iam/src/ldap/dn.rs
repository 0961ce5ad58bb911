//! The form in which distinguished names are compared (RFC 4514): letters in lower case, no blanks around
//! separators, escapes in one spelling.
//!
//! Invariant: names with the same form are one name for every directory whose naming attributes ignore case,
//! as `cn`, `ou`, `uid` and `dc` do. An escaped character stays apart from one that separates.

/// The form of a name by which it is compared.
pub(super) fn fold(dn: &str) -> String {
    let mut folded: Vec<u8> = Vec::with_capacity(dn.len());
    // Blanks that may yet turn out to be at the end of a value.
    let mut blanks = 0;
    let mut bytes = dn.bytes().peekable();
    let mut at_start = true;
    while let Some(byte) = bytes.next() {
        match byte {
            b',' | b';' | b'=' | b'+' => {
                folded.push(if byte == b';' { b',' } else { byte });
                (blanks, at_start) = (0, true);
            }
            b' ' if at_start => {}
            b' ' => blanks += 1,
            byte => {
                folded.extend(std::iter::repeat_n(b' ', blanks));
                (blanks, at_start) = (0, false);
                if byte == b'\\' {
                    escape(&mut folded, escaped(&mut bytes));
                } else {
                    folded.push(byte);
                }
            }
        }
    }
    String::from_utf8_lossy(&folded).to_lowercase()
}

/// The byte that an escape stands for: two digits, or one character that means itself.
fn escaped(bytes: &mut std::iter::Peekable<std::str::Bytes<'_>>) -> u8 {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let first = bytes.next().unwrap_or(b'\\');
    match (digit(first), bytes.peek().copied().and_then(digit)) {
        (Some(high), Some(low)) => {
            bytes.next();
            high << 4 | low
        }
        _ => first,
    }
}

/// Characters that need no escape lose it; others are written in one way.
fn escape(to: &mut Vec<u8>, byte: u8) {
    if byte >= 0x80 || byte.is_ascii_alphanumeric() {
        to.push(byte);
    } else {
        to.extend(format!("\\{byte:02x}").bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_one_form_in_every_spelling() {
        let form = "cn=ops team,ou=groups,dc=example,dc=com";
        for spelling in [
            "cn=ops team,ou=groups,dc=example,dc=com",
            "CN=Ops Team, OU=Groups , DC=example;DC = com",
            r"cn=\6fps team,ou=groups,dc=example,dc=com",
        ] {
            assert_eq!(fold(spelling), form, "{spelling}");
        }
        assert_eq!(fold(r"cn=M\C3\BCller,dc=x"), fold("cn=Müller,dc=x"));
        assert_eq!(fold(r"cn=a\, b,dc=x"), fold(r"cn=a\2C b,dc=x"));
    }

    #[test]
    fn an_escaped_separator_separates_nothing() {
        assert_ne!(fold(r"cn=a\,ou=b,dc=x"), fold("cn=a,ou=b,dc=x"));
        assert_ne!(fold(r"cn=a\+b,dc=x"), fold("cn=a+b,dc=x"));
        assert_ne!(fold(r"cn=a\20,dc=x"), fold("cn=a,dc=x"));
        assert_eq!(fold(r"cn=a\"), r"cn=a\5c");
    }
}
