//! The names that both ends had after the last run, read in order.
//!
//! Invariants: names ascend, which is checked. A state that ends without its last line is refused: names that
//! are missing in it would count as new.

use super::{
    lines::{Line, Lines, damaged},
    version::Base,
};
use crate::error::TransferError;
use serde::{Deserialize, Serialize};

/// The last line of a state.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) names: u64,
}

#[derive(Debug)]
pub(crate) struct Known {
    lines: Lines,
    last: Option<String>,
    count: u64,
}

impl Known {
    /// Creates the reader of what follows the first line of a state.
    pub(crate) fn new(lines: Lines) -> Self {
        Self { lines, last: None, count: 0 }
    }

    pub(crate) fn next(&mut self) -> Result<Option<(String, Base)>, TransferError> {
        let path = self.lines.path().to_owned();
        let wrong = || damaged(&path, "it is damaged: begin anew with a resync");
        // A state without its last line was not written to its end.
        let text = self.lines.next()?.ok_or_else(wrong)?;
        let Ok(line) = serde_json::from_slice::<Line>(text) else {
            let end: End = serde_json::from_slice(text).map_err(|_| wrong())?;
            return if end.names == self.count { Ok(None) } else { Err(wrong()) };
        };
        if self.last.as_ref().is_some_and(|last| *last >= line.name) {
            return Err(wrong());
        }
        self.count += 1;
        self.last = Some(line.name.clone());
        Ok(line.both.map(|both| (line.name, both)))
    }
}
