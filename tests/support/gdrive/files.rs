//! `files` of the API: list, get, create, update, copy, delete, generateIds.

use super::{
    Shared, query,
    state::{MY_DRIVE, State, set_properties},
    wire::{Call, Refusal, Reply, empty, json_reply},
};
use bytes::Bytes;
use causeway::model::{ByteRange, Timestamp};
use http::{Response, header};
use http_body_util::Full;
use serde_json::{Value, json};

pub fn list(shared: &Shared, call: &Call) -> Result<Reply, Refusal> {
    call.only(&["q", "pageSize", "pageToken", "spaces", "corpora", "driveId", "includeItemsFromAllDrives"])?;
    let frozen = shared.frozen();
    let current = shared.state();
    let state: &State = frozen.as_ref().unwrap_or(&current);
    let terms = query::parse(call.parameter("q").unwrap_or("trashed = false"))?;
    let drive = match (call.parameter("corpora"), call.parameter("driveId")) {
        (Some("drive"), Some(drive)) if state.drives.contains(drive) => Some(drive),
        (Some("drive"), Some(drive)) => {
            return Err(Refusal::new(404, "notFound", format!("Shared drive not found: {drive}")));
        }
        (Some("drive"), None) | (_, Some(_)) => {
            return Err(Refusal::invalid("driveId and corpora=drive go together"));
        }
        _ => None,
    };
    let all_drives = call.is_set("includeItemsFromAllDrives") && call.is_set("supportsAllDrives");
    if drive.is_some() && !all_drives {
        return Err(Refusal::new(
            403,
            "teamDrivesParentLimit",
            "includeItemsFromAllDrives must be set for corpora=drive",
        ));
    }
    for term in &terms {
        if let query::Term::In(parent) = term
            && !state.files.contains_key(parent)
        {
            return Err(Refusal::not_found(""));
        }
    }
    let size = match call.parameter("pageSize").map(str::parse::<usize>) {
        None => 100,
        Some(Ok(size)) if (1..=1000).contains(&size) => size,
        Some(_) => return Err(Refusal::invalid("pageSize must be between 1 and 1000")),
    };
    let after = match call.parameter("pageToken") {
        Some(token) => token.strip_prefix("page~").ok_or_else(|| Refusal::invalid("Invalid page token"))?,
        None => "",
    };
    let seen = |file: &&super::state::File| match state.drive_of(file) {
        Some(of) => all_drives && drive.is_none_or(|drive| drive == of),
        None => drive.is_none(),
    };
    let matching = state.files.values().filter(|file| file.parent.is_some()).filter(seen);
    let mut found =
        matching.filter(|file| file.id.as_str() > after && terms.iter().all(|term| term.holds(file, state)));
    let page: Vec<_> = found.by_ref().take(size).collect();
    let mut document = json!({ "kind": "drive#fileList", "files": page.iter().map(|file| state.show(file)).collect::<Vec<_>>() });
    if let (Some(_), Some(last)) = (found.next(), page.last()) {
        document["nextPageToken"] = json!(format!("page~{}", last.id));
    }
    call.answer(document)
}

pub fn get(shared: &Shared, call: &Call, id: &str) -> Result<Reply, Refusal> {
    call.only(&["alt", "acknowledgeAbuse"])?;
    let state = shared.state();
    let file = state.file(id, call.is_set("supportsAllDrives"))?;
    if call.parameter("alt") != Some("media") {
        return call.answer(state.show(file));
    }
    let no_bytes =
        || Refusal::new(403, "fileNotDownloadable", "Only files with binary content can be downloaded.");
    let content = file.content.as_ref().ok_or_else(no_bytes)?;
    let size = content.len() as u64;
    let reply = Response::builder().header(header::CONTENT_TYPE, &file.mime);
    let reply = match call.header("range").and_then(ByteRange::parse) {
        None => reply.status(200).body(Full::new(content.clone())),
        Some(range) => match range.resolve(size) {
            Some(span) => {
                let range = format!("bytes {}-{}/{size}", span.start, span.end - 1);
                let bytes = content.slice(span.start as usize..span.end as usize);
                reply.status(206).header(header::CONTENT_RANGE, range).body(Full::new(bytes))
            }
            None => {
                return Err(Refusal::new(
                    416,
                    "requestedRangeNotSatisfiable",
                    "Request range not satisfiable",
                ));
            }
        },
    };
    Ok(reply.expect("a reply"))
}

pub fn generate_ids(shared: &Shared, call: &Call) -> Result<Reply, Refusal> {
    call.only(&["count", "space", "type"])?;
    let count =
        call.parameter("count").map_or(Ok(10), str::parse).ok().filter(|count| (1..=1000).contains(count));
    let count: usize = count.ok_or_else(|| Refusal::invalid("count must be between 1 and 1000"))?;
    let mut state = shared.state();
    let ids: Vec<String> = (0..count).map(|_| state.new_id()).collect();
    state.reserved.extend(ids.iter().cloned());
    Ok(json_reply(200, &json!({ "kind": "drive#generatedIds", "space": "drive", "ids": ids })))
}

pub fn create(shared: &Shared, call: &Call, body: &Bytes) -> Result<Reply, Refusal> {
    call.only(&[])?;
    let mut state = shared.state();
    let id = state.create(&metadata(body)?, None)?;
    call.answer(state.show(&state.files[&id]))
}

pub fn metadata(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|_| Refusal::new(400, "parseError", "Parse Error"))
}

pub fn update(shared: &Shared, call: &Call, id: &str, body: &Bytes) -> Result<Reply, Refusal> {
    call.only(&["addParents", "removeParents"])?;
    let change = metadata(body)?;
    let mut state = shared.state();
    let id = state.file(id, call.is_set("supportsAllDrives"))?.id.clone();
    let parent = state.files[&id].parent.clone();
    let ids =
        |name| call.parameter(name).into_iter().flat_map(|ids: &str| ids.split(',')).collect::<Vec<_>>();
    let mut now = parent.clone();
    if ids("removeParents").iter().any(|id| Some(*id) == now.as_deref()) {
        now = None;
    }
    for added in ids("addParents") {
        let added = state.folder(added)?;
        match &now {
            Some(there) if *there == added => {}
            Some(_) => {
                return Err(Refusal::new(
                    403,
                    "cannotAddParent",
                    "Increasing the number of parents is not allowed",
                ));
            }
            None => now = Some(added),
        }
    }
    if now.is_none() && parent.is_some() {
        now = Some(MY_DRIVE.to_owned());
    }
    for name in change.as_object().into_iter().flat_map(|fields| fields.keys()) {
        if !["name", "trashed", "properties", "mimeType"].contains(&name.as_str()) {
            return Err(Refusal::invalid(format!("the fake does not know {name}")));
        }
    }
    let file = state.files.get_mut(&id).expect("is there");
    file.parent = now;
    if let Some(name) = change["name"].as_str() {
        file.name = name.to_owned();
        file.modified = Timestamp::now();
    }
    if let Some(trashed) = change["trashed"].as_bool() {
        file.trashed = trashed;
    }
    set_properties(file, &change["properties"]);
    state.note(&id);
    call.answer(state.show(&state.files[&id]))
}

pub fn copy(shared: &Shared, call: &Call, id: &str, body: &Bytes) -> Result<Reply, Refusal> {
    call.only(&[])?;
    let mut description = metadata(body)?;
    let mut state = shared.state();
    let source = state.file(id, call.is_set("supportsAllDrives"))?.clone();
    if source.content.is_none() {
        return Err(Refusal::new(403, "cannotCopyFile", "This file cannot be copied by the user."));
    }
    let mut properties = json!(source.properties);
    for (name, value) in description["properties"].as_object().into_iter().flatten() {
        properties[name] = value.clone();
    }
    description["properties"] = properties;
    if description["parents"].is_null() {
        description["parents"] = json!(source.parent.iter().collect::<Vec<_>>());
    }
    let id = state.create(&description, source.content)?;
    call.answer(state.show(&state.files[&id]))
}

pub fn delete(shared: &Shared, call: &Call, id: &str) -> Result<Reply, Refusal> {
    call.only(&[])?;
    let mut state = shared.state();
    let file = state.file(id, call.is_set("supportsAllDrives"))?;
    // On a shared drive only organizers may delete.
    if state.drive_of(file).is_some() {
        return Err(Refusal::new(
            403,
            "insufficientFilePermissions",
            "The user does not have sufficient permissions for this file.",
        ));
    }
    let id = file.id.clone();
    state.delete(&id);
    Ok(empty(204))
}
