//! Uploads: in one request with the metadata, or in a session that can be resumed.

use super::{
    Shared,
    files::metadata,
    state::{State, Target, Upload},
    wire::{Call, Refusal, Reply, empty},
};
use bytes::Bytes;

/// The pieces of a session except the last are multiples of this length.
const STEP: u64 = 256 << 10;

/// The bytes of a body that arrived, and whether they are complete.
pub struct Received {
    pub bytes: Bytes,
    pub whole: bool,
}

pub fn multipart(shared: &Shared, call: &Call, target: Option<&str>, body: &Bytes) -> Result<Reply, Refusal> {
    call.only(&["uploadType"])?;
    let invalid = || Refusal::new(400, "badContent", "Malformed multipart body.");
    let kind = call.header("content-type").unwrap_or_default();
    let boundary = kind.strip_prefix("multipart/related; boundary=").ok_or_else(invalid)?;
    let delimiter = format!("\r\n--{boundary}");
    let start = body.strip_prefix(&delimiter.as_bytes()[2..]).ok_or_else(invalid)?;
    let (first, rest) = cut(start, delimiter.as_bytes()).ok_or_else(invalid)?;
    let (second, rest) = cut(rest, delimiter.as_bytes()).ok_or_else(invalid)?;
    if !rest.starts_with(b"--") {
        return Err(invalid());
    }
    let content = |part: &[u8]| cut(part, b"\r\n\r\n").map(|(_, content)| content.to_vec());
    let (described, content) = content(first).zip(content(second)).ok_or_else(invalid)?;
    let target = of(target, &described)?;
    let mut state = shared.state();
    let id = keep(&mut state, target, content.into())?;
    call.answer(state.show(&state.files[&id]))
}

fn cut<'b>(bytes: &'b [u8], at: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let found = bytes.windows(at.len()).position(|window| window == at)?;
    Some((&bytes[..found], &bytes[found + at.len()..]))
}

fn of(target: Option<&str>, described: &[u8]) -> Result<Target, Refusal> {
    match target {
        Some(id) => Ok(Target::Content(id.to_owned())),
        None => metadata(described).map(Target::New),
    }
}

/// Stores the content of a new file, or the new content of a file.
fn keep(state: &mut State, target: Target, content: Bytes) -> Result<String, Refusal> {
    match target {
        Target::New(metadata) => state.create(&metadata, Some(content)),
        Target::Content(id) => {
            state.check_quota(content.len() as u64)?;
            let revision = state.number();
            state.files.get_mut(&id).ok_or_else(|| Refusal::not_found(&id))?.fill(content, revision);
            state.note(&id);
            Ok(id)
        }
    }
}

pub fn begin(shared: &Shared, call: &Call, target: Option<&str>, body: &Bytes) -> Result<Reply, Refusal> {
    call.only(&["uploadType"])?;
    let announced = call
        .header("x-upload-content-length")
        .map(|length| length.parse().map_err(|_| Refusal::invalid("length")))
        .transpose()?;
    let described = if body.is_empty() { Bytes::from_static(b"{}") } else { body.clone() };
    let target = of(target, &described)?;
    let mut state = shared.state();
    state.check_quota(announced.unwrap_or(0))?;
    let session = state.new_id();
    let fields = call.parameter("fields").unwrap_or_default().to_owned();
    state.uploads.insert(session.clone(), Upload { target, announced, received: Vec::new(), fields });
    let mut reply = empty(200);
    let location = format!(
        "{}/upload/drive/v3/files?uploadType=resumable&upload_id={session}&fields={}",
        shared.endpoint(),
        call.parameter("fields").unwrap_or_default()
    );
    reply.headers_mut().insert("location", location.parse().expect("an address"));
    Ok(reply)
}

pub fn put(shared: &Shared, call: &Call, session: &str, body: Received) -> Result<Reply, Refusal> {
    let mut state = shared.state();
    let gone = || Refusal::new(404, "notFound", "No such upload session.");
    let upload = state.uploads.get_mut(session).ok_or_else(gone)?;
    let held: u64 = upload.received.iter().map(|piece| piece.len() as u64).sum();
    let range = match call.header("content-range") {
        Some(range) => range
            .strip_prefix("bytes ")
            .and_then(|range| range.split_once('/'))
            .ok_or_else(|| Refusal::invalid("Content-Range"))?,
        None => ("whole", "*"),
    };
    let total: Option<u64> = range.1.parse().ok().or(upload.announced);
    match range.0 {
        "*" => return Ok(incomplete(held)),
        "whole" if held > 0 => return Err(Refusal::invalid("this session has begun already")),
        "whole" => {}
        range => {
            let (first, last) = range
                .split_once('-')
                .and_then(|(a, b)| Some((a.parse::<u64>().ok()?, b.parse::<u64>().ok()?)))
                .ok_or_else(|| Refusal::invalid("Content-Range"))?;
            if first != held || (body.whole && last + 1 - first != body.bytes.len() as u64) {
                return Err(Refusal::invalid(format!("the session goes on at {held}")));
            }
            let is_last = total == Some(last + 1);
            if !is_last && (last + 1 - first) % STEP != 0 {
                return Err(Refusal::invalid("pieces have to be multiples of 256 KiB"));
            }
        }
    }
    // An incomplete piece is kept in whole steps.
    let arrived = body.bytes.len() as u64;
    let kept = if body.whole { arrived } else { arrived - arrived % STEP };
    upload.received.push(body.bytes.slice(..kept as usize));
    let held = held + kept;
    let ends = match (range.0, total) {
        ("whole", None) => body.whole,
        (_, Some(total)) if held > total => return Err(Refusal::invalid("more than was announced")),
        (_, Some(total)) => held == total,
        (_, None) => false,
    };
    if !ends {
        return Ok(incomplete(held));
    }
    let upload = state.uploads.remove(session).expect("is there");
    let content: Bytes = upload.received.concat().into();
    let id = keep(&mut state, upload.target, content)?;
    call.answer(state.show(&state.files[&id]))
}

fn incomplete(held: u64) -> Reply {
    let mut reply = empty(308);
    if held > 0 {
        reply.headers_mut().insert("range", format!("bytes=0-{}", held - 1).parse().expect("a value"));
    }
    reply
}
