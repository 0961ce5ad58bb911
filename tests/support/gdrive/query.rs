//! The subset of Drive's query language for folders: terms joined by `and`.

use super::{
    state::{File, State},
    wire::Refusal,
};

#[derive(Debug, PartialEq, Eq)]
pub enum Term {
    In(String),
    Name(String),
    Mime(String),
    Trashed(bool),
}

pub fn parse(query: &str) -> Result<Vec<Term>, Refusal> {
    let invalid = || Refusal::invalid("Invalid Value");
    let mut terms = Vec::new();
    let mut rest = query.trim();
    loop {
        let (term, more) = match rest.strip_prefix('\'') {
            Some(quoted) => {
                let (id, more) = text(quoted).ok_or_else(invalid)?;
                (Term::In(id), more.strip_prefix(" in parents").ok_or_else(invalid)?)
            }
            None => {
                let (name, value) = rest.split_once(" = ").ok_or_else(invalid)?;
                let quoted = || text(value.strip_prefix('\'')?);
                match name {
                    "name" => quoted().map(|(value, more)| (Term::Name(value), more)),
                    "mimeType" => quoted().map(|(value, more)| (Term::Mime(value), more)),
                    "trashed" => [true, false].into_iter().find_map(|is| {
                        value
                            .strip_prefix(if is { "true" } else { "false" })
                            .map(|more| (Term::Trashed(is), more))
                    }),
                    _ => None,
                }
                .ok_or_else(invalid)?
            }
        };
        terms.push(term);
        match more.strip_prefix(" and ") {
            Some(more) => rest = more,
            None if more.is_empty() => return Ok(terms),
            None => return Err(invalid()),
        }
    }
}

/// Reads text up to the closing quote; `\'` and `\\` are escape sequences.
fn text(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next().filter(|(_, next)| matches!(next, '\'' | '\\'))?.1),
            other => value.push(other),
        }
    }
    None
}

impl Term {
    /// Names are compared without regard to case, as the service does.
    pub fn holds(&self, file: &File, state: &State) -> bool {
        match self {
            Self::In(parent) => file.parent.as_ref() == Some(parent),
            Self::Name(name) => file.name.to_lowercase() == name.to_lowercase(),
            Self::Mime(mime) => file.mime == *mime,
            Self::Trashed(trashed) => state.is_trashed(file) == *trashed,
        }
    }
}
