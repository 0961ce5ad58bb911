//! Texts with wildcards and policy variables, compiled once.
//!
//! `*` matches any number of characters, `?` exactly one; the value of a variable is always literal. Each
//! run of characters between two `*` is searched once, from left to right, and a match never goes back over
//! an earlier `*`. So the cost is linear in pattern and text; a run with `?` costs at most its own length for
//! each character of the text. Nothing is exponential.
//!
//! Invariant: a pattern with a variable that has no value matches nothing.

use crate::context::Context;
use std::borrow::Cow;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    One,
    Many,
    Variable { key: Box<str>, default: Option<Box<str>> },
}

/// What of a text has a meaning beyond its characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Syntax {
    pub(crate) wildcards: bool,
    /// Only policies of version 2012-10-17 have variables.
    pub(crate) variables: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    parts: Box<[Part]>,
    has_variables: bool,
}

impl Pattern {
    /// The error says what is wrong with a variable.
    pub(crate) fn parse(text: &str, syntax: Syntax) -> Result<Self, String> {
        let (mut parts, mut literal) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            if syntax.variables && rest.starts_with("${") {
                let (variable, after) = variable(rest)?;
                match variable {
                    Part::Text(text) => literal.push_str(&text),
                    other => {
                        flush(&mut literal, &mut parts);
                        parts.push(other);
                    }
                }
                rest = after;
                continue;
            }
            match next {
                '*' | '?' if syntax.wildcards => {
                    flush(&mut literal, &mut parts);
                    let part = if next == '*' { Part::Many } else { Part::One };
                    if part != Part::Many || parts.last() != Some(&Part::Many) {
                        parts.push(part);
                    }
                }
                other => literal.push(other),
            }
            rest = &rest[next.len_utf8()..];
        }
        flush(&mut literal, &mut parts);
        let has_variables = parts.iter().any(|part| matches!(part, Part::Variable { .. }));
        Ok(Self { parts: parts.into(), has_variables })
    }

    /// Whether it is one text, which no wildcard and no variable widens.
    pub(crate) fn is_fixed(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    pub(crate) fn has_variables(&self) -> bool {
        self.has_variables
    }

    pub(crate) fn matches(&self, text: &str, context: &Context<'_>) -> bool {
        match &*self.parts {
            [Part::Text(wanted)] => **wanted == *text,
            [Part::Many] => true,
            [Part::Text(start), Part::Many] => text.starts_with(&**start),
            [Part::Text(start), Part::Many, Part::Text(end)] => {
                text.strip_prefix(&**start).is_some_and(|rest| rest.ends_with(&**end))
            }
            [] => text.is_empty(),
            // A match needs every part, so it fails at a variable without a value.
            parts => matches(parts, text, context),
        }
    }

    /// Without wildcards, and without regard to case.
    pub(crate) fn equals_ignoring_case(&self, text: &str, context: &Context<'_>) -> bool {
        let Some(wanted) = self.filled(context) else { return false };
        let folded = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<_>>();
        wanted.eq_ignore_ascii_case(text) || folded(&wanted) == folded(text)
    }

    /// The text, if it has no wildcards and all its variables have values.
    fn filled<'a>(&'a self, context: &'a Context<'_>) -> Option<Cow<'a, str>> {
        match &*self.parts {
            [] => Some("".into()),
            [part] => value(part, context).map(Cow::Borrowed),
            parts => {
                parts.iter().map(|part| value(part, context)).collect::<Option<String>>().map(Cow::Owned)
            }
        }
    }
}

fn flush(literal: &mut String, parts: &mut Vec<Part>) {
    if !literal.is_empty() {
        parts.push(Part::Text(std::mem::take(literal).into()));
    }
}

/// How many bytes the variable at the beginning of a text takes.
pub(crate) fn variable_length(text: &str) -> Option<usize> {
    variable(text).ok().map(|(_, rest)| text.len() - rest.len())
}

/// The variable at the beginning of a text, and what follows it.
fn variable(text: &str) -> Result<(Part, &str), String> {
    let inside = &text[2..];
    for literal in ["*", "?", "$"] {
        if let Some(rest) = inside.strip_prefix(literal).and_then(|rest| rest.strip_prefix('}')) {
            return Ok((Part::Text(literal.into()), rest));
        }
    }
    let end = inside.find([',', '}']).ok_or_else(|| format!("the variable in {text:?} has no end"))?;
    let key = inside[..end].trim();
    if key.is_empty() || key.contains(['$', '{', '\'', '*', '?']) {
        return Err(format!("{key:?} is no name of a policy variable"));
    }
    let key = key.to_ascii_lowercase().into_boxed_str();
    if let Some(rest) = inside[end..].strip_prefix('}') {
        return Ok((Part::Variable { key, default: None }, rest));
    }
    let (default, rest) = quoted(inside[end + 1..].trim_start())
        .and_then(|(default, rest)| Some((default, rest.trim_start().strip_prefix('}')?)))
        .ok_or_else(|| {
            format!("the default value of {key:?} must be in single quotes, and end the variable")
        })?;
    Ok((Part::Variable { key, default: Some(default.into()) }, rest))
}

/// A text in single quotes, in which two of them stand for one, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut rest, mut content) = (text.strip_prefix('\'')?, String::new());
    loop {
        let (before, after) = rest.split_once('\'')?;
        content.push_str(before);
        match after.strip_prefix('\'') {
            Some(after) => {
                content.push('\'');
                rest = after;
            }
            None => return Some((content, after)),
        }
    }
}

/// The characters that a part stands for, if they are known.
fn value<'a>(part: &'a Part, context: &'a Context<'_>) -> Option<&'a str> {
    match part {
        Part::Text(text) => Some(text),
        Part::Variable { key, default } => context.single(key).or(default.as_deref()),
        Part::One | Part::Many => None,
    }
}

fn matches(parts: &[Part], text: &str, context: &Context<'_>) -> bool {
    let mut runs = parts.split(|part| *part == Part::Many);
    let Some(rest) = runs.next().and_then(|first| after(first, text, context)) else { return false };
    let Some(last) = runs.next_back() else { return rest.is_empty() };
    let Some(mut rest) = before(last, rest, context) else { return false };
    for run in runs {
        let Some(found) = find(run, rest, context) else { return false };
        rest = found;
    }
    true
}

/// What follows a run that a text begins with.
fn after<'t>(run: &[Part], text: &'t str, context: &Context<'_>) -> Option<&'t str> {
    run.iter().try_fold(text, |rest, part| match part {
        Part::One => {
            let mut characters = rest.chars();
            characters.next().map(|_| characters.as_str())
        }
        part => rest.strip_prefix(value(part, context)?),
    })
}

/// What is before a run that a text ends with.
fn before<'t>(run: &[Part], text: &'t str, context: &Context<'_>) -> Option<&'t str> {
    run.iter().rev().try_fold(text, |rest, part| match part {
        Part::One => {
            let mut characters = rest.chars();
            characters.next_back().map(|_| characters.as_str())
        }
        part => rest.strip_suffix(value(part, context)?),
    })
}

/// What follows the first place where a run is found.
fn find<'t>(run: &[Part], text: &'t str, context: &Context<'_>) -> Option<&'t str> {
    let first = run.first().and_then(|part| value(part, context));
    if let ([_], Some(first)) = (run, first) {
        return text.find(first).map(|at| &text[at + first.len()..]);
    }
    let mut rest = text;
    loop {
        if let Some(first) = first {
            rest = &rest[rest.find(first)?..];
        }
        if let Some(found) = after(run, rest, context) {
            return Some(found);
        }
        let mut characters = rest.chars();
        characters.next()?;
        rest = characters.as_str();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    const ALL: Syntax = Syntax { wildcards: true, variables: true };

    fn does_match(pattern: &str, text: &str) -> bool {
        let mut context = Context::new();
        context.add("aws:username", "a*b");
        context.add("aws:TagKeys", "x");
        context.add("aws:TagKeys", "y");
        Pattern::parse(pattern, ALL).expect(pattern).matches(text, &context)
    }

    #[test]
    fn wildcards_match_characters_in_any_place() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("a*c", "ac"),
            ("a*c*e", "abcdcce"),
            ("a?c", "abc"),
            ("?", "é"),
            ("*?", "x"),
            ("a*?b*c", "aXbYbc"),
            ("*ab?d*", "xxabcxabcd!"),
            ("**", "anything"),
        ] {
            assert!(does_match(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("", "a"), ("a", ""), ("a?c", "ac"), ("?", ""), ("a*bc", "ab"), ("ab*ba", "aba"), ("A", "a")]
        {
            assert!(!does_match(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn the_value_of_a_variable_is_literal() {
        assert!(does_match("home/${aws:UserName}/*", "home/a*b/x"));
        assert!(!does_match("home/${aws:username}/*", "home/aXb/x"));
        assert!(does_match("${*}${?}${$}{x}", "*?${x}"));
    }

    #[test]
    fn a_variable_without_one_value_takes_its_default_or_matches_nothing() {
        assert!(does_match("${aws:userid, 'it''s'}", "it's"));
        assert!(does_match("${ aws:TagKeys , 'none' }", "none"));
        assert!(!does_match("*${aws:userid}", "anything"));
        assert!(!does_match("${aws:userid}*", ""));
        assert!(does_match("${aws:username, 'no'}", "a*b"));
    }

    #[test]
    fn a_variable_that_is_not_well_formed_is_refused() {
        for text in ["${", "${}", "${ }", "${a", "${a, 'b'", "${a, b}", "${a, 'b}", "${a, 'b'c}", "${a${b}}"]
        {
            assert!(Pattern::parse(text, ALL).is_err(), "{text}");
        }
    }

    #[test]
    fn a_hostile_pattern_costs_no_more_than_its_length() {
        let pattern = Pattern::parse(&"*a".repeat(5_000), ALL).expect("a pattern");
        let text = "a".repeat(1_000) + "b";
        let began = Instant::now();
        assert!((0..100).all(|_| !pattern.matches(&text, &Context::new())));
        // Exponential cost would take longer than the universe exists: any bound will do.
        assert!(began.elapsed() < Duration::from_secs(60));
    }
}
