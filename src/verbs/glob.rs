//! Patterns of names: `*` is any text, `?` one character, `[a-z]` one of these, `[!a-z]` none of these.

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(char),
    One,
    Any,
    Set { ranges: Vec<(char, char)>, is_negated: bool },
}

impl Glob {
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut pieces, mut rest) = (Vec::new(), text.chars());
        while let Some(next) = rest.next() {
            pieces.push(match next {
                '*' => Piece::Any,
                '?' => Piece::One,
                '[' => {
                    Self::set(&mut rest).ok_or("a '[' has no ']'; write '\\[' for the character itself")?
                }
                '\\' => Piece::Text(rest.next().ok_or("nothing follows the last '\\'")?),
                other => Piece::Text(other),
            });
        }
        Ok(Self(pieces))
    }

    fn set(rest: &mut std::str::Chars<'_>) -> Option<Piece> {
        let (inside, after) = rest
            .as_str()
            .char_indices()
            .skip(1)
            .find(|(_, c)| *c == ']')
            .map(|(at, _)| rest.as_str().split_at(at))?;
        let (is_negated, inside) = inside.strip_prefix('!').map_or((false, inside), |inside| (true, inside));
        let (mut ranges, mut chars) = (Vec::new(), inside.chars().peekable());
        while let Some(from) = chars.next() {
            let mut ahead = chars.clone();
            match (ahead.next(), ahead.next()) {
                (Some('-'), Some(to)) => {
                    ranges.push((from, to));
                    chars = ahead;
                }
                _ => ranges.push((from, from)),
            }
        }
        *rest = after[1..].chars();
        Some(Piece::Set { ranges, is_negated })
    }

    /// Takes time in proportion to the length of the name times that of the pattern.
    pub fn matches(&self, name: &str) -> bool {
        // Whether the pieces so far match the name so far, for each length of the pattern.
        let step = |reached: &mut Vec<bool>| {
            for at in 0..self.0.len() {
                if reached[at] && self.0[at] == Piece::Any {
                    reached[at + 1] = true;
                }
            }
        };
        let mut reached = vec![false; self.0.len() + 1];
        reached[0] = true;
        step(&mut reached);
        for next in name.chars() {
            let mut after = vec![false; self.0.len() + 1];
            for (at, piece) in self.0.iter().enumerate().filter(|(at, _)| reached[*at]) {
                match piece {
                    Piece::Any => after[at] = true,
                    piece if piece.is(next) => after[at + 1] = true,
                    _ => {}
                }
            }
            reached = after;
            step(&mut reached);
        }
        reached[self.0.len()]
    }
}

impl Piece {
    fn is(&self, next: char) -> bool {
        match self {
            Self::Text(own) => *own == next,
            Self::One => true,
            Self::Any => false,
            Self::Set { ranges, is_negated } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&next)) != *is_negated
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_those_of_shells() {
        for (pattern, yes, no) in [
            ("*.jpg", &["a.jpg", ".jpg", "a.b.jpg"][..], &["a.jpeg", "a.jpg2"][..]),
            ("a?c", &["abc", "aéc"], &["ac", "abbc"]),
            ("[a-c]x", &["ax", "cx"], &["dx", "x"]),
            ("[!a-c]x", &["dx"], &["ax", "x"]),
            ("[]]", &["]"], &["["]),
            ("[-a]", &["-", "a"], &["b"]),
            ("\\*", &["*"], &["a"]),
            ("*a*b*", &["ab", "xaxbx"], &["ba"]),
            ("", &[""], &["a"]),
        ] {
            let glob = Glob::parse(pattern).expect("a pattern");
            assert!(yes.iter().all(|name| glob.matches(name)), "{pattern}");
            assert!(!no.iter().any(|name| glob.matches(name)), "{pattern}");
        }
        assert!(Glob::parse("[a").is_err());
        assert!(Glob::parse("a\\").is_err());
        // Every star could take any part of the name: this must not take long.
        assert!(!Glob::parse(&"*a".repeat(50)).expect("a pattern").matches(&"a".repeat(49)));
    }
}
