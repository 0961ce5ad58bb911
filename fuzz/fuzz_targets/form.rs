//! Forms: the fields and the file do not depend on how a body is split into frames, and no more is kept of the
//! fields than is allowed.

#![no_main]

use bytes::Bytes;
use causeway::{
    edge::form::{Delimiter, Field, FileEnd, FormError, MAX_FORM, Reader},
    store::payload::PayloadError,
};
use libfuzzer_sys::fuzz_target;

type File = (Vec<u8>, Result<(), PayloadError>);

/// The fields, and the file with its final result.
fn read(delimiter: &Delimiter, body: &Bytes, cuts: &[usize]) -> Result<Option<(Vec<Field>, File)>, FormError> {
    let mut reader = Some(Reader::new(delimiter.clone()));
    let mut fields = None;
    let (mut end, mut contents, mut failed) = (FileEnd::new(delimiter.clone()), Vec::new(), None);
    let mut rest = body.clone();
    for cut in cuts.iter().copied().chain([usize::MAX]) {
        let mut frame = rest.split_to(cut.min(rest.len()));
        if let Some(mut reading) = reader.take() {
            match reading.push(&mut frame)? {
                Some(_) => fields = Some(reading.fields()),
                None => {
                    reader = Some(reading);
                    continue;
                }
            }
        }
        while failed.is_none() {
            match end.take(&mut frame) {
                Ok(Some(piece)) => contents.extend_from_slice(&piece),
                Ok(None) => break,
                Err(error) => failed = Some(error),
            }
        }
    }
    let end = failed.map_or_else(|| end.finish(), Err);
    Ok(fields.map(|fields| (fields, (contents, end))))
}

fuzz_target!(|input: (&str, Vec<u8>, &[u8])| {
    let (boundary, cuts, body) = input;
    let Some(delimiter) = Delimiter::of(&format!("multipart/form-data; boundary=\"{boundary}\"")) else { return };
    let body = Bytes::copy_from_slice(body);
    let cuts: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut)).collect();
    let whole = read(&delimiter, &body, &[]);
    assert_eq!(whole, read(&delimiter, &body, &cuts));
    if let Ok(Some((fields, (contents, _)))) = whole {
        let kept: usize = fields.iter().map(|field| field.name.len() + field.value.len()).sum();
        assert!(kept <= MAX_FORM && contents.len() <= body.len());
    }
});
