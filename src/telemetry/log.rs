//! The log: lines on standard error, for people or for machines.
//!
//! Lines are written as they happen, by the thread they happen on: nothing is lost when the process dies, and a reader
//! that stops reading slows us down rather than costing memory. For a line per request that is some microseconds and a
//! write too many, so those are at debug level (target `access`) and cost nothing unless they are asked for.

use std::{fmt, io::IsTerminal, str::FromStr};
use tracing_subscriber::{filter::Targets, fmt::layer, layer::SubscriberExt, registry, util::SubscriberInitExt};

/// The target of the line that each request gets.
pub const ACCESS: &str = "access";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Human,
    Json,
}

/// Sets up the process's log, and lets panics speak through it. `levels` was validated: `info,access=debug`.
pub fn start(format: Format, levels: &str) {
    let filter = Targets::from_str(levels).unwrap_or_default();
    let registry = registry().with(filter);
    // A second start, as in tests, keeps the first.
    let _ = match format {
        Format::Human => registry.with(layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal())).try_init(),
        Format::Json => registry.with(layer().with_writer(std::io::stderr).json().flatten_event(true)).try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, message = panic.payload_as_str().unwrap_or("(no message)"), "panicked");
    }));
}

/// An error with everything that caused it, for one line of the log. Causes that their effects already told are left out.
pub struct Chain<'a>(pub &'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = self.0.to_string();
        let mut next = self.0.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            if !told.contains(&text) {
                told = format!("{told}: {text}");
            }
            next = cause.source();
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
    fn a_chain_tells_every_cause_once() {
        assert_eq!(Chain(&Outer(io::Error::other("inner"))).to_string(), "outer: inner");
        assert_eq!(Chain(&Telling(io::Error::other("inner"))).to_string(), "outer: inner");
    }
}
