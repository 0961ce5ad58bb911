//! An error with all its sources, in one line: for the log, for operators, and for what is remembered of a
//! failure. It is never shown to clients of S3.

use std::{error::Error, fmt};

/// Shows an error, then its sources from the outermost to the innermost. A source that the text already
/// contains is left out: many errors repeat theirs.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = self.0.to_string();
        let mut next = self.0.source();
        while let Some(source) = next {
            let text = source.to_string();
            if !told.contains(&text) {
                told = format!("{told}: {text}");
            }
            next = source.source();
        }
        f.write_str(&told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("outer: {0}")]
    struct Telling(#[source] io::Error);

    #[test]
    fn a_chain_shows_every_source_once() {
        assert_eq!(Chain(&Outer(io::Error::other("inner"))).to_string(), "outer: inner");
        assert_eq!(Chain(&Telling(io::Error::other("inner"))).to_string(), "outer: inner");
    }
}
