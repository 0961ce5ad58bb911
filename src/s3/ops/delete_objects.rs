//! DeleteObjects: up to 1,000 keys in one request, each with its own outcome.

use super::delete_object::delete;
use crate::{
    model::{ObjectKey, Timestamp},
    s3::{BucketCall, ErrorCode, Response, S3Error, Service, headers, reply, xml},
    store::{
        Guarantee, Store,
        condition::{ETagMatch, WriteConditions},
    },
};
use futures_util::{StreamExt, stream};

/// S3 API reference, DeleteObjects.
const MAX_OBJECTS: usize = 1000;
/// A thousand keys of 1,024 bytes that are all escaped, with their conditions.
const MAX_DOCUMENT: usize = 8 << 20;
/// Deletions under way at once: enough to keep a disk or a remote storage busy, too few to crowd other requests out.
const CONCURRENCY: usize = 16;

struct Item {
    /// As the client wrote it: a key that cannot be is answered for by itself.
    key: String,
    version: Option<String>,
    conditions: WriteConditions,
}

pub(in crate::s3) async fn handle(_service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    headers::require_integrity(&call.request)?;
    let document = call.request.payload.collect(MAX_DOCUMENT).await?;
    if document.is_empty() {
        return Err(ErrorCode::MissingRequestBodyError.into());
    }
    let (items, quiet) = read(&document)?;
    let store = &**call.bucket.store();
    let outcomes: Vec<_> = stream::iter(items)
        .map(|item| async move {
            let outcome = delete_item(store, &item).await;
            (item, outcome)
        })
        .buffered(CONCURRENCY)
        .collect()
        .await;
    Ok(reply::document("DeleteResult", |w| {
        for (item, outcome) in &outcomes {
            write(w, item, outcome, quiet);
        }
    }))
}

fn read(document: &[u8]) -> Result<(Vec<Item>, bool), S3Error> {
    let root = xml::parse(document, "Delete")?;
    let quiet = root.value("Quiet").is_some_and(|quiet| quiet.trim().eq_ignore_ascii_case("true"));
    let items: Option<Vec<_>> = root.all("Object").map(item).collect();
    match items {
        Some(items) if (1..=MAX_OBJECTS).contains(&items.len()) => Ok((items, quiet)),
        _ => Err(ErrorCode::MalformedXML.into()),
    }
}

/// `None` if it is malformed: a condition that cannot be read must not become an unconditional delete.
fn item(object: &xml::Element) -> Option<Item> {
    let date = match object.value("LastModifiedTime") {
        Some(text) => Some(Timestamp::parse_http_date(text.trim())?),
        None => None,
    };
    let size = match object.value("Size") {
        Some(text) => Some(text.trim().parse().ok()?),
        None => None,
    };
    Some(Item {
        key: object.value("Key").filter(|key| !key.is_empty())?.to_owned(),
        version: object.value("VersionId").filter(|id| !id.is_empty()).map(str::to_owned),
        conditions: WriteConditions {
            if_match: object.value("ETag").map(ETagMatch::parse),
            if_none_match: None,
            last_modified: date,
            size,
        },
    })
}

async fn delete_item(store: &dyn Store, item: &Item) -> Result<(), S3Error> {
    headers::version(item.version.as_deref())?;
    let key = ObjectKey::new(item.key.as_str()).map_err(|_| ErrorCode::KeyTooLongError)?;
    if !item.conditions.is_empty() && store.capabilities().conditional_writes == Guarantee::Refused {
        return Err(S3Error::not_implemented("A condition on this bucket's storage"));
    }
    Ok(delete(store, &key, &item.conditions).await?)
}

fn write(w: &mut xml::Writer, item: &Item, outcome: &Result<(), S3Error>, quiet: bool) {
    let named = |w: &mut xml::Writer| {
        w.text("Key", &item.key);
        if let Some(version) = &item.version {
            w.text("VersionId", version);
        }
    };
    match outcome {
        Ok(()) if quiet => {}
        Ok(()) => w.element("Deleted", named),
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

    fn document(objects: &str) -> String {
        format!("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{objects}</Delete>")
    }

    #[test]
    fn keys_and_their_conditions_are_read() {
        let conditions = "<ETag>\"a\"</ETag><Size>3</Size><LastModifiedTime>Mon, 12 Oct 2009 17:50:30 GMT</LastModifiedTime>";
        let objects = format!("<Quiet>true</Quiet><Object><Key> a&amp;b </Key>{conditions}</Object><Object><Key>c</Key></Object>");
        let (items, quiet) = read(document(&objects).as_bytes()).expect("reads");
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

    #[test]
    fn a_thousand_keys_are_the_limit() {
        let objects = |count| document(&"<Object><Key>a</Key></Object>".repeat(count));
        assert_eq!(read(objects(1000).as_bytes()).map(|(items, _)| items.len()).ok(), Some(1000));
        for count in [0, 1001] {
            assert_eq!(read(objects(count).as_bytes()).err().map(|error| error.code), Some(ErrorCode::MalformedXML), "{count}");
        }
    }

    #[test]
    fn what_cannot_be_read_deletes_nothing() {
        for object in [
            "<Key/>",
            "<VersionId>null</VersionId>",
            "<Key>a</Key><Size>big</Size>",
            "<Key>a</Key><LastModifiedTime>soon</LastModifiedTime>",
        ] {
            let objects = format!("<Object><Key>fine</Key></Object><Object>{object}</Object>");
            assert_eq!(read(document(&objects).as_bytes()).err().map(|error| error.code), Some(ErrorCode::MalformedXML), "{object}");
        }
    }
}
