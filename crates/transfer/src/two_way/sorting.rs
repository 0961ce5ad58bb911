//! Sorting lines about names, and merging sorted ones.
//!
//! Invariants: at most `CHUNK` lines are in memory. Of several lines about a name the last one counts.

use super::{
    known::Known,
    lines::{Line, Lines, failed, write},
};
use crate::error::TransferError;
use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    vec,
};

/// Maximum number of lines that are sorted in memory.
const CHUNK: usize = 50_000;

/// Lines in order of their names.
#[derive(Debug)]
pub(crate) enum Sorted {
    Memory(vec::IntoIter<Line>),
    File(Lines),
    State(Known),
}

impl Sorted {
    pub(crate) fn next(&mut self) -> Result<Option<Line>, TransferError> {
        let lines = match self {
            Self::Memory(lines) => return Ok(lines.next()),
            Self::State(known) => {
                return Ok(known.next()?.map(|(name, both)| Line { name, both: Some(both) }));
            }
            Self::File(lines) => lines,
        };
        lines.line()
    }
}

/// Reads lines in any order, and returns them as sorted ones, of which the later ones count for a name.
/// What does not fit into memory waits in files that begin with `beside`.
pub(crate) fn sort(mut lines: Lines, beside: &Path) -> Result<Vec<Sorted>, TransferError> {
    let mut sorted = Vec::new();
    loop {
        let mut chunk = Vec::new();
        while chunk.len() < CHUNK {
            let Some(line) = lines.line()? else { break };
            chunk.push(line);
        }
        let is_last = chunk.len() < CHUNK;
        let chunk = in_order(chunk);
        if is_last {
            sorted.push(Sorted::Memory(chunk.into_iter()));
            return Ok(sorted);
        }
        let path = PathBuf::from(format!("{}-{}", beside.display(), sorted.len()));
        let io = |what: &'static str| failed(&path, what);
        let mut file = BufWriter::new(File::create(&path).map_err(io("making it"))?);
        for line in &chunk {
            write(&mut file, line).map_err(io("writing it"))?;
        }
        file.flush().map_err(io("writing it"))?;
        sorted.push(Sorted::File(Lines::open(&path)?));
        // The open file stays readable.
        std::fs::remove_file(&path).map_err(io("removing it"))?;
    }
}

fn in_order(mut lines: Vec<Line>) -> Vec<Line> {
    // The sort is stable: the last line of a name is the one that counts.
    lines.sort_by(|left, right| left.name.cmp(&right.name));
    lines.reverse();
    lines.dedup_by(|left, right| left.name == right.name);
    lines.reverse();
    lines
}

/// Merges sorted lines into one sequence. Where several have a name, the last of them counts.
pub(crate) fn merge(
    mut sources: Vec<Sorted>,
    mut take: impl FnMut(Line) -> Result<(), TransferError>,
) -> Result<(), TransferError> {
    let mut heads = Vec::with_capacity(sources.len());
    for source in &mut sources {
        heads.push(source.next()?);
    }
    loop {
        let first = heads.iter().flatten().map(|line| line.name.as_str()).min().map(str::to_owned);
        let Some(name) = first else { return Ok(()) };
        let mut counts = None;
        for (head, source) in heads.iter_mut().zip(&mut sources) {
            if head.as_ref().is_some_and(|line| line.name == name) {
                counts = std::mem::replace(head, source.next()?);
            }
        }
        if let Some(line) = counts {
            take(line)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{ETag, Timestamp},
        two_way::version::Version,
    };

    fn line(name: &str, size: Option<u64>) -> Line {
        let version = |size| Version { size, etag: ETag::opaque("x"), modified: Timestamp::from_millis(0) };
        Line { name: name.to_owned(), both: size.map(|size| (version(size), version(size))) }
    }

    #[test]
    fn the_later_line_of_a_name_counts_within_a_file_and_between_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("changes");
        let mut file = File::create(&path).expect("a file");
        let count = 2 * CHUNK + 10;
        // Every name twice: first in a chunk that is not the last one.
        for (round, size) in [(0, 1), (1, 2)] {
            for at in 0..count / 2 {
                let size = if at % 3 == round { None } else { Some(size) };
                write(&mut file, &line(&format!("{:06}", (at * 7919) % (count / 2)), size)).expect("written");
            }
        }
        file.write_all(b"{\"name\":\"torn").expect("written");
        let mut sources = vec![Sorted::Memory(vec![line("000001", Some(9)), line("x", Some(9))].into_iter())];
        sources.extend(sort(Lines::open(&path).expect("opens"), &folder.path().join("run")).expect("sorts"));
        let mut merged = Vec::new();
        merge(sources, |line| {
            merged.push(line);
            Ok(())
        })
        .expect("merges");
        assert_eq!(merged.len(), count / 2 + 1);
        assert!(merged.windows(2).all(|two| two[0].name < two[1].name));
        let sizes = |line: &Line| line.both.as_ref().map(|both| both.0.size);
        assert!(merged[..count / 2].iter().all(|line| matches!(sizes(line), None | Some(2))));
        assert_eq!(sizes(&merged[count / 2]), Some(9));
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "no file is left");
    }
}
