//! `changes` of the API: getStartPageToken, list. The log has the last change of each file, with its current
//! state. When a folder changes, the log has no entry for the files in it.

use super::{
    Shared,
    state::State,
    wire::{Call, Refusal, Reply},
};
use serde_json::json;

/// A small page, so that tests soon need two.
const PAGE: usize = 3;

pub fn start(shared: &Shared, call: &Call) -> Result<Reply, Refusal> {
    call.only(&["driveId"])?;
    let state = shared.state();
    known_drive(&state, call)?;
    call.answer(json!({ "kind": "drive#startPageToken", "startPageToken": state.next.to_string() }))
}

fn known_drive<'c>(state: &State, call: &'c Call) -> Result<Option<&'c str>, Refusal> {
    match call.parameter("driveId") {
        Some(drive) if !state.drives.contains(drive) => {
            Err(Refusal::new(404, "notFound", format!("Shared drive not found: {drive}")))
        }
        drive => Ok(drive),
    }
}

pub fn list(shared: &Shared, call: &Call) -> Result<Reply, Refusal> {
    call.only(&[
        "pageToken",
        "pageSize",
        "spaces",
        "includeRemoved",
        "includeItemsFromAllDrives",
        "driveId",
    ])?;
    let state = shared.state();
    let drive = known_drive(&state, call)?;
    let token = call.parameter("pageToken").and_then(|token| token.parse::<u64>().ok());
    let after = token
        .filter(|after| *after >= state.forgotten)
        .ok_or_else(|| Refusal::invalid("Invalid page token"))?;
    let mut all: Vec<_> = state.changes.iter().filter(|(_, number)| **number > after).collect();
    all.sort_by_key(|(_, number)| **number);
    let is_seen = |id: &str| match state.files.get(id) {
        Some(file) => state.drive_of(file).as_deref() == drive,
        None => true,
    };
    let page: Vec<_> = all.iter().take(PAGE).collect();
    let changes = page.iter().filter(|(id, _)| is_seen(id)).map(|(id, _)| match state.files.get(*id) {
        Some(file) => json!({ "kind": "drive#change", "changeType": "file", "fileId": id, "removed": false, "file": state.show(file) }),
        None => json!({ "kind": "drive#change", "changeType": "file", "fileId": id, "removed": true }),
    });
    let mut document = json!({ "kind": "drive#changeList", "changes": changes.collect::<Vec<_>>() });
    match page.last() {
        Some((_, last)) if page.len() < all.len() => document["nextPageToken"] = json!(last.to_string()),
        _ => document["newStartPageToken"] = json!(state.next.to_string()),
    }
    call.answer(document)
}
