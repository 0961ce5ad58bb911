//! Lines about names, in files: a line is JSON, with a name, and what both ends had of it, or `null` where
//! neither has it any more.
//!
//! Invariant: a line without its end was torn by a kill, and is not read.

use super::version::Base;
use crate::error::TransferError;
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) both: Option<Base>,
}

pub(crate) fn failed(path: &Path, what: &str) -> impl FnOnce(io::Error) -> TransferError {
    move |source| TransferError::Pair { path: path.to_owned(), what: what.to_owned(), source: Some(source) }
}

pub(crate) fn damaged(path: &Path, what: &str) -> TransferError {
    TransferError::Pair { path: path.to_owned(), what: what.to_owned(), source: None }
}

/// Reads the lines of a file, whatever they are.
#[derive(Debug)]
pub(crate) struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    text: Vec<u8>,
}

impl Lines {
    pub(crate) fn open(path: &Path) -> Result<Self, TransferError> {
        let file = File::open(path).map_err(failed(path, "opening it"))?;
        Ok(Self::of(path, file))
    }

    /// Reads on from where the file is.
    pub(crate) fn of(path: &Path, file: File) -> Self {
        Self { path: path.to_owned(), file: BufReader::with_capacity(16 << 10, file), text: Vec::new() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the next line without its end. `None`: there is none, or it was torn by a kill.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, TransferError> {
        self.text.clear();
        self.file.read_until(b'\n', &mut self.text).map_err(failed(&self.path, "reading it"))?;
        Ok(self.text.strip_suffix(b"\n"))
    }

    /// Returns the next line about a name.
    pub(crate) fn line(&mut self) -> Result<Option<Line>, TransferError> {
        let path = self.path.clone();
        let Some(text) = self.next()? else { return Ok(None) };
        let line = serde_json::from_slice(text);
        line.map(Some).map_err(|_| damaged(&path, "it is damaged: begin anew with a resync"))
    }
}

pub(crate) fn write(file: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    file.write_all(&text)
}
