//! The steps of a run in a file, in the order of their names.
//!
//! Invariants: a step is written before anything is changed, and a dry run reads the same file as a real one.
//! Names below others that are deleted can be made only after that, so deletions are read first.

use super::{
    lines::{Lines, damaged, failed, write},
    options::DeleteLimit,
    renames::{Candidates, joined},
    step::{Planned, Step},
};
use crate::{end::Side, error::TransferError};
use std::{
    collections::HashMap,
    fs::File,
    io::{BufWriter, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

pub(crate) struct Writer {
    path: PathBuf,
    file: BufWriter<File>,
    at: u64,
    candidates: Candidates,
    /// Deletions at the source and at the destination.
    deletions: [u64; 2],
    largest: u64,
}

/// A plan that is written.
#[derive(Debug)]
pub(crate) struct Plan {
    path: PathBuf,
    /// Deletions that are part of a move.
    moved_from: Vec<u64>,
    /// New names that are part of a move, and their deletions.
    moved_to: HashMap<u64, u64>,
    deletions: [u64; 2],
    /// The size of the largest object that is brought to either end.
    pub(crate) largest: u64,
}

/// Which steps are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Deletions,
    Others,
}

fn slot(side: Side) -> usize {
    match side {
        Side::Source => 0,
        Side::Destination => 1,
    }
}

impl Writer {
    pub(crate) fn create(path: PathBuf) -> Result<Self, TransferError> {
        let file = File::create(&path).map_err(failed(&path, "making it"))?;
        let (candidates, deletions) = Default::default();
        Ok(Self { path, file: BufWriter::new(file), at: 0, candidates, deletions, largest: 0 })
    }

    pub(crate) fn write(&mut self, planned: &Planned) -> Result<(), TransferError> {
        match &planned.step {
            Step::Delete { at, .. } => self.deletions[slot(*at)] += 1,
            Step::Copy { version, .. } => self.largest = self.largest.max(version.size),
            Step::Conflict(conflict) => {
                let sizes =
                    [&conflict.source, &conflict.destination].map(|of| of.as_ref().map_or(0, |of| of.size));
                self.largest = self.largest.max(sizes[0]).max(sizes[1]);
            }
            Step::Move { .. } => {}
        }
        self.candidates.add(&planned.step, self.at);
        let mut text = Vec::new();
        let written = write(&mut text, planned).and_then(|()| self.file.write_all(&text));
        written.map_err(failed(&self.path, "writing it"))?;
        self.at += text.len() as u64;
        Ok(())
    }

    /// Ends the plan, and finds the moves in it.
    pub(crate) fn end(mut self) -> Result<Plan, TransferError> {
        self.file.flush().map_err(failed(&self.path, "writing it"))?;
        let Self { path, candidates, deletions, largest, .. } = self;
        let mut plan = Plan { path, moved_from: Vec::new(), moved_to: HashMap::new(), deletions, largest };
        for (gone, new) in candidates.pairs() {
            let (old, step) = (plan.at(gone)?, plan.at(new)?);
            let Some(Step::Move { at, .. }) = joined((&old.name, &old.step), (&step.name, &step.step)) else {
                continue;
            };
            plan.deletions[slot(at)] -= 1;
            plan.moved_from.push(gone);
            plan.moved_to.insert(new, gone);
        }
        plan.moved_from.sort_unstable();
        Ok(plan)
    }
}

impl Plan {
    /// Returns the number of deletions at an end, without those of moves.
    pub(crate) fn deletions(&self, at: Side) -> u64 {
        self.deletions[slot(at)]
    }

    /// Fails if more is deleted than the limit allows.
    pub(crate) fn check(
        &self,
        limit: DeleteLimit,
        known: u64,
        labels: [&str; 2],
    ) -> Result<(), TransferError> {
        for (side, label) in [Side::Source, Side::Destination].into_iter().zip(labels) {
            let count = self.deletions(side);
            if !limit.allows(count, known) {
                let (end, limit) = (label.to_owned(), limit.to_string());
                return Err(TransferError::DeletesTooMuch { count, known, end, limit });
            }
        }
        Ok(())
    }

    fn at(&self, position: u64) -> Result<Planned, TransferError> {
        let mut file = File::open(&self.path).map_err(failed(&self.path, "opening it"))?;
        file.seek(SeekFrom::Start(position)).map_err(failed(&self.path, "reading it"))?;
        parse(&self.path, Lines::of(&self.path, file).next()?.unwrap_or_default())
    }

    pub(crate) fn read(&self, which: Which) -> Result<Reader<'_>, TransferError> {
        Ok(Reader { plan: self, which, lines: Lines::open(&self.path)?, at: 0 })
    }
}

fn parse(path: &Path, text: &[u8]) -> Result<Planned, TransferError> {
    serde_json::from_slice(text).map_err(|_| damaged(path, "it is damaged"))
}

pub(crate) struct Reader<'p> {
    plan: &'p Plan,
    which: Which,
    lines: Lines,
    at: u64,
}

impl Reader<'_> {
    pub(crate) fn next(&mut self) -> Result<Option<Planned>, TransferError> {
        loop {
            let at = self.at;
            let Some(text) = self.lines.next()? else { return Ok(None) };
            self.at += text.len() as u64 + 1;
            let planned = parse(&self.plan.path, text)?;
            let is_deletion = matches!(planned.step, Step::Delete { .. });
            let is_moved = is_deletion && self.plan.moved_from.binary_search(&at).is_ok();
            if is_moved || is_deletion != (self.which == Which::Deletions) {
                continue;
            }
            let Some(gone) = self.plan.moved_to.get(&at) else { return Ok(Some(planned)) };
            let old = self.plan.at(*gone)?;
            let moved = joined((&old.name, &old.step), (&planned.name, &planned.step));
            return Ok(Some(match moved {
                Some(step) => Planned { step, ..planned },
                None => planned,
            }));
        }
    }
}
