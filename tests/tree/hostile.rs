//! Hostile WebDAV servers, and servers with one bad folder: full scans end, and everything around the folder
//! is listed.

use super::{key, open};
use crate::support::{
    dropbox::FakeDropbox,
    gdrive::FakeDrive,
    hostile::{Asked, Hostile, Said},
    onedrive::FakeOnedrive,
};
use causeway::{
    backend::{Backend, WireSettings, tree::files::Files},
    catalog::Catalog,
    drivers::{
        dropbox::{DropboxFiles, DropboxSettings},
        gdrive::{GdriveFiles, GdriveSettings},
        onedrive::{OnedriveFiles, OnedriveSettings},
        webdav::{Access, WebdavFiles, WebdavSettings},
    },
    model::Endpoint,
    store::{
        ListRequest, Store,
        error::{StoreError, StoreErrorKind},
    },
};
use futures_util::TryStreamExt;
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;

/// The time limit of a test; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(120);

struct Bed {
    hostile: Hostile,
    backend: Arc<dyn Backend>,
    store: Arc<dyn Store>,
    _directory: TempDir,
    _catalog: Arc<dyn Catalog>,
}

fn files(hostile: &Hostile) -> WebdavFiles {
    let url = Endpoint::parse(&format!("http://{}/dav", hostile.address())).expect("an address");
    let wire = WireSettings { timeout: Duration::from_secs(5), attempts: 1, ..WireSettings::default() };
    WebdavFiles::new(WebdavSettings { url, access: Access::Anonymous, escapes_marks: false, wire })
        .expect("settings")
}

/// A bucket that existed before, so it needs a full scan.
async fn before(script: impl Fn(&Asked) -> Said + Send + Sync + 'static) -> Bed {
    let hostile = Hostile::start(script);
    let directory = tempfile::tempdir().expect("a directory");
    let (catalog, backend, _, opened) = open(Arc::new(files(&hostile)), &directory, false).await;
    Bed { hostile, backend, store: opened.store, _directory: directory, _catalog: catalog }
}

async fn names(store: &dyn Store) -> Result<Vec<String>, StoreErrorKind> {
    let listing = store.list(ListRequest { limit: 1000, ..Default::default() });
    let page = tokio::time::timeout(PATIENCE, listing).await.expect("a listing comes to an end");
    Ok(page.map_err(|error| error.kind())?.entries.iter().map(|entry| entry.name().to_owned()).collect())
}

fn response(path: &str, size: Option<u64>) -> String {
    let kind = size.map_or("<D:resourcetype><D:collection/></D:resourcetype>".to_owned(), |size| {
        format!(
            "<D:resourcetype/><D:getcontentlength>{size}</D:getcontentlength>\
             <D:getlastmodified>Sun, 29 Nov 2026 00:00:00 GMT</D:getlastmodified>"
        )
    });
    format!(
        "<D:response><D:href>{path}</D:href><D:propstat><D:prop>{kind}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>\
         </D:response>"
    )
}

fn multistatus(responses: &[String]) -> String {
    format!("<?xml version=\"1.0\"?><D:multistatus xmlns:D=\"DAV:\">{}</D:multistatus>", responses.concat())
}

fn told(responses: &[String]) -> Said {
    Said::new(207, multistatus(responses))
}

fn is_of_one(asked: &Asked) -> bool {
    asked.header("depth") == Some("0")
}

/// The folder of a request.
fn folder(asked: &Asked) -> String {
    asked.path().trim_end_matches('/').to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_contains_itself_is_left_and_the_rest_is_listed() {
    let bed = before(|asked| {
        let at = folder(asked);
        match (asked.method.as_str(), is_of_one(asked)) {
            ("PROPFIND", true) => told(&[response(&at, at.ends_with("/f").then_some(3))]),
            ("PROPFIND", false) => told(&[
                response(&at, None),
                response(&format!("{at}/loop"), None),
                response(&format!("{at}/f"), Some(3)),
            ]),
            _ => Said::new(404, ""),
        }
    })
    .await;
    let found = names(&*bed.store).await.expect("is listed");
    assert!(found.contains(&"f".to_owned()) && found.contains(&"loop/f".to_owned()), "{found:?}");
    assert!(found.len() < 20 && bed.hostile.asked() < 100, "{} requests: {found:?}", bed.hostile.asked());
    assert_eq!(bed.backend.unreadable(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_within_folders_end_where_keys_do() {
    let bed = before(|asked| {
        let at = folder(asked);
        if is_of_one(asked) {
            told(&[response(&at, None)])
        } else {
            told(&[response(&at, None), response(&format!("{at}/loop"), None)])
        }
    })
    .await;
    assert_eq!(names(&*bed.store).await.expect("is listed"), Vec::<String>::new());
    assert!(bed.hostile.asked() < 300, "{} requests", bed.hostile.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_folder_is_passed_over_and_counted() {
    let endless = || {
        let begun = multistatus(&[]).replace("</D:multistatus>", "").into_bytes();
        std::iter::once(begun)
            .chain(std::iter::repeat_with(|| response("/dav/photos/bad/x", Some(1)).into_bytes()))
    };
    type Answer = fn() -> Said;
    let bads: [(&str, Answer); 5] = [
        ("garbage", || Said::new(207, "garbage")),
        ("forbidden", || Said::new(403, "")),
        ("cut", || Said::new(207, multistatus(&[]).replace("</D:multistatus>", ""))),
        ("elsewhere", || told(&[response("/etc/passwd", Some(1))])),
        ("one name without end", || Said::new(200, "")),
    ];
    for (what, bad) in bads {
        let bed = before(move |asked| {
            let at = folder(asked);
            match (at.as_str(), is_of_one(asked)) {
                (_, true) => told(&[response(&at, None)]),
                ("/dav/photos", false) => told(&[
                    response("/dav/photos/", None),
                    response("/dav/photos/bad", None),
                    response("/dav/photos/a", Some(1)),
                    response("/dav/photos/good", None),
                ]),
                ("/dav/photos/good", false) => {
                    told(&[response("/dav/photos/good", None), response("/dav/photos/good/b", Some(1))])
                }
                ("/dav/photos/bad", false) if what == "one name without end" => Said::pieces(207, endless()),
                _ => bad(),
            }
        })
        .await;
        let found = names(&*bed.store).await.expect("is listed");
        assert!(
            ["a", "good/b"].iter().all(|name| found.iter().any(|found| found == name)),
            "{what}: {found:?}"
        );
        assert_eq!(bed.backend.unreadable(), 1, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_may_not_be_read_is_refused_alone_and_listed() {
    let bed = before(|asked| {
        let at = folder(asked);
        match (asked.method.as_str(), at.as_str(), is_of_one(asked)) {
            ("PROPFIND", "/dav/photos/bad" | "/dav/photos/good", _) => told(&[response(&at, Some(3))]),
            ("PROPFIND", _, true) => told(&[response(&at, None)]),
            ("PROPFIND", _, false) => told(&[
                response("/dav/photos/", None),
                response("/dav/photos/bad", Some(3)),
                response("/dav/photos/good", Some(3)),
            ]),
            (_, "/dav/photos/bad", _) => Said::new(403, ""),
            _ => Said::new(207, ""),
        }
    })
    .await;
    assert_eq!(names(&*bed.store).await, Ok(vec!["bad".to_owned(), "good".to_owned()]));
    let got = bed.store.get(key("bad").current(), Default::default()).await;
    assert_eq!(got.err().map(|error| error.kind()), Some(StoreErrorKind::AccessDenied));
    let deleted = bed.store.delete(key("bad").current(), &Default::default()).await;
    assert_eq!(deleted.err().map(|error| error.kind()), Some(StoreErrorKind::AccessDenied));
    assert_eq!(names(&*bed.store).await, Ok(vec!["bad".to_owned(), "good".to_owned()]), "it is there still");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_may_not_be_listed_says_so_at_once() {
    let bed =
        before(
            |asked| {
                if is_of_one(asked) { told(&[response(&folder(asked), None)]) } else { Said::new(403, "") }
            },
        )
        .await;
    assert_eq!(names(&*bed.store).await, Err(StoreErrorKind::AccessDenied));
    assert_eq!(
        bed.store.head(key("k").current(), &Default::default()).await.map_err(|error| error.kind()).err(),
        Some(StoreErrorKind::NoSuchKey)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_about_one_file_that_has_no_end_is_an_error() {
    let many = std::iter::repeat_with(|| response("/dav/x", Some(1)).into_bytes());
    let begun = multistatus(&[]).replace("</D:multistatus>", "").into_bytes();
    let answers: [Box<dyn Fn() -> Said + Send + Sync>; 2] = [
        Box::new(move || Said::pieces(207, std::iter::once(begun.clone()).chain(many))),
        // An element without an end.
        Box::new(|| {
            Said::pieces(
                207,
                std::iter::once(b"<multistatus><response>".to_vec())
                    .chain(std::iter::repeat_with(|| vec![b'x'; 4096])),
            )
        }),
    ];
    for answer in answers {
        let hostile = Hostile::start(move |_| answer());
        let stat = files(&hostile);
        let stat = tokio::time::timeout(PATIENCE, stat.stat("x")).await.expect("it comes to an end");
        assert_eq!(stat.map_err(|error| error.kind()), Err(StoreErrorKind::Broken));
    }
}

/// Lists the root of a drive. Every page is empty, and the pages lead to two tokens in turn.
async fn circle(files: &dyn Files, hostile: &Hostile) -> StoreErrorKind {
    let listing = async {
        let mut entries = files.list("");
        while let Some(entries) = entries.try_next().await? {
            assert!(entries.is_empty());
        }
        Ok(())
    };
    let listed: Result<(), StoreError> =
        tokio::time::timeout(PATIENCE, listing).await.expect("a listing comes to an end");
    assert!(hostile.asked() < 50, "{} requests", hostile.asked());
    listed.expect_err("it never ends").kind()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_drive_that_lead_in_a_circle_are_followed_once() {
    let endpoint = |hostile: &Hostile, path: &str| {
        Endpoint::parse(&format!("http://{}{path}", hostile.address())).expect("an address")
    };

    // Tokens come from the fakes, everything else from the hostile server.
    let drive = FakeDrive::start();
    let hostile = Hostile::start(|asked| match asked.query("q") {
        Some(_) => Said::new(200, format!(r#"{{"files":[],"nextPageToken":"t{}"}}"#, asked.nth % 2)),
        None => Said::new(200, r#"{"id":"top","mimeType":"application/vnd.google-apps.folder"}"#),
    });
    let settings = GdriveSettings { endpoint: endpoint(&hostile, ""), ..drive.settings() };
    assert_eq!(
        circle(&GdriveFiles::new(settings).expect("settings"), &hostile).await,
        StoreErrorKind::Broken
    );

    let graph = FakeOnedrive::start();
    let hostile = Hostile::start(|asked| {
        if asked.target.contains("children") || asked.target.contains("more") {
            Said::new(
                200,
                format!(r#"{{"value":[],"@odata.nextLink":"https://graph.example/more?{}"}}"#, asked.nth % 2),
            )
        } else {
            Said::new(200, r#"{"id":"top","name":"root","folder":{},"root":{}}"#)
        }
    });
    let settings = OnedriveSettings { endpoint: endpoint(&hostile, "/v1.0"), ..graph.settings() };
    assert_eq!(
        circle(&OnedriveFiles::new(settings).expect("settings"), &hostile).await,
        StoreErrorKind::Broken
    );

    let dropbox = FakeDropbox::start();
    let hostile = Hostile::start(|asked| {
        Said::new(200, format!(r#"{{"entries":[],"cursor":"c{}","has_more":true}}"#, asked.nth % 2))
    });
    let settings = DropboxSettings { endpoint: endpoint(&hostile, ""), ..dropbox.settings() };
    assert_eq!(
        circle(&DropboxFiles::new(settings).expect("settings"), &hostile).await,
        StoreErrorKind::Broken
    );
}
