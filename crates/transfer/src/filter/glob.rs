//! Patterns of names, with rclone's syntax or gitignore's.
//!
//! A pattern becomes sequences of tokens, one for each alternative, that are matched character by character.
//! So a folder can be asked, too: whether a pattern matches all, some or none of the names below it.
//!
//! Invariant: matching takes time in proportion to the lengths of pattern and name.

use super::class::{self, Class};

/// Maximum number of alternatives that the braces of one pattern make.
const MOST_ALTERNATIVES: usize = 1000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    /// Matches from the beginning of a name only. Otherwise from behind any `/`, too.
    rooted: bool,
    alternatives: Vec<Vec<Token>>,
    fold: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Literal(char),
    /// One character but `/`.
    One,
    Class(Class),
    /// Characters but `/`.
    Star,
    /// Any characters.
    Stars,
}

/// How many of the names below a folder a pattern matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Below {
    None,
    Perhaps,
    All,
}

/// What is wrong with a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pattern {pattern:?}: {why}")]
pub struct PatternError {
    pub pattern: String,
    pub why: &'static str,
}

impl Glob {
    /// Parses rclone's syntax. `fold`: case does not matter.
    pub fn rclone(pattern: &str, fold: bool) -> Result<Self, PatternError> {
        let error = |why| PatternError { pattern: pattern.to_owned(), why };
        let (rooted, rest) = match pattern.strip_prefix('/') {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        let chars: Vec<char> = rest.chars().collect();
        let mut parser = Parser { chars: &chars, at: 0, stars_cross: false };
        let alternatives = parser.sequence(0).map_err(error)?;
        if parser.at < chars.len() {
            return Err(error("there is a '}' without its '{'"));
        }
        // The last part of every name matches `*`: so does every name.
        let everything = !rooted && alternatives.contains(&vec![Token::Star]);
        let alternatives = if everything { vec![vec![Token::Stars]] } else { alternatives };
        Ok(Self { rooted: rooted || everything, alternatives, fold })
    }

    /// Parses rclone's syntax for text that is no name: `*` matches `/`, too.
    pub(super) fn text(pattern: &str, fold: bool) -> Result<Self, PatternError> {
        let error = |why| PatternError { pattern: pattern.to_owned(), why };
        let chars: Vec<char> = pattern.chars().collect();
        let mut parser = Parser { chars: &chars, at: 0, stars_cross: true };
        let alternatives = parser.sequence(0).map_err(error)?;
        if parser.at < chars.len() {
            return Err(error("there is a '}' without its '{'"));
        }
        Ok(Self { rooted: true, alternatives, fold })
    }

    /// Parses a pattern of gitignore, without its `!` and the `/` at its end.
    pub(super) fn git(pattern: &str) -> Result<Self, PatternError> {
        let error = |why| PatternError { pattern: pattern.to_owned(), why };
        let mut rooted = pattern.contains('/');
        let mut rest = pattern.strip_prefix('/').unwrap_or(pattern);
        while let Some(below) = rest.strip_prefix("**/") {
            (rooted, rest) = (false, below);
        }
        let mut alternatives = vec![Vec::new()];
        let chars: Vec<char> = rest.chars().collect();
        let mut at = 0;
        while at < chars.len() {
            let begins = at == 0 || chars[at - 1] == '/';
            if begins && chars[at..].starts_with(&['*', '*', '/']) {
                // Any number of folders, none included.
                let with = alternatives
                    .iter()
                    .map(|tokens: &Vec<Token>| [&tokens[..], &[Token::Stars, Token::Literal('/')]].concat());
                alternatives = with.chain(alternatives.iter().cloned()).collect();
                if alternatives.len() > MOST_ALTERNATIVES {
                    return Err(error("it has too many '**/'"));
                }
                at += 3;
                continue;
            }
            let token = match chars[at] {
                '*' if begins && at > 0 && chars[at..] == ['*', '*'] => {
                    at += 1;
                    Token::Stars
                }
                '*' => {
                    while chars.get(at + 1) == Some(&'*') {
                        at += 1;
                    }
                    Token::Star
                }
                '?' => Token::One,
                '[' => {
                    let (class, end) = class::parse(&chars, at).map_err(error)?;
                    at = end - 1;
                    Token::Class(class.without_slash())
                }
                '\\' => {
                    at += 1;
                    Token::Literal(*chars.get(at).ok_or_else(|| error("it ends with a '\\'"))?)
                }
                other => Token::Literal(other),
            };
            alternatives.iter_mut().for_each(|tokens| tokens.push(token.clone()));
            at += 1;
        }
        Ok(Self { rooted, alternatives, fold: false })
    }

    pub fn matches(&self, name: &str) -> bool {
        self.alternatives.iter().any(|tokens| self.run(tokens, name).contains(&tokens.len()))
    }

    /// Answers for the names below a folder, whose own name ends with `/`.
    pub(super) fn below(&self, folder: &str) -> Below {
        let of = |tokens: &Vec<Token>| {
            let states = self.run(tokens, folder);
            let is_rest = |state: &usize| {
                *state < tokens.len() && tokens[*state..].iter().all(|token| *token == Token::Stars)
            };
            match states.iter().any(is_rest) {
                true => Below::All,
                // Without a root, the pattern may begin behind any later `/`.
                false if !self.rooted => Below::Perhaps,
                // A match that ends here says nothing of what follows.
                false if states.iter().any(|state| *state < tokens.len()) => Below::Perhaps,
                false => Below::None,
            }
        };
        self.alternatives.iter().map(of).max().unwrap_or(Below::None)
    }

    /// Returns the tokens that may match what follows `text`.
    fn run(&self, tokens: &[Token], text: &str) -> Vec<usize> {
        let mut states = Vec::with_capacity(4);
        let mut next = Vec::with_capacity(4);
        enter(tokens, 0, &mut states);
        for read in text.chars() {
            for state in states.drain(..) {
                let Some(token) = tokens.get(state) else { continue };
                if self.accepts(token, read) {
                    let stays = matches!(token, Token::Star | Token::Stars);
                    enter(tokens, if stays { state } else { state + 1 }, &mut next);
                }
            }
            if read == '/' && !self.rooted {
                enter(tokens, 0, &mut next);
            }
            std::mem::swap(&mut states, &mut next);
            if states.is_empty() && self.rooted {
                break;
            }
        }
        states
    }

    fn accepts(&self, token: &Token, read: char) -> bool {
        match token {
            Token::Literal(expected) => {
                *expected == read || self.fold && expected.to_lowercase().eq(read.to_lowercase())
            }
            Token::One | Token::Star => read != '/',
            Token::Stars => true,
            Token::Class(class) if self.fold => {
                class.has(read)
                    || read.to_lowercase().any(|read| class.has(read))
                    || read.to_uppercase().any(|read| class.has(read))
            }
            Token::Class(class) => class.has(read),
        }
    }
}

/// Adds a state, and those that it reaches without a character.
fn enter(tokens: &[Token], mut state: usize, states: &mut Vec<usize>) {
    loop {
        if !states.contains(&state) {
            states.push(state);
        }
        match tokens.get(state) {
            Some(Token::Star | Token::Stars) => state += 1,
            _ => return,
        }
    }
}

/// Reads rclone's syntax.
struct Parser<'c> {
    chars: &'c [char],
    at: usize,
    stars_cross: bool,
}

type Parsed = Result<Vec<Vec<Token>>, &'static str>;

impl Parser<'_> {
    /// Reads up to the end, or within braces up to a `,` or `}`.
    fn sequence(&mut self, depth: usize) -> Parsed {
        let mut all = vec![Vec::new()];
        while let Some(read) = self.chars.get(self.at).copied() {
            let token = match read {
                '}' => break,
                ',' if depth > 0 => break,
                '{' => {
                    let within = self.braces(depth)?;
                    all = all
                        .iter()
                        .flat_map(|before| within.iter().map(|after| [&before[..], after].concat()))
                        .collect();
                    if all.len() > MOST_ALTERNATIVES {
                        return Err("its braces make too many alternatives");
                    }
                    continue;
                }
                '*' => self.stars()?,
                '?' if self.stars_cross => Token::Class(Class::any()),
                '?' => Token::One,
                '[' => {
                    let (class, end) = class::parse(self.chars, self.at)?;
                    self.at = end - 1;
                    Token::Class(class)
                }
                ']' => return Err("there is a ']' without its '['"),
                '\\' => {
                    self.at += 1;
                    let escaped = *self.chars.get(self.at).ok_or("it ends with a '\\'")?;
                    Class::perl(escaped).map_or(Token::Literal(escaped), Token::Class)
                }
                other => Token::Literal(other),
            };
            all.iter_mut().for_each(|tokens: &mut Vec<Token>| tokens.push(token.clone()));
            self.at += 1;
        }
        Ok(all)
    }

    fn braces(&mut self, depth: usize) -> Parsed {
        if self.chars.get(self.at + 1) == Some(&'{') {
            return Err("regular expressions ({{…}}) are not supported: write it with *, ?, [] and {}");
        }
        let mut all = Vec::new();
        loop {
            self.at += 1;
            all.extend(self.sequence(depth + 1)?);
            match self.chars.get(self.at) {
                Some(',') => {}
                Some(_) => {
                    self.at += 1;
                    return Ok(all);
                }
                None => return Err("there is a '{' without its '}'"),
            }
        }
    }

    fn stars(&mut self) -> Result<Token, &'static str> {
        let count = self.chars[self.at..].iter().take_while(|read| **read == '*').count();
        self.at += count - 1;
        match count {
            1 if !self.stars_cross => Ok(Token::Star),
            1 | 2 => Ok(Token::Stars),
            _ => Err("it has more than two '*' side by side"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Glob::rclone(pattern, false).expect("a pattern").matches(name)
    }

    #[test]
    fn the_examples_of_rclones_documentation_hold() {
        for (pattern, yes, no) in [
            ("file.jpg", &["file.jpg", "directory/file.jpg"][..], &["afile.jpg", "directory/afile.jpg"][..]),
            ("/file.jpg", &["file.jpg"], &["afile.jpg", "directory/file.jpg"]),
            ("*.jpg", &["file.jpg", "dir/file.jpg"], &["file.png", "dir/file.png"]),
            ("/*.jpg", &["file.jpg", "file2.jpg"], &["file.png", "dir/file.jpg"]),
            ("*.{jpg,png}", &["file.jpg", "dir/file.png"], &["file.gif", "dir/file.gif"]),
            ("dir/**", &["dir/anyfile", "subdir/dir/subsubdir/anyfile"], &["file.png", "subdir/file.png"]),
            ("*.t?t", &["file.txt", "dir/file.tzt"], &["file.qxt", "dir/file.png"]),
            ("*.[a-z]", &["file.a", "dir/file.b"], &["file.0", "dir/file.1"]),
            (r"*.\?\?\?", &["file.???", "dir/file.???"], &["file.abc", "dir/file.def"]),
            (r"*.\d\d\d", &["file.012", "dir/file.345"], &["file.abc", "dir/file.def"]),
            (r"*\[{JP,KR,HK}\]*", &["a[JP].mkv", "x/[HK]"], &["a[US].mkv", "JP"]),
            ("{A,B}/**", &["A/x", "B/y/z"], &["C/x", "A"]),
            ("??[^[:punct:]]*", &["abc", "w/abcd"], &["ab.", "ab"]),
            ("potato,sausage", &["potato,sausage"], &["potato", "sausage"]),
            ("potato**sausage", &["potatosausage", "potato/a/sausage"], &["potato/sausages"]),
            (r"[\[\]]", &["[", "a/]"], &["a", "\\"]),
            ("[!a]", &["b"], &["a"]),
            ("*", &["a", "b/c/d"], &[]),
            ("/*", &["a"], &["b/c"]),
            ("a{b{c,d},e}f", &["abcf", "abdf", "aef"], &["abf", "af"]),
            ("ä?", &["äö"], &["ä"]),
        ] {
            yes.iter().for_each(|name| assert!(matches(pattern, name), "{pattern} {name}"));
            no.iter().for_each(|name| assert!(!matches(pattern, name), "{pattern} {name}"));
        }
        assert!(Glob::rclone("*.JPG", true).expect("a pattern").matches("a.jpg"));
        assert!(Glob::rclone("[A-C].ÄRZTE", true).expect("a pattern").matches("b.ärzte"));
        assert!(Glob::text("mode=*", false).expect("a pattern").matches("mode=a/b"));
    }

    #[test]
    fn a_pattern_that_is_wrong_is_refused() {
        for wrong in [
            "***",
            "***potato",
            "ab]c",
            "ab[c",
            "ab{{cd",
            "ab{{c}}d",
            "ab{}}cd",
            "ab}c",
            "ab{c",
            "[z-a]",
            "a\\",
        ] {
            assert!(Glob::rclone(wrong, false).is_err(), "{wrong}");
        }
        assert!(Glob::rclone(&"{a,b}".repeat(20), false).is_err());
    }

    #[test]
    fn a_folder_is_known_to_be_matched_as_a_whole_or_not_at_all() {
        for (pattern, folder, expected) in [
            ("/dir/**", "dir/", Below::All),
            ("/dir/**", "dir/a/b/", Below::All),
            ("/dir/**", "other/", Below::None),
            ("dir/**", "other/", Below::Perhaps),
            ("dir/**", "other/dir/", Below::All),
            ("*.jpg", "a/", Below::Perhaps),
            ("/*.jpg", "a/", Below::None),
            ("/a/*.jpg", "a/", Below::Perhaps),
            ("/a/*.jpg", "a/b/", Below::None),
            ("**", "a/", Below::All),
            ("*", "a/", Below::All),
            ("/{a,b}/**", "b/", Below::All),
            ("", "a/", Below::Perhaps),
        ] {
            let glob = Glob::rclone(pattern, false).expect("a pattern");
            assert_eq!(glob.below(folder), expected, "{pattern} {folder}");
        }
    }

    /// The obvious matcher, which tries everything.
    fn naive(pattern: &[char], name: &[char]) -> bool {
        match pattern {
            [] => name.is_empty(),
            ['*', '*', rest @ ..] => (0..=name.len()).any(|n| naive(rest, &name[n..])),
            ['*', rest @ ..] => {
                (0..=name.len()).take_while(|n| !name[..*n].contains(&'/')).any(|n| naive(rest, &name[n..]))
            }
            ['?', rest @ ..] => name.first().is_some_and(|c| *c != '/') && naive(rest, &name[1..]),
            [c, rest @ ..] => name.first() == Some(c) && naive(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn matching_equals_the_naive_matcher(
            pattern in "/?[ab/?]{0,3}(\\*{0,2}[ab/?]{1,2}){0,3}\\*{0,2}",
            name in "[ab/]{0,8}",
        ) {
            let glob = Glob::rclone(&pattern, false).expect("a pattern");
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let (text, name_chars) = (chars(&pattern), chars(&name));
            let expected = match text.strip_prefix(&['/']) {
                Some(rooted) => naive(rooted, &name_chars),
                None => {
                    let behind = |at: usize| name_chars[at] == '/' && naive(&text, &name_chars[at + 1..]);
                    naive(&text, &name_chars) || (0..name_chars.len()).any(behind)
                }
            };
            prop_assert_eq!(glob.matches(&name), expected);
            // What is said of a folder holds for every name below it.
            for (at, _) in name.match_indices('/').filter(|(at, _)| at + 1 < name.len()) {
                match glob.below(&name[..=at]) {
                    Below::None => prop_assert!(!expected),
                    Below::All => prop_assert!(expected),
                    Below::Perhaps => {}
                }
            }
        }
    }
}
