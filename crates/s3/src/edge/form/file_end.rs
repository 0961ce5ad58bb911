//! The end of a form's file: the contents up to the next boundary, as they arrive.
//!
//! Does no I/O: bytes go in, slices of the same bytes come out. Invariants:
//! - nothing is kept but how much of a delimiter the last bytes were;
//! - the contents are complete only after a whole delimiter and what must follow it;
//! - what follows the file is not read, and is at most [`MAX_FORM`] bytes: S3 ignores fields behind the file.

use super::multipart::{Delimiter, MAX_FORM};
use crate::store::payload::PayloadError;
use bytes::{Buf, Bytes};

const CUT_SHORT: PayloadError = PayloadError::Form("it ends within its file");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Contents,
    /// Within what may be a delimiter, of which so many bytes were seen.
    Delimiter(usize),
    /// Behind the delimiter, with the byte that was seen in its line, if one counts.
    Line(Option<u8>),
    /// Behind the file, with so many bytes that may still follow.
    Rest(usize),
}

/// Public for fuzzing.
#[derive(Debug)]
pub struct FileEnd {
    delimiter: Delimiter,
    position: Position,
}

impl FileEnd {
    pub fn new(delimiter: Delimiter) -> Self {
        Self { delimiter, position: Position::Contents }
    }

    /// The next contents within `input`, which is consumed up to them; `None` once it is used up.
    pub fn take(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, PayloadError> {
        while !input.is_empty() {
            match self.position {
                Position::Contents => {
                    let (contents, seen) = self.contents(input);
                    let contents = input.split_to(contents);
                    input.advance(seen);
                    if seen > 0 {
                        self.position = self.within(seen);
                    }
                    if !contents.is_empty() {
                        return Ok(Some(contents));
                    }
                }
                Position::Delimiter(seen) => {
                    let wanted = &self.delimiter.bytes()[seen..];
                    let length = wanted.len().min(input.len());
                    if input[..length] != wanted[..length] {
                        // No delimiter begins within these bytes: see `Delimiter`.
                        self.position = Position::Contents;
                        return Ok(Some(self.delimiter.bytes().slice(..seen)));
                    }
                    input.advance(length);
                    self.position = self.within(seen + length);
                }
                Position::Line(seen) => {
                    let next = input.get_u8();
                    self.position = match (seen, next) {
                        (None, b' ' | b'\t') => Position::Line(None),
                        (None, b'\r' | b'-') => Position::Line(Some(next)),
                        (Some(b'\r'), b'\n') | (Some(b'-'), b'-') => Position::Rest(MAX_FORM),
                        _ => return Err(PayloadError::Form("a boundary is not followed by a line end")),
                    };
                }
                Position::Rest(left) => {
                    let left = left.checked_sub(input.len());
                    self.position =
                        Position::Rest(left.ok_or(PayloadError::Form("too much follows its file"))?);
                    input.clear();
                }
            }
        }
        Ok(None)
    }

    /// Called at the end of the body.
    pub fn finish(&self) -> Result<(), PayloadError> {
        match self.position {
            Position::Rest(_) => Ok(()),
            Position::Contents | Position::Delimiter(_) | Position::Line(_) => Err(CUT_SHORT),
        }
    }

    fn within(&self, seen: usize) -> Position {
        if seen == self.delimiter.bytes().len() { Position::Line(None) } else { Position::Delimiter(seen) }
    }

    /// How many bytes are contents, and how many behind them are of a delimiter.
    fn contents(&self, input: &[u8]) -> (usize, usize) {
        let delimiter = self.delimiter.bytes();
        let mut from = 0;
        while let Some(at) = input[from..].iter().position(|byte| *byte == b'\r').map(|at| from + at) {
            let length = delimiter.len().min(input.len() - at);
            if input[at..at + length] == delimiter[..length] {
                return (at, length);
            }
            from = at + 1;
        }
        (input.len(), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The contents, and how they ended.
    fn read(body: &[u8], cuts: &[usize]) -> (Vec<u8>, Result<(), PayloadError>) {
        let mut end = FileEnd::new(Delimiter::of("multipart/form-data; boundary=bound").expect("allowed"));
        let mut rest = Bytes::copy_from_slice(body);
        let mut contents = Vec::new();
        for cut in cuts.iter().copied().chain([usize::MAX]) {
            let mut frame = rest.split_to(cut.min(rest.len()));
            loop {
                match end.take(&mut frame) {
                    Ok(Some(piece)) => contents.extend_from_slice(&piece),
                    Ok(None) => break,
                    Err(error) => return (contents, Err(error)),
                }
            }
            assert!(frame.is_empty());
        }
        (contents, end.finish())
    }

    #[test]
    fn the_contents_end_at_the_boundary_wherever_the_body_is_cut() {
        let contents = b"\r\r\n\r\n-\r\n--bou\r\n--boun\r--bound\n--bound\r\n";
        for tail in ["\r\n--bound--", "\r\n--bound--\r\n", "\r\n--bound \t\r\nContent-Disposition: x"] {
            let body = [&contents[..], tail.as_bytes()].concat();
            assert_eq!(read(&body, &[]), (contents.to_vec(), Ok(())), "{tail:?}");
            for cut in 0..body.len() {
                assert_eq!(read(&body, &[cut]), (contents.to_vec(), Ok(())), "{tail:?} {cut}");
            }
            assert_eq!(read(&body, &vec![1; body.len()]), (contents.to_vec(), Ok(())), "{tail:?}");
        }
        assert_eq!(read(b"\r\n--bound--", &[]), (Vec::new(), Ok(())), "an empty file");
    }

    #[test]
    fn a_file_without_its_end_is_cut_short() {
        let whole = b"file\r\n--bound--";
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length], &[]).1, Err(CUT_SHORT), "{length}");
        }
    }

    #[test]
    fn a_boundary_that_goes_on_is_none() {
        for body in ["file\r\n--boundary\r\n", "file\r\n--bound-x", "file\r\n--bound\rx"] {
            assert!(matches!(read(body.as_bytes(), &[]).1, Err(PayloadError::Form(_))), "{body:?}");
        }
    }

    #[test]
    fn a_little_may_follow_the_file() {
        let followed =
            |length: usize| read(&[b"\r\n--bound\r\n".to_vec(), vec![b'x'; length]].concat(), &[1000]).1;
        assert_eq!(followed(MAX_FORM), Ok(()));
        assert!(followed(MAX_FORM + 1).is_err());
    }

    proptest! {
        #[test]
        fn every_file_comes_out_as_it_went_in(
            file in "((\r\n--bou)|\r|\n|-|[a-z]|\\PC){0,40}",
            cuts in proptest::collection::vec(0usize..24, 0..12),
        ) {
            prop_assume!(!file.contains("\r\n--bound"));
            let body = format!("{file}\r\n--bound--\r\n");
            prop_assert_eq!(read(body.as_bytes(), &cuts), (file.into_bytes(), Ok(())));
        }
    }
}
