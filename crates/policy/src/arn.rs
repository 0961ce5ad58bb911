//! Amazon resource names: split once, and patterns of them.
//!
//! Invariant: a wildcard never crosses one of the first five colons.

use crate::{
    context::Context,
    pattern::{Pattern, Syntax, variable_length},
};

/// The colons that separate the six components. The last component may have more.
const COLONS: usize = 5;

/// A resource name, split into its six components.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arn<'a> {
    components: [&'a str; COLONS + 1],
    /// Whether it begins with [`S3`].
    is_of_s3: bool,
}

/// The components before the last one of every bucket and object.
const S3: [&str; COLONS] = ["arn", "aws", "s3", "", ""];

impl<'a> Arn<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (mut components, mut parts) = ([""; COLONS + 1], text.splitn(COLONS + 1, ':'));
        for component in &mut components {
            *component = parts.next()?;
        }
        (components[0] == "arn").then_some(Self { components, is_of_s3: components[..COLONS] == S3 })
    }
}

/// A pattern of resource names.
#[derive(Debug, Clone)]
pub(crate) enum ArnPattern {
    /// `*`, which matches everything.
    Any,
    Components {
        patterns: Box<[Pattern; COLONS + 1]>,
        /// Whether it begins with [`S3`], so that only the last component has to be compared.
        is_of_s3: bool,
    },
    /// A text whose colons are, at least in part, in the values of variables.
    Whole(Pattern),
}

impl ArnPattern {
    pub(crate) fn parse(text: &str, syntax: Syntax) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let whole = Pattern::parse(text, syntax)?;
        let parts = split(text, syntax.variables);
        match <[&str; COLONS + 1]>::try_from(parts) {
            Ok(parts) => {
                if parts[0] != "arn" {
                    return Err(format!("{text:?} does not begin with \"arn:\""));
                }
                let mut components = Vec::with_capacity(parts.len());
                for part in parts {
                    components.push(Pattern::parse(part, syntax)?);
                }
                let patterns = components.try_into().map_err(|_| "not six components".to_owned())?;
                Ok(Self::Components { patterns: Box::new(patterns), is_of_s3: parts[..COLONS] == S3 })
            }
            Err(_) if whole.has_variables() => Ok(Self::Whole(whole)),
            Err(_) => Err(format!("{text:?} is no ARN: it needs six components, separated by colons")),
        }
    }

    /// The components, if it is written with all of them.
    pub(crate) fn components(&self) -> Option<&[Pattern; COLONS + 1]> {
        match self {
            Self::Components { patterns, .. } => Some(patterns),
            Self::Any | Self::Whole(_) => None,
        }
    }

    pub(crate) fn is_fixed(&self) -> bool {
        self.components().is_some_and(|components| components.iter().all(Pattern::is_fixed))
    }

    /// `arn` is `text`, split.
    pub(crate) fn matches(&self, text: &str, arn: Option<&Arn<'_>>, context: &Context<'_>) -> bool {
        match (self, arn) {
            (Self::Any, _) => true,
            (Self::Whole(pattern), Some(_)) => pattern.matches(text, context),
            (Self::Components { patterns, is_of_s3: true }, Some(arn)) if arn.is_of_s3 => {
                patterns[COLONS].matches(arn.components[COLONS], context)
            }
            // The last component differs most often.
            (Self::Components { patterns, .. }, Some(arn)) => patterns
                .iter()
                .zip(arn.components)
                .rev()
                .all(|(pattern, text)| pattern.matches(text, context)),
            (Self::Whole(_) | Self::Components { .. }, None) => false,
        }
    }
}

/// Up to six components. A colon in the name of a variable separates nothing.
fn split(text: &str, variables: bool) -> Vec<&str> {
    let (mut parts, mut from, mut at) = (Vec::with_capacity(COLONS + 1), 0, 0);
    let bytes = text.as_bytes();
    while at < bytes.len() && parts.len() < COLONS {
        if variables && text[at..].starts_with("${") {
            at += variable_length(&text[at..]).unwrap_or(2) - 1;
        } else if bytes[at] == b':' {
            parts.push(&text[from..at]);
            from = at + 1;
        }
        at += 1;
        while !text.is_char_boundary(at) {
            at += 1;
        }
    }
    parts.push(&text[from..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Syntax = Syntax { wildcards: true, variables: true };

    fn does_match(pattern: &str, text: &str) -> bool {
        let mut context = Context::new();
        context.add("aws:PrincipalArn", "arn:aws:iam::1:user/bob");
        context.add("aws:PrincipalTag/Team", "x:y");
        let pattern = ArnPattern::parse(pattern, ALL).expect(pattern);
        pattern.matches(text, Arn::parse(text).as_ref(), &context)
    }

    #[test]
    fn a_wildcard_stays_in_its_component_but_crosses_slashes_and_later_colons() {
        assert!(does_match("arn:aws:s3:::b*/x", "arn:aws:s3:::bucket/a/b:c/x"));
        assert!(does_match("arn:*:s3:*:*:b", "arn:aws:s3:::b"));
        assert!(!does_match("arn:*:*:*:*:b", "arn:aws:s3:::a:b"));
        assert!(ArnPattern::parse("arn:aws:s3:*:b", ALL).is_err());
    }

    #[test]
    fn a_variable_may_be_a_whole_arn_and_its_colons_move_no_component() {
        assert!(does_match("${aws:PrincipalArn}", "arn:aws:iam::1:user/bob"));
        assert!(!does_match("arn:aws:s3:::${aws:PrincipalTag/Team}", "arn:aws:s3:x:y:"));
        assert!(does_match("arn:aws:s3:::${aws:PrincipalTag/Team}", "arn:aws:s3:::x:y"));
    }
}
