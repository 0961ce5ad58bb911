//! Hostile storages that speak S3: pages that lead nowhere, endless parts, more than was asked for.

use crate::{
    client::*,
    gateway::{Gateway, settings},
    support::hostile::{Asked, Hostile, Said},
};
use causeway::{
    backend::WireSettings,
    drivers::s3::S3Settings,
    store::{ListRequest, Store, error::StoreErrorKind},
};
use std::{sync::Arc, time::Duration};

/// The time limit of a test; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

async fn before(
    script: impl Fn(&Asked) -> Said + Send + Sync + 'static,
) -> (Hostile, Gateway, Arc<dyn Store>) {
    let hostile = Hostile::start(script);
    let gateway = Gateway::at(hostile.address());
    let store = gateway.open("bucket", "hostile").await;
    (hostile, gateway, store)
}

fn page(keys: &[&str], prefixes: &[&str], truncated: bool) -> String {
    let key = |key: &&str| {
        format!(
            "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>\
             <ETag>\"d41d8cd98f00b204e9800998ecf8427e\"</ETag><Size>0</Size></Contents>"
        )
    };
    let prefix = |prefix: &&str| format!("<CommonPrefixes><Prefix>{prefix}</Prefix></CommonPrefixes>");
    let keys: String = keys.iter().map(key).collect();
    let prefixes: String = prefixes.iter().map(prefix).collect();
    format!("<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{keys}{prefixes}</ListBucketResult>")
}

async fn list(store: &dyn Store, request: ListRequest) -> causeway::store::Result<(Vec<String>, bool)> {
    let page =
        tokio::time::timeout(PATIENCE, store.list(request)).await.expect("a listing comes to an end")?;
    Ok((page.entries.iter().map(|entry| entry.name().to_owned()).collect(), page.truncated))
}

fn from(after: Option<&str>, prefix: &str) -> ListRequest {
    ListRequest { limit: 2, prefix: prefix.into(), after: after.map(str::to_owned), ..Default::default() }
}

#[tokio::test]
async fn a_storage_that_ignores_where_a_listing_is_to_go_on_is_not_asked_for_ever() {
    let (hostile, _gateway, store) = before(|_| Said::new(200, page(&["a", "b"], &[], true))).await;
    assert_eq!(
        list(&*store, from(None, "")).await.expect("a page"),
        (vec!["a".to_owned(), "b".to_owned()], true)
    );
    let asked = hostile.asked();
    let error = list(&*store, from(Some("b"), "")).await.expect_err("nothing new");
    assert_eq!(error.kind(), StoreErrorKind::Broken);
    assert!(error.to_string().contains("does not go on"), "{error}");
    assert_eq!(hostile.asked() - asked, 1);
}

#[tokio::test]
async fn pages_that_hold_nothing_and_go_on_for_ever_come_to_an_end() {
    // Each page leads to another one, and none has an entry that was asked for.
    let (_hostile, _gateway, store) = before(|asked| {
        let place = asked.query("start-after").unwrap_or_default();
        let next = format!(
            "{:08}",
            place.trim_start_matches(".causeway-probe-").parse::<u64>().unwrap_or_default() + 1
        );
        Said::new(200, page(&[&format!(".causeway-probe-{next}")], &[], asked.nth < 300))
    })
    .await;
    assert_eq!(list(&*store, from(None, "")).await.expect("a page"), (Vec::new(), false));
}

#[tokio::test]
async fn a_page_that_is_truncated_and_empty_is_an_error_and_no_empty_listing() {
    for keys in [&[][..], &["elsewhere/x"]] {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let (_hostile, _gateway, store) = before(move |_| {
            Said::new(200, page(&keys.iter().map(String::as_str).collect::<Vec<_>>(), &[], true))
        })
        .await;
        let error = list(&*store, from(None, "p/")).await.expect_err("no progress");
        assert_eq!(error.kind(), StoreErrorKind::Broken);
    }
}

#[tokio::test]
async fn what_was_not_asked_for_is_not_passed_on() {
    let keys = ["p/c", "p/a", "p/a", "p/b", "q/secret", "o"];
    let (_hostile, _gateway, store) =
        before(move |_| Said::new(200, page(&keys, &["q/", "p/d/", "p/e/f/"], false))).await;
    let all = |entries: &[&str]| entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>();
    // The page has more than two entries, keys outside of the prefix, and common prefixes that were not asked
    // for.
    assert_eq!(list(&*store, from(None, "p/")).await.expect("a page"), (all(&["p/a", "p/b"]), true));
    assert_eq!(list(&*store, from(Some("p/b"), "p/")).await.expect("a page"), (all(&["p/c"]), false));
    let grouped = ListRequest { delimiter: Some("/".into()), limit: 10, ..from(None, "p/") };
    assert_eq!(list(&*store, grouped).await.expect("a page"), (all(&["p/a", "p/b", "p/c", "p/d/"]), false));
}

#[tokio::test]
async fn a_listing_that_is_garbage_or_without_end_is_an_error() {
    for body in [
        "",
        "<",
        "not xml",
        "<ListBucketResult>",
        "<ListBucketResult><Contents/></ListBucketResult>",
        "<a><b></a>",
    ] {
        let (_hostile, _gateway, store) = before(move |_| Said::new(200, body)).await;
        assert!(list(&*store, from(None, "")).await.is_err(), "{body}");
    }
    let endless = || {
        std::iter::once(b"<ListBucketResult>".to_vec()).chain(std::iter::repeat_with(|| vec![b'x'; 64 << 10]))
    };
    let (_hostile, _gateway, store) = before(move |_| Said::pieces(200, endless())).await;
    assert!(list(&*store, from(None, "")).await.is_err());
}

#[tokio::test]
async fn a_document_that_drips_is_given_up() {
    let drip = || std::iter::repeat_with(|| vec![b' ']);
    let hostile = Hostile::start(move |_| Said::pieces(200, drip()).pausing(Duration::from_millis(20)));
    let wire = WireSettings { timeout: Duration::from_millis(500), ..WireSettings::default() };
    let gateway = Gateway::with(S3Settings { wire, ..settings(hostile.address()) });
    let store = gateway.open("bucket", "hostile").await;
    // Each piece arrives in time, but the document never ends.
    let error = list(&*store, from(None, "")).await.expect_err("it never ends");
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("too slowly"), "{error}");
}

#[tokio::test]
async fn what_a_silent_404_says_is_missing_is_what_was_asked_about() {
    let (_hostile, gateway, store) = before(|_| Said::new(404, "")).await;
    let record = gateway.record("another", "another").await;
    let made = gateway.backend.create(&record).await.expect_err("nothing is made");
    assert_eq!(made.kind(), StoreErrorKind::Unavailable);
    assert_eq!(
        list(&*store, from(None, "")).await.expect_err("no bucket").kind(),
        StoreErrorKind::Unavailable
    );
    let begun = store.begin_upload(&key("key"), plain_upload()).await;
    assert_eq!(refused(begun), StoreErrorKind::Unavailable);
    assert_eq!(
        refused(store.head(key("key").current(), &Default::default()).await),
        StoreErrorKind::NoSuchKey
    );
    assert_eq!(refused(put_if(&*store, "key", "x", Default::default()).await), StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn a_silent_404_to_a_part_is_about_its_upload() {
    let (_hostile, _gateway, store) = before(|asked| match asked.method.as_str() {
        "POST" if asked.query("uploads").is_some() => Said::new(200, BEGUN),
        _ => Said::new(404, ""),
    })
    .await;
    let upload = Uploading::begin(&*store, "key").await;
    let page = store.list_parts(&upload.key, &upload.id, 0, 10).await;
    assert_eq!(refused(page), StoreErrorKind::NoSuchUpload);
}

const BEGUN: &str =
    "<InitiateMultipartUploadResult><UploadId>theirs</UploadId></InitiateMultipartUploadResult>";

fn parts(numbers: impl Iterator<Item = u64>) -> String {
    let part = |number| {
        format!(
            "<Part><PartNumber>{number}</PartNumber><LastModified>2026-01-01T00:00:00.000Z</LastModified>\
             <ETag>\"d41d8cd98f00b204e9800998ecf8427e\"</ETag><Size>5</Size></Part>"
        )
    };
    let parts: String = numbers.map(part).collect();
    format!("<ListPartsResult><IsTruncated>true</IsTruncated>{parts}</ListPartsResult>")
}

#[tokio::test]
async fn a_list_of_parts_that_does_not_end_is_an_error() {
    // The first pages make progress. Then the pages repeat, or have numbers beyond those of parts.
    for (name, first) in [("again", 1u64), ("beyond", 9_990)] {
        let (_hostile, _gateway, store) = before(move |asked| match asked.method.as_str() {
            "POST" => Said::new(200, BEGUN),
            _ => Said::new(200, parts(first..first + 1000)),
        })
        .await;
        let upload = Uploading::begin(&*store, "key").await;
        let mut after = 0;
        let ended = loop {
            let page =
                tokio::time::timeout(PATIENCE, store.list_parts(&upload.key, &upload.id, after, 1000)).await;
            match page.expect("a page comes to an end") {
                Ok(page) if page.truncated => {
                    let last = page.parts.last().expect("a page that goes on has parts").number.get();
                    assert!(last > after, "{name}: {last} after {after}");
                    after = last;
                }
                other => break other,
            }
        };
        assert!(ended.is_err(), "{name}");
    }
}

#[tokio::test]
async fn the_parts_of_an_object_are_counted_and_not_gathered_for_ever() {
    let document = |numbers: std::ops::Range<u64>| {
        let parts: String =
            numbers.map(|n| format!("<Part><PartNumber>{n}</PartNumber><Size>5</Size></Part>")).collect();
        format!(
            "<GetObjectAttributesResponse><ObjectParts><IsTruncated>true</IsTruncated>{parts}</ObjectParts></GetObjectAttributesResponse>"
        )
    };
    let (hostile, _gateway, store) = before(move |asked| {
        let head = |body: &str| Said::new(200, body).header("last-modified", "Sun, 29 Nov 2026 00:00:00 GMT");
        match (asked.method.as_str(), asked.query("attributes")) {
            ("GET", Some(_)) => Said::new(200, document(1..1001)),
            _ => head("")
                .header("etag", "\"d41d8cd98f00b204e9800998ecf8427e-2\"")
                .header("content-length", "0"),
        }
    })
    .await;
    let described =
        tokio::time::timeout(PATIENCE, store.describe(key("key").current(), &Default::default())).await;
    assert!(described.expect("it comes to an end").is_err());
    assert!(hostile.asked() < 50, "{} requests", hostile.asked());
}
