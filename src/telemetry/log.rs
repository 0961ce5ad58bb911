//! The log: lines on standard error, for people or for machines.
//!
//! Lines are written when an event happens, by its thread: nothing is lost when the process dies, and a
//! reader that stops reading slows the server down rather than costing memory. For a line per request that is
//! some microseconds and a write too many, so those lines are at debug level (target `access`) and cost
//! nothing unless they are enabled.

use std::{
    fmt::{self, Write as _},
    io::{self, IsTerminal},
    str::FromStr,
    sync::OnceLock,
};
use tracing_subscriber::{
    Registry,
    field::MakeExt,
    filter::Targets,
    fmt::{format::debug_fn, layer},
    layer::SubscriberExt,
    registry, reload,
    util::SubscriberInitExt,
};

/// The target of the log line of each request.
pub const ACCESS: &str = "access";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Human,
    Json,
}

/// The filter of the process's log: one log, one filter.
static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Changes the filter from now on. `levels` was validated, as those of `start`.
pub fn set_levels(levels: &str) {
    if let Some(filter) = FILTER.get() {
        // It fails only if the log is gone, and then the error could not be read either.
        let _ = filter.reload(Targets::from_str(levels).unwrap_or_default());
    }
}

/// Sets up the process's log, and sends panics through it. `levels` was validated: `info,access=debug`.
pub fn start(format: Format, levels: &str) {
    let (filter, handle) = reload::Layer::new(Targets::from_str(levels).unwrap_or_default());
    let _ = FILTER.set(handle);
    let registry = registry().with(filter);
    // A second start, as in tests, keeps the first.
    let _ = match format {
        Format::Human => {
            let fields = debug_fn(|line, field, value| match field.name() {
                "message" => write!(line, "{}", Plain(format_args!("{value:?}"))),
                name => write!(line, "{name}={}", Plain(format_args!("{value:?}"))),
            });
            let ansi = io::stderr().is_terminal();
            registry
                .with(layer().with_writer(io::stderr).with_ansi(ansi).fmt_fields(fields.delimited(" ")))
                .try_init()
        }
        Format::Json => registry
            .with(layer().with_writer(|| PlainJson(io::stderr())).json().flatten_event(true))
            .try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, message = panic.payload_as_str().unwrap_or("(no message)"), "panicked");
    }));
}

/// Whether a character could make a line look like another, or like several: control characters (including
/// terminal commands), line ends, and characters that change the direction of text.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Text from outside on one line of the log: deceptive characters are escaped as in Rust. Error messages of
/// storages and names of objects come from outside.
struct Plain<T>(T);

impl<T: fmt::Display> fmt::Display for Plain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive(is_deceptive) {
            match piece.char_indices().next_back() {
                Some((at, c)) if is_deceptive(c) => write!(self.0, "{}{}", &piece[..at], c.escape_default())?,
                _ => self.0.write_str(piece)?,
            }
        }
        Ok(())
    }
}

/// Lines of JSON, in which ASCII's control characters are escaped already.
struct PlainJson<W>(W);

impl<W: io::Write> io::Write for PlainJson<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line) {
            Ok(text) if text.contains(|c: char| !c.is_ascii() && is_deceptive(c)) => {
                let mut plain = String::with_capacity(line.len() + 16);
                for c in text.chars() {
                    // All of them have four digits at most.
                    let _ = if !c.is_ascii() && is_deceptive(c) {
                        write!(plain, "\\u{:04x}", u32::from(c))
                    } else {
                        plain.write_char(c)
                    };
                }
                self.0.write_all(plain.as_bytes())?;
            }
            _ => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn nothing_in_a_line_can_end_it_colour_it_or_turn_it_round() {
        let text = "a\nERROR b\u{1b}[31m\u{9b}31m\r\u{202e}c\u{2066}\u{feff}\u{7f}é 日本";
        let plain = Plain(text).to_string();
        assert_eq!(plain, r"a\nERROR b\u{1b}[31m\u{9b}31m\r\u{202e}c\u{2066}\u{feff}\u{7f}é 日本");
        let mut json = Vec::new();
        PlainJson(&mut json).write_all("{\"key\":\"a\u{9b}\u{202e}é\"}\n".as_bytes()).expect("memory");
        assert_eq!(String::from_utf8(json).expect("UTF-8"), "{\"key\":\"a\\u009b\\u202eé\"}\n");
    }
}
