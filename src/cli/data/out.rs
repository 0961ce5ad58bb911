//! Standard output of the verbs: lines for people, or JSON, a line for each object.
//!
//! Names of objects may hold anything: what would move the cursor of a terminal is shown escaped. JSON has
//! names as they are.

use crate::ends::Failure;
use serde_json::Value;
use std::io::{self, BufWriter, Stdout, Write};

pub(super) struct Out {
    writer: BufWriter<Stdout>,
    is_json: bool,
    is_quiet: bool,
}

impl Out {
    pub(super) fn new(is_json: bool, is_quiet: bool) -> Self {
        Self { writer: BufWriter::with_capacity(64 << 10, io::stdout()), is_json, is_quiet }
    }

    pub(super) fn is_json(&self) -> bool {
        self.is_json
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// Prints a result in one of its two forms.
    pub(super) fn entry(
        &mut self,
        line: impl FnOnce() -> String,
        value: impl FnOnce() -> Value,
    ) -> Result<(), Failure> {
        let text = if self.is_json { value().to_string() } else { line() };
        self.bytes(text.as_bytes())?;
        self.bytes(b"\n")
    }

    /// Prints what was done, unless nothing was to be said.
    pub(super) fn done(
        &mut self,
        line: impl FnOnce() -> String,
        value: impl FnOnce() -> Value,
    ) -> Result<(), Failure> {
        if self.is_quiet { Ok(()) } else { self.entry(line, value) }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.writer.write_all(bytes).map_err(|error| Failure::of_output(&error))
    }

    pub(super) fn end(&mut self) -> Result<(), Failure> {
        self.writer.flush().map_err(|error| Failure::of_output(&error))
    }
}

/// Returns a name without characters that a terminal acts upon.
pub(super) fn printable(name: &str) -> String {
    let escape = |c: char| {
        let escaped = c.is_control().then(|| c.escape_default().to_string());
        escaped.unwrap_or_else(|| c.to_string())
    };
    name.chars().map(escape).collect()
}

/// Returns a size as it is, or with a unit.
pub(super) fn size(bytes: u64, human: bool) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if !human || bytes < 1024 {
        return bytes.to_string();
    }
    let mut size = bytes as f64 / 1024.0;
    for unit in UNITS {
        // What would be shown as 1024.0 is one of the next unit.
        if size < 1023.95 {
            return format!("{size:.1}{unit}");
        }
        size /= 1024.0;
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_digit_after_the_point_and_names_do_not_move_the_cursor() {
        for (bytes, shown) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1.0KiB"),
            (1536, "1.5KiB"),
            ((1 << 20) - 1, "1.0MiB"),
            (5 << 30, "5.0GiB"),
            (u64::MAX, "16.0EiB"),
        ] {
            assert_eq!(size(bytes, true), shown);
            assert_eq!(size(bytes, false), bytes.to_string());
        }
        assert_eq!(printable("a\u{1b}[2Jé\n"), "a\\u{1b}[2Jé\\n");
    }
}
