//! PROPFIND: the properties that a server reports for its files and folders. Long replies are parsed while
//! they arrive.

use super::{client::Client, hrefs::Relation, refusal};
use crate::{
    backend::{
        pages::Pages,
        tree::files::{Entry, EntryKind, Stat},
        wire::{Again, Came, Reply},
    },
    model::Timestamp,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
    xml::{Children, Element, Malformed},
};
use futures_util::{StreamExt, stream::BoxStream};
use http::StatusCode;
use std::sync::Arc;

const ASKED: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?><D:propfind xmlns:D=\"DAV:\"><D:prop><D:resourcetype/>\
    <D:getcontentlength/><D:getlastmodified/><D:getetag/></D:prop></D:propfind>";

/// The longest reply about one entry: one element of at most 256 KiB, and the document around it.
const LONGEST_LOOK: u64 = 1 << 20;
/// The longest reply about a folder, in bytes: some ten million entries.
const LONGEST_LISTING: u64 = 16 << 30;
/// Statuses that servers send when their own code fails unexpectedly.
const BREAKS_DOWN: [StatusCode; 2] = [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::NOT_IMPLEMENTED];
const BREAKS: &str = "the server fails when it lists this folder, and tells of the folder itself: a name in it is most likely none that it \
     can send";
/// The most batches of one listing: some servers send one entry at a time.
const MOST_BATCHES: u64 = 100_000_000;

/// Returns the properties of one entry. The address in the reply is ignored: servers whose names ignore case
/// reply with their own spelling.
pub(super) async fn stat(client: &Arc<Client>, path: &str) -> Result<Option<Stat>> {
    let mut reply = propfind(client, path, false, "0").await?;
    if reply.status.is_redirection() && leads_to_folder(client, path, &reply) {
        reply = propfind(client, path, true, "0").await?;
    }
    if is_nothing(reply.status) || is_below_file(client, path, reply.status).await? {
        return Ok(None);
    }
    only(reply).await
}

async fn only(reply: Reply) -> Result<Option<Stat>> {
    let mut replies = Responses::of(reply).await?;
    let mut first = None;
    while let Some(more) = replies.next().await? {
        first = first.or(more.into_iter().next());
        // The reply has one element; what servers add to it is short.
        if replies.came.bytes() > LONGEST_LOOK {
            return Err(unexpected().with_source("it is longer than an answer about one thing"));
        }
    }
    Ok(first.as_ref().and_then(stat_of))
}

/// Lists the entries of `folder`, some at a time, as the reply arrives.
pub(super) fn list(client: Arc<Client>, folder: String) -> BoxStream<'static, Result<Vec<Entry>>> {
    enum ListState {
        Begin,
        Reading(Box<(Responses, Pages)>),
    }
    let begin = (ListState::Begin, client, folder);
    futures_util::stream::try_unfold(begin, |(state, client, folder)| async move {
        let mut reading = match state {
            ListState::Reading(reading) => reading,
            ListState::Begin => {
                let reply = propfind(&client, &folder, true, "1").await?;
                if BREAKS_DOWN.contains(&reply.status) {
                    // The reply is read to its end, so that its connection is free for the next request.
                    let refusal = refusal::read(reply).await;
                    return Err(match stat(&client, &folder).await {
                        Ok(Some(_)) => StoreError::new(StoreErrorKind::Broken, BREAKS)
                            .with_source(refusal.status.to_string()),
                        Ok(None) | Err(_) => refusal.into(),
                    });
                }
                if is_nothing(reply.status) || is_below_file(&client, &folder, reply.status).await? {
                    return Ok(None);
                }
                Box::new((Responses::of(reply).await?, Pages::at_most("listing a folder", MOST_BATCHES)))
            }
        };
        let (replies, pages) = &mut *reading;
        let Some(found) = replies.next().await? else { return Ok(None) };
        let mut entries = Vec::with_capacity(found.len());
        for response in &found {
            let href = response.value("href").ok_or_else(unexpected)?;
            match (client.base.relate(&folder, href)?, stat_of(response)) {
                (Relation::Child(name), Some(stat)) => entries.push(Entry { name, stat }),
                (Relation::Nameless, _) => entries.push(Entry::nameless(href.as_bytes())),
                (Relation::Itself, _) | (_, None) => {}
            }
        }
        // A name that was reported before means that the listing would never end.
        if let Some(first) = entries.first() {
            pages.next(&first.name)?;
        }
        Ok(Some((entries, (ListState::Reading(reading), client, folder))))
    })
    .boxed()
}

async fn propfind(client: &Arc<Client>, path: &str, folder: bool, depth: &'static str) -> Result<Reply> {
    let call = if folder || path.is_empty() {
        client.folder("PROPFIND", path)
    } else {
        client.file("PROPFIND", path)
    };
    let call = if depth == "0" { call } else { call.patiently() };
    call.header("depth", depth).xml(ASKED).send(Again::Harmless).await
}

/// Returns whether the status means that nothing exists at the path. Some servers send 409 or 405 for a path
/// below a file.
fn is_nothing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::CONFLICT | StatusCode::METHOD_NOT_ALLOWED
    )
}

/// Returns whether a file is above the path. Apache sends 400 in that case, but other servers send 400 for
/// any request that they cannot parse.
async fn is_below_file(client: &Arc<Client>, path: &str, status: StatusCode) -> Result<bool> {
    if status != StatusCode::BAD_REQUEST {
        return Ok(false);
    }
    let ways: Vec<&str> = path.match_indices('/').map(|(at, _)| &path[..at]).chain([path]).collect();
    // Finds the longest prefix that the server accepts: that is the file. The search is binary, because paths
    // may have hundreds of segments.
    let (mut understood, mut not) = (0, ways.len());
    let mut innermost = None;
    while understood < not {
        let middle = (understood + not) / 2;
        let reply = propfind(client, ways[middle], false, "0").await?;
        match reply.status {
            StatusCode::BAD_REQUEST => not = middle,
            StatusCode::MULTI_STATUS => (understood, innermost) = (middle + 1, only(reply).await?),
            // The file was removed meanwhile, or replaced by a folder.
            status => return Ok(is_nothing(status)),
        }
    }
    Ok(innermost.is_some_and(|found| found.kind == EntryKind::File))
}

/// Returns whether a redirect leads from the path to the same path with a slash. Some servers send it for
/// folders.
fn leads_to_folder(client: &Client, path: &str, reply: &Reply) -> bool {
    reply.header("location").is_some_and(|location| {
        location.ends_with('/') && client.base.relate(path, location).ok() == Some(Relation::Itself)
    })
}

/// The `response` elements of a multistatus.
struct Responses {
    reply: Reply,
    document: Option<Children>,
    came: Came,
}

impl Responses {
    async fn of(reply: Reply) -> Result<Self> {
        match reply.status {
            StatusCode::MULTI_STATUS => {
                Ok(Self { reply, document: Some(Children::of("multistatus")), came: Came::default() })
            }
            _ if reply.status.is_success() => Err(unexpected()),
            _ => Err(refusal::read(reply).await.into()),
        }
    }

    /// Returns the next elements. `None`: the document ended and was complete.
    async fn next(&mut self) -> Result<Option<Vec<Element>>> {
        loop {
            let Some(document) = &mut self.document else { return Ok(None) };
            let mut found = match self.reply.piece(&mut self.came).await? {
                Some(bytes) => document.feed(&bytes).map_err(malformed)?,
                None => self
                    .document
                    .take()
                    .map(Children::finish)
                    .transpose()
                    .map_err(malformed)?
                    .unwrap_or_default(),
            };
            if self.came.bytes() > LONGEST_LISTING {
                return Err(unexpected().with_source("it has no end"));
            }
            found.retain(|element| element.name == "response");
            if !found.is_empty() || self.document.is_none() {
                return Ok(Some(found).filter(|found| !found.is_empty()));
            }
        }
    }
}

fn malformed(error: Malformed) -> StoreError {
    unexpected().with_source(error)
}

fn unexpected() -> StoreError {
    StoreError::new(
        StoreErrorKind::Broken,
        "the storage's reply to PROPFIND is not one: is the url that of a WebDAV folder?",
    )
}

/// Returns the properties in a `response`. `None`: the server reports only an error for it.
fn stat_of(response: &Element) -> Option<Stat> {
    let told = |found: &&Element| {
        found.value("status").and_then(refusal::status).is_none_or(|status| status.is_success())
    };
    let properties: Vec<&Element> =
        response.all("propstat").filter(told).filter_map(|found| found.child("prop")).collect();
    if properties.is_empty() {
        return None;
    }
    let value = |name| {
        properties.iter().find_map(|found| found.value(name)).map(str::trim).filter(|text| !text.is_empty())
    };
    let types = properties.iter().find_map(|found| found.child("resourcetype"));
    let size = value("getcontentlength").and_then(|text| text.parse().ok());
    let kind = match (types.is_some_and(|types| types.child("collection").is_some()), size) {
        (true, _) => EntryKind::Folder,
        (false, Some(_)) => EntryKind::File,
        // The server reports no length, so S3 could not serve the file.
        (false, None) => EntryKind::Other,
    };
    if kind == EntryKind::Folder {
        return Some(Stat { kind, size: 0, modified: None, tag: None, md5: None });
    }
    let modified = value("getlastmodified").and_then(Timestamp::parse_http_date);
    Some(Stat { kind, size: size.unwrap_or(0), modified, tag: value("getetag").and_then(strong), md5: None })
}

/// Returns the text of a strong entity tag, with or without its quotes. A weak one does not distinguish
/// bytes.
pub(super) fn strong(tag: &str) -> Option<String> {
    let tag = tag.trim();
    let bare = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(tag);
    (!tag.starts_with("W/")
        && !bare.is_empty()
        && bare.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'))
    .then(|| bare.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(response: &str) -> Option<Stat> {
        stat_of(&crate::xml::parse(response.as_bytes(), "response").expect("is well-formed"))
    }

    #[test]
    fn properties_are_read_from_the_propstat_that_was_granted() {
        let response = "<d:response xmlns:d='DAV:'><d:href>/a</d:href>\
            <d:propstat><d:prop><d:resourcetype/><d:getcontentlength>7</d:getcontentlength><d:getetag>\"abc\"</d:getetag>\
            <d:getlastmodified>Mon, 12 Oct 2009 17:50:30 GMT</d:getlastmodified></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>\
            <d:propstat><d:prop><d:getetag/></d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response>";
        let stat = stat(response).expect("a file");
        assert_eq!((stat.kind, stat.size, stat.tag.as_deref()), (EntryKind::File, 7, Some("abc")));
        assert_eq!(stat.modified.map(Timestamp::seconds), Some(1_255_369_830));
    }

    #[test]
    fn folders_and_things_without_a_length_are_no_files() {
        let of = |inner: &str| {
            stat(&format!("<response><propstat><prop>{inner}</prop></propstat></response>"))
                .map(|stat| stat.kind)
        };
        assert_eq!(
            of("<resourcetype><collection/></resourcetype><getcontentlength>4096</getcontentlength>"),
            Some(EntryKind::Folder)
        );
        assert_eq!(of("<resourcetype/>"), Some(EntryKind::Other));
        assert_eq!(stat("<response><href>/a</href><status>HTTP/1.1 403 Forbidden</status></response>"), None);
    }

    #[test]
    fn only_strong_tags_count_however_they_are_quoted() {
        for (written, read) in [
            ("\"a\"", Some("a")),
            ("a", Some("a")),
            ("W/\"a\"", None),
            ("\"\"", None),
            ("\"a\"b\"", None),
            ("\"ä\"", None),
        ] {
            assert_eq!(strong(written).as_deref(), read, "{written}");
        }
    }
}
