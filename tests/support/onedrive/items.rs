//! `driveItem` of the API: get, children, create, update, delete, copy, content; and uploads and downloads
//! that have addresses of their own.

use super::{
    Shared,
    state::{Item, ROOT, State, Upload},
    wire::{Behaviour, Call, Place, Refusal, Reply, empty, json_reply, located},
};
use bytes::Bytes;
use causeway::model::ByteRange;
use http::{Method, Response, header};
use http_body_util::Full;
use serde_json::{Value, json};

/// The ranges of a session except the last are multiples of this length.
const STEP: u64 = 320 << 10;

pub fn answer(
    shared: &Shared,
    call: &Call,
    place: Place,
    asked: &str,
    body: &Bytes,
) -> Result<Reply, Refusal> {
    let behaviour = "@microsoft.graph.conflictBehavior";
    match (&call.method, &place, asked) {
        (&Method::GET, _, "") => {
            call.only(&[])?;
            let state = shared.state();
            Ok(json_reply(200, &shared.show(&state, found(&state, &place)?)))
        }
        (&Method::GET, _, "/children") => children(shared, call, &place),
        (&Method::GET, _, "/content") => {
            let state = shared.state();
            let item = found(&state, &place)?;
            Ok(located(302, &shared.download(item)))
        }
        (&Method::POST, Place::Id(folder), "/children") => {
            call.only(&[])?;
            let document = document(body)?;
            if document["folder"].is_null() {
                return Err(Refusal::invalid("only folders are made so"));
            }
            let behaviour = call.behaviour(&document)?;
            let mut state = shared.state();
            let id = state.create(&folder_id(folder), name_of(&document)?, None, behaviour)?;
            Ok(json_reply(201, &shared.show(&state, &state.items[&id])))
        }
        (&Method::PUT, Place::Child(folder, name), "/content") => {
            call.only(&[behaviour])?;
            let behaviour = call.behaviour(&Value::Null)?;
            let mut state = shared.state();
            state.folder(folder)?;
            let id = state.create(folder, name, Some(body.clone()), behaviour)?;
            Ok(json_reply(201, &shared.show(&state, &state.items[&id])))
        }
        (&Method::POST, Place::Child(folder, name), "/createUploadSession") => {
            call.only(&[])?;
            let item = document(body)?["item"].take();
            if item["name"].as_str().is_some_and(|told| told != name) {
                return Err(Refusal::invalid("the name is not that of the address"));
            }
            let behaviour = call.behaviour(&item)?;
            let mut state = shared.state();
            state.folder(folder)?;
            let session = format!("s{}", state.number());
            let upload = Upload {
                folder: folder.clone(),
                name: name.clone(),
                behaviour,
                total: None,
                received: Vec::new(),
            };
            state.uploads.insert(session.clone(), upload);
            let address = format!("{}/up/{session}", shared.endpoint());
            Ok(json_reply(
                200,
                &json!({ "uploadUrl": address, "expirationDateTime": "2099-01-01T00:00:00Z" }),
            ))
        }
        (&Method::PATCH, Place::Id(id), "") => update(shared, call, id, body),
        (&Method::POST, Place::Id(id), "/copy") => copy(shared, call, id, body),
        (&Method::DELETE, Place::Id(id), "") => {
            call.only(&[])?;
            let mut state = shared.state();
            let item = state.item(id)?;
            if call.header("if-match").is_some_and(|tag| tag != State::e_tag(item)) {
                return Err(Refusal::new(412, "preconditionFailed", "ETag does not match"));
            }
            state.delete(id);
            Ok(empty(204))
        }
        _ => Err(Refusal::new(
            405,
            "notAllowed",
            format!("the fake does not know {} {place:?}{asked}", call.method),
        )),
    }
}

fn folder_id(id: &str) -> String {
    if id == "root" { ROOT.to_owned() } else { id.to_owned() }
}

fn found<'s>(state: &'s State, place: &Place) -> Result<&'s Item, Refusal> {
    match place {
        Place::Path(path) => state.at(path),
        Place::Id(id) => state.item(&folder_id(id)),
        Place::Child(folder, name) => state.child(folder, name).ok_or_else(Refusal::not_found),
    }
}

fn document(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body)
        .map_err(|_| Refusal::invalid("Entity only allows writes with a JSON Content-Type header."))
}

fn name_of(document: &Value) -> Result<&str, Refusal> {
    document["name"].as_str().ok_or_else(|| Refusal::invalid("no name"))
}

fn children(shared: &Shared, call: &Call, place: &Place) -> Result<Reply, Refusal> {
    call.only(&["$top", "$select", "$skiptoken"])?;
    let state = shared.state();
    let folder = found(&state, place)?;
    let size: usize = call
        .parameter("$top")
        .and_then(|top| top.parse().ok())
        .filter(|top| (1..=1000).contains(top))
        .unwrap_or(200);
    let after = call.parameter("$skiptoken").unwrap_or_default();
    let mut matching = state
        .items
        .values()
        .filter(|item| item.parent.as_ref() == Some(&folder.id) && item.id.as_str() > after);
    let page: Vec<&Item> = matching.by_ref().take(size).collect();
    let select: Option<Vec<&str>> = call.parameter("$select").map(|fields| fields.split(',').collect());
    let shown = page.iter().map(|item| {
        let Value::Object(mut shown) = shared.show(&state, item) else { unreachable!("an object") };
        if let Some(select) = &select {
            shown.retain(|name, _| select.contains(&name.as_str()));
        }
        Value::Object(shown)
    });
    let mut document = json!({ "value": shown.collect::<Vec<_>>() });
    if let (Some(_), Some(last)) = (matching.next(), page.last()) {
        let select = call.parameter("$select").map(|select| format!("&$select={select}")).unwrap_or_default();
        // The next page has another host, as behind a gateway.
        document["@odata.nextLink"] = json!(format!(
            "https://graph.example.com{}?$top={size}{select}&$skiptoken={}",
            call.path, last.id
        ));
    }
    Ok(json_reply(200, &document))
}

fn update(shared: &Shared, call: &Call, id: &str, body: &Bytes) -> Result<Reply, Refusal> {
    call.only(&["@microsoft.graph.conflictBehavior"])?;
    let change = document(body)?;
    let mut behaviour = call.behaviour(&change)?;
    if !shared.quirks().replaces {
        behaviour = Behaviour::Fail;
    }
    let mut state = shared.state();
    let item = state.item(id)?.clone();
    let parent = match change["parentReference"]["id"].as_str() {
        Some("root") => return Err(Refusal::invalid("the real id of the root folder is needed")),
        Some(parent) => parent.to_owned(),
        None => item.parent.clone().ok_or_else(|| Refusal::invalid("the top stays where it is"))?,
    };
    let name = change["name"].as_str().unwrap_or(&item.name).to_owned();
    state.make_room(&parent, &name, behaviour, Some(id))?;
    let number = state.number();
    let item = state.items.get_mut(id).expect("is there");
    (item.parent, item.name, item.changes) = (Some(parent), name, number);
    Ok(json_reply(200, &shared.show(&state, &state.items[id])))
}

fn copy(shared: &Shared, call: &Call, id: &str, body: &Bytes) -> Result<Reply, Refusal> {
    call.only(&["@microsoft.graph.conflictBehavior"])?;
    let document = document(body)?;
    let behaviour = call.behaviour(&Value::Null)?;
    let mut state = shared.state();
    let source = state.item(id)?.clone();
    let folder =
        document["parentReference"]["id"].as_str().ok_or_else(|| Refusal::invalid("no parent"))?.to_owned();
    state.folder(&folder)?;
    let made = state.make_room(&folder, name_of(&document)?, behaviour, None);
    let made = made
        .and_then(|()| state.create(&folder, name_of(&document)?, source.content, Behaviour::Fail))
        .is_ok();
    let job = format!("j{}", state.number());
    state.jobs.insert(job.clone(), (1, made));
    Ok(located(202, &format!("{}/monitor/{job}", shared.endpoint())))
}

/// Answers at secret addresses. A request with a token there is refused.
pub fn unsigned(shared: &Shared, call: &Call, body: &Bytes, whole: bool) -> Option<Result<Reply, Refusal>> {
    let (kind, name) = call.path.strip_prefix('/')?.split_once('/')?;
    let answer = match (kind, &call.method) {
        ("download", &Method::GET) => download(shared, call, name),
        ("monitor", &Method::GET) => monitor(shared, name),
        ("up", &Method::PUT) => put(shared, call, name, body, whole),
        ("up", &Method::GET) => shared.state().uploads.get(name).map(progress).ok_or_else(Refusal::not_found),
        ("up", &Method::DELETE) => {
            shared.state().uploads.remove(name).map(|_| empty(204)).ok_or_else(Refusal::not_found)
        }
        _ => return None,
    };
    Some(match call.header("authorization") {
        Some(_) => Err(Refusal::new(401, "unauthenticated", "no token belongs here")),
        None => answer,
    })
}

fn monitor(shared: &Shared, name: &str) -> Result<Reply, Refusal> {
    let mut state = shared.state();
    let (left, done) = state.jobs.get_mut(name).ok_or_else(Refusal::not_found)?;
    if *left > 0 {
        *left -= 1;
        return Ok(json_reply(
            202,
            &json!({ "operation": "ItemCopy", "percentageComplete": 27.8, "status": "inProgress" }),
        ));
    }
    Ok(if *done {
        json_reply(202, &json!({ "percentageComplete": 100.0, "status": "completed", "resourceId": "01" }))
    } else {
        json_reply(
            200,
            &json!({ "status": "failed", "error": { "code": "nameAlreadyExists", "message": "Name already exists" } }),
        )
    })
}

/// Sends the current content: a download address belongs to an item, not to a version.
fn download(shared: &Shared, call: &Call, name: &str) -> Result<Reply, Refusal> {
    let state = shared.state();
    let content = state.item(name)?.content.clone().ok_or_else(Refusal::not_found)?;
    let size = content.len() as u64;
    let reply = Response::builder().header(header::CONTENT_TYPE, "application/octet-stream");
    let reply = match call.header("range").and_then(ByteRange::parse) {
        None => reply.status(200).body(Full::new(content)),
        Some(range) => match range.resolve(size) {
            Some(span) => {
                let range = format!("bytes {}-{}/{size}", span.start, span.end - 1);
                let bytes = content.slice(span.start as usize..span.end as usize);
                reply.status(206).header(header::CONTENT_RANGE, range).body(Full::new(bytes))
            }
            None => return Err(Refusal::new(416, "invalidRange", "Request range not satisfiable")),
        },
    };
    Ok(reply.expect("a reply"))
}

fn progress(upload: &Upload) -> Reply {
    let held: usize = upload.received.iter().map(Bytes::len).sum();
    json_reply(
        202,
        &json!({ "expirationDateTime": "2099-01-01T00:00:00Z", "nextExpectedRanges": [format!("{held}-")] }),
    )
}

fn put(shared: &Shared, call: &Call, session: &str, body: &Bytes, whole: bool) -> Result<Reply, Refusal> {
    let mut state = shared.state();
    let upload = state.uploads.get_mut(session).ok_or_else(Refusal::not_found)?;
    let about = || Refusal::invalid("Content-Range");
    let range = call
        .header("content-range")
        .and_then(|range| range.strip_prefix("bytes ")?.split_once('/'))
        .ok_or_else(about)?;
    let (first, last) = range.0.split_once('-').ok_or_else(about)?;
    let (first, last): (u64, u64) = (first.parse().map_err(|_| about())?, last.parse().map_err(|_| about())?);
    let total: u64 = range.1.parse().map_err(|_| about())?;
    // An incomplete range is ignored completely.
    if !whole || last + 1 - first != body.len() as u64 {
        return Err(Refusal::invalid("a range that broke off"));
    }
    let held: u64 = upload.received.iter().map(|piece| piece.len() as u64).sum();
    if *upload.total.get_or_insert(total) != total || last >= total || body.len() >= 60 << 20 {
        return Err(about());
    }
    if first != held {
        return Err(Refusal::new(
            416,
            "invalidRange",
            "Optimistic concurrency failure during fragmented upload",
        ));
    }
    if last + 1 < total && !(body.len() as u64).is_multiple_of(STEP) {
        return Err(Refusal::invalid("ranges have to be multiples of 320 KiB"));
    }
    upload.received.push(body.clone());
    let upload = upload.clone();
    state.check_quota(last + 1)?;
    if last + 1 < total {
        return Ok(progress(&upload));
    }
    let id = state.create(
        &upload.folder,
        &upload.name,
        Some(upload.received.concat().into()),
        upload.behaviour,
    )?;
    state.uploads.remove(session);
    Ok(json_reply(201, &shared.show(&state, &state.items[&id])))
}
