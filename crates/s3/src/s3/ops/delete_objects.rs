//! DeleteObjects: up to 1,000 keys in one request, each with its own outcome.

use super::delete_object::outcome;
use crate::{
    buckets::Bucket,
    model::{ObjectAddress, ObjectKey, Timestamp, VersionId},
    s3::{
        Action, Body, BucketCall, ErrorCode, Operation, Request, Response, S3Error, Service,
        abilities::{Abilities, Holds},
        asker::Asker,
        document::{self, Entries, shown},
        gate::{self, Decision},
        headers, reply,
        resource::Resource,
        xml,
    },
    store::{
        DeleteRequest, Deleted,
        condition::{ETagMatch, WriteConditions},
        payload::Payload,
    },
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{StatusCode, header};

/// S3 API reference, DeleteObjects.
const MAX_OBJECTS: usize = 1000;
/// The maximum length of an ETag: existing forms have 32 digits, and the number of parts.
const MAX_ETAG: usize = 64;
/// A thousand keys of 1,024 bytes that are all escaped, with their conditions.
const MAX_DOCUMENT: usize = 8 << 20;
/// How many bytes of the reply are in memory at once.
const PIECE: usize = 16 << 10;

struct ObjectIdentifier {
    /// The key as the client wrote it, or its beginning: an impossible key gets its own error.
    key: String,
    version: Option<String>,
    conditions: WriteConditions,
}

pub(in crate::s3) async fn handle(_service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    headers::require_integrity(&call.request)?;
    let Request { context, query, headers, payload, .. } = call.request;
    let (asker, bucket) = (&Asker::new(&context, &query, &headers), &*call.bucket);
    let (entries, quiet) = read(payload).await?;
    let Entries { items, held } = entries;
    let decided: Vec<_> = items.iter().map(|item| decide(asker, bucket, item)).collect();
    let requests = decided.iter().filter_map(|decided| decided.as_ref().ok().cloned()).collect();
    let mut deleted = bucket.store().delete_all(requests).await.into_iter();
    let outcomes = decided.into_iter().map(|decided| {
        decided.and_then(|_| match deleted.next() {
            Some(deleted) => Ok(outcome(deleted)?),
            None => Err(ErrorCode::InternalError.into()),
        })
    });
    let outcomes = items.into_iter().zip(outcomes).collect();
    let mut response = reply::empty(StatusCode::OK);
    response.headers_mut().insert(header::CONTENT_TYPE, reply::XML);
    *response.body_mut() = result(outcomes, quiet, held);
    Ok(response)
}

type DeleteOutcome = (ObjectIdentifier, Result<Deleted, S3Error>);

/// The document is made while it is sent: escaped, a list may be six times as long.
fn result(outcomes: Vec<DeleteOutcome>, quiet: bool, held: impl Send + 'static) -> Body {
    let (begin, end) = xml::Writer::halves("DeleteResult");
    let rest = stream::unfold(
        (outcomes.into_iter(), Some(end), held),
        move |(mut outcomes, mut end, held)| async move {
            let mut w = xml::Writer::fragment();
            while w.size() < PIECE
                && let Some((item, outcome)) = outcomes.next()
            {
                write(&mut w, &item, &outcome, quiet);
            }
            let piece = if w.size() == 0 { end.take()? } else { w.finish() };
            Some((Ok(piece), (outcomes, end, held)))
        },
    );
    Body::Stream {
        stream: Box::pin(stream::once(async move { Ok::<Bytes, _>(begin) }).chain(rest)),
        length: None,
    }
}

async fn read(payload: Payload) -> Result<(Entries<ObjectIdentifier>, bool), S3Error> {
    let mut quiet = false;
    let entries =
        document::entries(payload, "Delete", MAX_DOCUMENT, |child, items| match child.name.as_str() {
            "Object" => {
                let item =
                    item(&child).filter(|_| items.len() < MAX_OBJECTS).ok_or(ErrorCode::MalformedXML)?;
                let size = item.size();
                Ok(Some((item, size)))
            }
            "Quiet" => {
                quiet = child.text.trim().eq_ignore_ascii_case("true");
                Ok(None)
            }
            _ => Ok(None),
        })
        .await?;
    if entries.items.is_empty() { Err(ErrorCode::MalformedXML.into()) } else { Ok((entries, quiet)) }
}

impl ObjectIdentifier {
    fn size(&self) -> usize {
        let version = self.version.as_ref().map_or(0, String::len);
        size_of::<Self>()
            + self.key.len()
            + version
            + if self.conditions.if_match.is_some() { MAX_ETAG } else { 0 }
    }
}

/// `None` if it is malformed: a condition that cannot be read must not become an unconditional delete.
fn item(object: &xml::Element) -> Option<ObjectIdentifier> {
    let date = match object.value("LastModifiedTime") {
        Some(text) => Some(Timestamp::parse_http_date(text.trim())?),
        None => None,
    };
    let size = match object.value("Size") {
        Some(text) => Some(text.trim().parse().ok()?),
        None => None,
    };
    Some(ObjectIdentifier {
        key: object.value("Key").filter(|key| !key.is_empty()).map(shown)?.to_owned(),
        version: object.value("VersionId").filter(|id| !id.is_empty()).map(|id| shown(id).to_owned()),
        conditions: WriteConditions {
            if_match: object.value("ETag").map(shown).map(ETagMatch::parse),
            if_none_match: None,
            last_modified: date,
            size,
        },
    })
}

/// What the store is asked to delete, if the client may.
fn decide(asker: &Asker<'_>, bucket: &Bucket, item: &ObjectIdentifier) -> Result<DeleteRequest, S3Error> {
    let key = ObjectKey::new(item.key.as_str())?;
    // S3 does not tell, in a list, an id that no version can have from one that no version has.
    let version =
        item.version.as_deref().map(|id| VersionId::parse(id).ok_or(ErrorCode::NoSuchVersion)).transpose()?;
    let resource = Resource::Object(bucket, ObjectAddress::new(&key, version.as_ref()));
    if gate::judge(asker, Action::DeleteObject, resource) != Decision::Allow {
        return Err(gate::denied(asker, Action::DeleteObject, resource));
    }
    if !item.conditions.is_empty() && Abilities::of(bucket).conditions(Operation::DeleteObjects) != Holds::Yes
    {
        return Err(S3Error::not_implemented("A condition on this bucket's storage"));
    }
    Ok(DeleteRequest { key, version, conditions: item.conditions.clone() })
}

fn write(w: &mut xml::Writer, item: &ObjectIdentifier, outcome: &Result<Deleted, S3Error>, quiet: bool) {
    let named = |w: &mut xml::Writer| {
        w.text("Key", &item.key);
        if let Some(version) = &item.version {
            w.text("VersionId", version);
        }
    };
    match outcome {
        Ok(_) if quiet => {}
        Ok(deleted) => w.element("Deleted", |w| {
            named(w);
            if deleted.marker {
                w.boolean("DeleteMarker", true);
                if let Some(version) = &deleted.version {
                    w.text("DeleteMarkerVersionId", version.as_str());
                }
            }
        }),
        Err(error) => {
            if error.status().is_server_error() {
                tracing::warn!(key = item.key, %error, source = error.source.as_ref().map(tracing::field::display), "could not delete");
            }
            w.element("Error", |w| {
                named(w);
                w.text("Code", error.code.as_str());
                w.text("Message", &error.message);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Removal;
    use http_body_util::BodyExt;

    fn document(objects: &str) -> String {
        format!("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{objects}</Delete>")
    }

    async fn parse(document: &str) -> Result<(Entries<ObjectIdentifier>, bool), S3Error> {
        read(Payload::from_bytes(document.to_owned())).await
    }

    async fn shown_of(objects: &str) -> String {
        let (entries, quiet) = parse(&document(objects)).await.expect("reads");
        let outcomes = entries.items.into_iter().map(|item| (item, Ok(Deleted::default()))).collect();
        let bytes = result(outcomes, quiet, ()).collect().await.expect("a document").to_bytes();
        String::from_utf8(bytes.to_vec()).expect("UTF-8")
    }

    #[tokio::test]
    async fn the_reply_is_one_document_however_long() {
        let objects: String =
            (0..1000).map(|n| format!("<Object><Key>{n}{}</Key></Object>", "&quot;".repeat(100))).collect();
        let root = xml::parse(shown_of(&objects).await.as_bytes(), "DeleteResult").expect("well-formed");
        assert_eq!(
            root.all("Deleted")
                .filter(|deleted| deleted.value("Key").is_some_and(|key| key.ends_with("\"\"")))
                .count(),
            1000
        );
        let quiet = shown_of("<Quiet>true</Quiet><Object><Key>a</Key></Object>").await;
        assert!(xml::parse(quiet.as_bytes(), "DeleteResult").expect("well-formed").children.is_empty());
    }

    #[tokio::test]
    async fn a_delete_marker_is_shown_with_its_version() {
        let (entries, quiet) = parse(&document("<Object><Key>a</Key></Object>")).await.expect("reads");
        let made = || Deleted { removal: Removal::Absent, marker: true, version: VersionId::parse("v2") };
        let outcomes = entries.items.into_iter().map(|item| (item, Ok(made()))).collect();
        let bytes = result(outcomes, quiet, ()).collect().await.expect("a document").to_bytes();
        let root = xml::parse(&bytes, "DeleteResult").expect("well-formed");
        let deleted = root.child("Deleted").expect("one");
        let shown =
            ["Key", "VersionId", "DeleteMarker", "DeleteMarkerVersionId"].map(|name| deleted.value(name));
        assert_eq!(shown, [Some("a"), None, Some("true"), Some("v2")]);
    }

    #[tokio::test]
    async fn a_key_that_cannot_be_is_shown_in_part() {
        let text = shown_of(&format!("<Object><Key>{}</Key></Object>", "\"".repeat(100_000))).await;
        assert!(text.len() < 20_000, "{}", text.len());
    }

    #[tokio::test]
    async fn keys_and_their_conditions_are_read() {
        let conditions = "<ETag>\"a\"</ETag><Size>3</Size><LastModifiedTime>Mon, 12 Oct 2009 17:50:30 GMT</LastModifiedTime>";
        let objects = format!(
            "<Quiet>true</Quiet><Object><Key> a&amp;b </Key>{conditions}</Object><Object><Key>c</Key></Object>"
        );
        let (entries, quiet) = parse(&document(&objects)).await.expect("reads");
        let items = entries.items;
        assert!(quiet);
        assert_eq!(items.iter().map(|item| item.key.as_str()).collect::<Vec<_>>(), [" a&b ", "c"]);
        let expected = WriteConditions {
            if_match: Some(ETagMatch::parse("a")),
            if_none_match: None,
            last_modified: Some(Timestamp::from_millis(1_255_369_830_000)),
            size: Some(3),
        };
        assert_eq!(items[0].conditions, expected);
        assert!(items[1].conditions.is_empty());
    }

    #[tokio::test]
    async fn a_thousand_keys_are_the_limit() {
        let objects = |count| document(&"<Object><Key>a</Key></Object>".repeat(count));
        assert_eq!(parse(&objects(1000)).await.map(|(entries, _)| entries.items.len()).ok(), Some(1000));
        for count in [0, 1001] {
            assert_eq!(
                parse(&objects(count)).await.err().map(|error| error.code),
                Some(ErrorCode::MalformedXML),
                "{count}"
            );
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_deletes_nothing() {
        for object in [
            "<Key/>",
            "<VersionId>null</VersionId>",
            "<Key>a</Key><Size>big</Size>",
            "<Key>a</Key><LastModifiedTime>soon</LastModifiedTime>",
        ] {
            let objects = format!("<Object><Key>fine</Key></Object><Object>{object}</Object>");
            assert_eq!(
                parse(&document(&objects)).await.err().map(|error| error.code),
                Some(ErrorCode::MalformedXML),
                "{object}"
            );
        }
    }
}
