//! `files` of the API: functions that take documents, and functions that take or return bytes.

use super::{
    Shared,
    state::{Entry, Mode, State},
    wire::{Refusal, Reply, json_reply},
};
use bytes::Bytes;
use causeway::model::ByteRange;
use http::{HeaderMap, Response, header};
use http_body_util::Full;
use serde_json::{Value, json};

pub fn document(shared: &Shared, function: &str, argument: &Value) -> Result<Reply, Refusal> {
    let mut state = shared.state();
    let answer = match function {
        "get_metadata" => {
            only(argument, &["path"])?;
            let key = State::key(path(argument, "path")?)?;
            if !state.entries.contains_key(&key) {
                return Err(Refusal::of("path/not_found"));
            }
            state.show(&key)
        }
        "list_folder" => {
            only(argument, &["path", "limit"])?;
            let folder = match path(argument, "path")? {
                "" => String::new(),
                path => State::key(path)?,
            };
            match state.entries.get(&folder) {
                Some(Entry { file: Some(_), .. }) => return Err(Refusal::of("path/not_folder")),
                None if !folder.is_empty() => return Err(Refusal::of("path/not_found")),
                _ => {}
            }
            let limit = argument["limit"].as_u64().filter(|limit| (1..=2000).contains(limit)).unwrap_or(500);
            page(&mut state, folder, String::new(), limit as usize)
        }
        "list_folder/continue" => {
            only(argument, &["cursor"])?;
            let cursor =
                state.cursors.remove(path(argument, "cursor")?).ok_or_else(|| Refusal::of("reset"))?;
            page(&mut state, cursor.0, cursor.1, 500)
        }
        "create_folder_v2" => {
            only(argument, &["path", "autorename"])?;
            let place = path(argument, "path")?;
            let key = State::key(place)?;
            if let Some(there) = state.entries.get(&key) {
                let what = if there.file.is_some() { "file" } else { "folder" };
                return Err(Refusal::of(&format!("path/conflict/{what}")));
            }
            state.make_way(place)?;
            let name = place.rsplit('/').next().unwrap_or_default().to_owned();
            state.entries.insert(key.clone(), Entry { name, file: None });
            json!({ "metadata": state.show(&key) })
        }
        "delete_v2" => {
            only(argument, &["path", "parent_rev"])?;
            let key = State::key(path(argument, "path")?)?;
            let Some(entry) = state.entries.get(&key) else {
                return Err(Refusal::of("path_lookup/not_found"));
            };
            if let Some(rev) = argument["parent_rev"].as_str()
                && entry.file.as_ref().is_none_or(|file| file.rev != rev)
            {
                return Err(Refusal::of("path_write/conflict/file"));
            }
            let shown = state.show(&key);
            state.remove(&key);
            json!({ "metadata": shown })
        }
        "move_v2" | "copy_v2" => {
            only(argument, &["from_path", "to_path", "autorename"])?;
            let (from, to) = (path(argument, "from_path")?, path(argument, "to_path")?);
            let (from, key) = (State::key(from)?, State::key(to)?);
            let Some(source) = state.entries.get(&from).cloned() else {
                return Err(Refusal::of("from_lookup/not_found"));
            };
            let file = source.file.ok_or_else(|| Refusal::malformed("the fake moves only files"))?;
            if let Some(there) = state.entries.get(&key).filter(|_| key != from) {
                let what = if there.file.is_some() { "file" } else { "folder" };
                return Err(Refusal::of(&format!("to/conflict/{what}")));
            }
            if function == "copy_v2" {
                state
                    .check_quota(file.content.len() as u64)
                    .map_err(|_| Refusal::of("to/insufficient_space"))?;
            }
            state.make_way(to).map_err(|_| Refusal::of("to/conflict/file_ancestor"))?;
            if function == "move_v2" {
                state.remove(&from);
            }
            let rev = format!("{:015x}", state.number());
            state.versions.insert(rev.clone(), file.content.clone());
            let name = to.rsplit('/').next().unwrap_or_default().to_owned();
            state.entries.insert(key.clone(), Entry { name, file: Some(super::state::File { rev, ..file }) });
            json!({ "metadata": state.show(&key) })
        }
        _ => return Err(Refusal::malformed("Unknown API function")),
    };
    Ok(json_reply(200, &answer))
}

pub fn bytes(
    shared: &Shared,
    function: &str,
    argument: &Value,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Reply, Refusal> {
    let mut state = shared.state();
    let octets = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/octet-stream");
    if function != "download" && !octets {
        return Err(Refusal::malformed("Bad HTTP \"Content-Type\" header"));
    }
    if body.len() > 150 << 20 {
        return Err(Refusal::of("payload_too_large"));
    }
    let answer = match function {
        "download" => return download(&state, argument, headers),
        "upload" => {
            let (path, mode) = commit(argument)?;
            state.commit(path, body.clone(), mode)?
        }
        "upload_session/start" => {
            only(argument, &["close"])?;
            let id = format!("session-{}", state.number());
            state.sessions.insert(id.clone(), body.to_vec());
            json!({ "session_id": id })
        }
        "upload_session/append_v2" => {
            only(argument, &["cursor", "close"])?;
            append(&mut state, &argument["cursor"], body, "")?;
            return Ok(json_reply(200, &Value::Null));
        }
        "upload_session/finish" => {
            only(argument, &["cursor", "commit"])?;
            append(&mut state, &argument["cursor"], body, "lookup_failed/")?;
            let id = path(&argument["cursor"], "session_id")?;
            let (path, mode) = commit(&argument["commit"])?;
            let content = state.sessions.get(id).cloned().unwrap_or_default();
            // If the commit fails, the session stays as it was.
            let shown = state.commit(path, content.into(), mode)?;
            state.sessions.remove(id);
            shown
        }
        _ => return Err(Refusal::malformed("Unknown API function")),
    };
    Ok(json_reply(200, &answer))
}

/// Refuses unknown fields.
fn only(argument: &Value, known: &[&str]) -> Result<(), Refusal> {
    let fields = argument.as_object().ok_or_else(|| Refusal::malformed("no argument"))?;
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(Refusal::malformed(&format!("unknown field '{name}'"))),
        None => Ok(()),
    }
}

fn path<'a>(argument: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    argument[name].as_str().ok_or_else(|| Refusal::malformed(&format!("missing required field '{name}'")))
}

fn commit(argument: &Value) -> Result<(&str, Mode), Refusal> {
    only(argument, &["path", "mode", "autorename", "mute", "strict_conflict"])?;
    let mode = match (argument["mode"].as_str(), &argument["autorename"], &argument["strict_conflict"]) {
        (Some("add"), Value::Bool(false), Value::Bool(true)) => Mode::Add,
        (Some("overwrite"), Value::Bool(false), _) => Mode::Overwrite,
        _ => return Err(Refusal::malformed("the fake knows only strict commits")),
    };
    Ok((path(argument, "path")?, mode))
}

fn append(state: &mut State, cursor: &Value, body: &Bytes, outer: &str) -> Result<(), Refusal> {
    only(cursor, &["session_id", "offset"])?;
    let offset =
        cursor["offset"].as_u64().ok_or_else(|| Refusal::malformed("missing required field 'offset'"))?;
    let Some(session) = state.sessions.get_mut(path(cursor, "session_id")?) else {
        return Err(Refusal::of(&format!("{outer}not_found")));
    };
    if session.len() as u64 != offset {
        let more = json!({ "correct_offset": session.len() });
        return Err(Refusal { more, ..Refusal::of(&format!("{outer}incorrect_offset")) });
    }
    session.extend_from_slice(body);
    Ok(())
}

fn page(state: &mut State, folder: String, after: String, limit: usize) -> Value {
    let below = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let direct =
        |key: &&String| key.strip_prefix(&below).is_some_and(|rest| !rest.contains('/')) && **key > after;
    let mut keys = state.entries.keys().filter(direct).cloned();
    let shown: Vec<String> = keys.by_ref().take(limit).collect();
    let has_more = keys.next().is_some();
    let entries: Vec<Value> = shown.iter().map(|key| state.show(key)).collect();
    let cursor = format!("cursor-{}", state.number());
    state.cursors.insert(cursor.clone(), (folder, shown.last().cloned().unwrap_or(after)));
    json!({ "entries": entries, "cursor": cursor, "has_more": has_more })
}

fn download(state: &State, argument: &Value, headers: &HeaderMap) -> Result<Reply, Refusal> {
    only(argument, &["path"])?;
    let rev = path(argument, "path")?
        .strip_prefix("rev:")
        .ok_or_else(|| Refusal::malformed("the fake gives revisions"))?;
    let content = state.versions.get(rev).ok_or_else(|| Refusal::of("path/not_found"))?;
    let size = content.len() as u64;
    let reply = Response::builder()
        .header("dropbox-api-result", "{}")
        .header(header::CONTENT_TYPE, "application/octet-stream");
    let range = headers.get(header::RANGE).and_then(|range| ByteRange::parse(range.to_str().ok()?));
    let reply = match range {
        None => reply.status(200).body(Full::new(content.clone())),
        Some(range) => match range.resolve(size) {
            Some(span) => {
                let range = format!("bytes {}-{}/{size}", span.start, span.end - 1);
                let bytes = content.slice(span.start as usize..span.end as usize);
                reply.status(206).header(header::CONTENT_RANGE, range).body(Full::new(bytes))
            }
            None => reply.status(416).body(Full::default()),
        },
    };
    Ok(reply.expect("a reply"))
}
