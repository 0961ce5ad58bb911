//! Problems with a configuration, each with the source of the value.

use std::{fmt, path::Path, sync::Arc};

/// The source of a value. Problems are reported in this order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    File {
        path: Arc<Path>,
        line: usize,
    },
    Environment(Arc<str>),
    Flag(&'static str),
    /// No source: a default, or a missing value.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("configuration"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "{name}"),
        }
    }
}

/// One problem: its position in the sources, and its text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {problem}")]
pub struct ConfigError {
    origin: Origin,
    problem: String,
}

impl ConfigError {
    pub fn new(origin: Origin, problem: impl Into<String>) -> Self {
        Self { origin, problem: problem.into() }
    }

    /// Creates the error for a configuration file that cannot be read.
    pub fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self::new(Origin::Default, format!("cannot read {}: {error}", path.display()))
    }
}

/// All problems of a configuration, one line each. As an error it is never empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    pub(super) fn push(&mut self, error: ConfigError) {
        self.0.push(error);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the value, or keeps its problems for later, so that reading continues.
    pub(super) fn note<T, E: Into<Self>>(&mut self, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.0.extend(error.into().0)).ok()
    }

    /// Returns the value if there was no problem.
    pub(super) fn or<T>(mut self, read: T) -> Result<T, Self> {
        // A problem with two keys together is noted last; sorting puts it at its line.
        self.0.sort_by(|a, b| a.origin.cmp(&b.origin));
        if self.is_empty() { Ok(read) } else { Err(self) }
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if n == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Returns the name in `known` that resembles `given` most, if any does. It never returns `given` itself,
/// which would be no help.
pub(super) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .filter(|name| *name != given)
        .map(|name| (name, strsim::normalized_damerau_levenshtein(given, name)))
        .filter(|(_, likeness)| *likeness > 0.0)
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .map(|(name, _)| name)
}

/// Returns whether one name looks like a mistyped form of the other.
pub(super) fn is_like(given: &str, known: &str) -> bool {
    strsim::normalized_damerau_levenshtein(given, known) > 0.5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_never_the_name_itself() {
        assert_eq!(nearest("litsen", ["region", "listen"]), Some("listen"));
        assert_eq!(nearest("listen", ["listen", "list"]), Some("list"));
        assert_eq!(nearest("listen", ["listen"]), None);
        assert_eq!(nearest("xyz", ["abc"]), None);
    }

    #[test]
    fn problems_are_told_in_the_order_of_their_lines() {
        let at = |line| Origin::File { path: Path::new("c.toml").into(), line };
        let mut wrong = ConfigErrors::default();
        wrong.push(ConfigError::new(Origin::Environment("X".into()), "third"));
        wrong.push(ConfigError::new(at(10), "second"));
        assert_eq!(wrong.note(Err::<(), _>(ConfigError::new(at(9), "first"))), None);
        let told = wrong.or(()).expect_err("wrong").to_string();
        assert_eq!(told, "c.toml:9: first\nc.toml:10: second\nenvironment variable X: third");
        assert_eq!(ConfigErrors::default().or(7), Ok(7));
    }
}
