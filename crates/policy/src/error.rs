//! Why a policy is refused: what is wrong, where in the document, and a sentence for its author.

use std::fmt;

/// The kind of a defect. S3 answers all of them with `MalformedPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// The document is longer than its kind may be.
    Size,
    /// The text is not JSON, or names an element twice.
    Syntax,
    /// The policy language has no such element.
    UnknownElement,
    /// An element is missing, or two that exclude each other are there.
    Elements,
    /// An element has a value of the wrong JSON type.
    Type,
    /// A value is of the right type, but not one that the element may have.
    Value,
    Principal,
    Action,
    Resource,
    Condition,
}

/// A policy that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct MalformedPolicy {
    pub flaw: Flaw,
    /// The path of the element, such as `Statement[2].Principal.AWS`. Empty for the document itself.
    pub at: String,
    pub message: String,
}

impl MalformedPolicy {
    pub(crate) fn new(flaw: Flaw, at: impl Into<String>, message: impl Into<String>) -> Self {
        Self { flaw, at: at.into(), message: message.into() }
    }
}

impl fmt::Display for MalformedPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.at, self.message)
        }
    }
}
