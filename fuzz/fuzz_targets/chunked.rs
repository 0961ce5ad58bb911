//! Decoding of `aws-chunked`: the result does not depend on how a body is split into frames, and never has
//! more bytes than were declared.

#![no_main]

use bytes::Bytes;
use causeway::{edge::chunked::Decoder, model::ChecksumAlgorithm, store::payload::PayloadError};
use libfuzzer_sys::fuzz_target;

/// The decoded bytes, and the final result.
fn decode(body: &Bytes, declared: u64, cuts: &[usize]) -> (Vec<u8>, Result<(), PayloadError>) {
    let mut decoder = Decoder::unsigned(declared, Some(ChecksumAlgorithm::Crc32));
    let mut rest = body.clone();
    let mut out = Vec::new();
    let mut cuts = cuts.iter().copied().chain([usize::MAX]);
    while let Some(cut) = cuts.next() {
        let mut frame = rest.split_to(cut.min(rest.len()));
        loop {
            match decoder.decode(&mut frame) {
                Ok(Some(piece)) => out.extend_from_slice(&piece),
                Ok(None) => break,
                Err(error) => return (out, Err(error)),
            }
        }
        assert!(frame.is_empty());
    }
    (out, decoder.finish())
}

fuzz_target!(|input: (u16, Vec<u8>, &[u8])| {
    let (declared, cuts, body) = input;
    let body = Bytes::copy_from_slice(body);
    let cuts: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut)).collect();
    let (whole, end) = decode(&body, u64::from(declared), &[]);
    let (cut, cut_end) = decode(&body, u64::from(declared), &cuts);
    assert_eq!((&whole, &end), (&cut, &cut_end));
    assert!(whole.len() <= usize::from(declared));
    if end.is_ok() {
        assert_eq!(whole.len(), usize::from(declared));
    }
});
