//! Tests for WebDAV only.

use crate::{
    dav::{Dav, DavFolder, PASSWORD},
    promises::{Storage, draft, get, name, names, own_files, pattern, published, put},
    proxy::{Direction, Proxy},
};
use bytes::Bytes;
use causeway::{
    backend::WireSettings,
    drivers::webdav::{Access, WebdavFiles, WebdavSettings},
    model::{Endpoint, Secret, Span},
    store::error::StoreErrorKind,
};
use futures_util::TryStreamExt;
use std::{sync::Arc, time::Duration};

/// rclone behind a proxy. It notices files that are put directly into its directory only after a while.
fn behind_proxy() -> (DavFolder, Proxy, Storage) {
    proxied(Dav::rclone())
}

fn proxied(server: &Dav) -> (DavFolder, Proxy, Storage) {
    let folder = server.folder();
    let url: http::Uri = folder.url.parse().expect("an address");
    let proxy = Proxy::to(url.authority().expect("a host").as_str().parse().expect("an address"));
    let url = Endpoint::parse(&format!("{}{}", proxy.endpoint(), url.path())).expect("an address");
    let wire = WireSettings { timeout: Duration::from_secs(5), ..WireSettings::default() };
    let files = WebdavFiles::new(WebdavSettings { url, wire, ..folder.settings() }).expect("settings");
    (folder, proxy, Arc::new(files))
}

#[tokio::test]
async fn a_wrong_password_is_told_without_it() {
    let folder = Dav::wsgidav().folder();
    let access = Access::Basic { user: "alice".into(), password: Secret::new("hunter2") };
    let files: Storage =
        Arc::new(WebdavFiles::new(WebdavSettings { access, ..folder.settings() }).expect("settings"));
    let error = files.stat("k").await.expect_err("it is refused");
    assert_eq!(error.kind(), StoreErrorKind::NoConnection);
    let shown = format!("{error} {error:?} {files:?}");
    assert!(
        shown.contains("credentials") && !shown.contains("hunter2") && !shown.contains(PASSWORD),
        "{shown}"
    );
}

#[tokio::test]
async fn a_write_that_is_cut_leaves_the_old_file_and_in_the_end_no_draft() {
    let (_folder, proxy, files) = behind_proxy();
    put(&files, "k", b"old").await;
    let mut draft = files.create(&name(), "k", Some(32 << 20)).await.expect("a draft");
    proxy.cut(Direction::Up, 1 << 20, 1);
    let written = async {
        for n in 0..128 {
            draft.write(vec![Bytes::from(pattern(256 << 10, n))]).await?;
        }
        draft.finish().await
    };
    let error = written.await.expect_err("the connection was cut");
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    assert!(
        draft.finish().await.is_err() && draft.publish("k", false).await.is_err(),
        "and it never will be whole"
    );
    assert_eq!(get(&files, "k").await, Some(b"old".to_vec()));
    let removed = async { while !own_files(&files).await.is_empty() {} };
    tokio::time::timeout(Duration::from_secs(30), removed).await.expect("soon");
}

#[tokio::test]
async fn a_reading_does_not_go_on_in_another_file_of_the_same_size_and_second() {
    // The server makes its ETags of inode, second and size, and file systems give the inode of a removed file
    // to the next one.
    let (folder, proxy, files) = proxied(Dav::wsgidav());
    // Larger than the buffers between the server and the reader.
    const SIZE: usize = 24 << 20;
    let (old, new) = (pattern(SIZE, 1), pattern(SIZE, 2));
    put(&files, "k", &old).await;
    let (on_disk, kept) = (folder.path.join("k"), folder.path.join("kept"));
    let modified = std::fs::metadata(&on_disk).expect("is there").modified().expect("a time");
    std::fs::hard_link(&on_disk, &kept).expect("is linked");
    let opened = files.open("k", None).await.expect("an answer").expect("a file");
    let mut stream = opened.read(Span::whole(SIZE as u64)).await.expect("a stream");
    let mut read = stream.try_next().await.expect("a piece").expect("a piece").to_vec();
    put(&files, "k", &new).await;
    // The connections are closed, and the new file gets the inode and the time of the old one.
    proxy.refuse();
    std::fs::write(&kept, &new).expect("is written");
    std::fs::File::options().write(true).open(&kept).expect("opens").set_modified(modified).expect("is set");
    std::fs::rename(&kept, &on_disk).expect("is moved");
    proxy.accept();
    let ended = loop {
        match stream.try_next().await {
            Ok(Some(bytes)) => read.extend_from_slice(&bytes),
            ended => break ended,
        }
    };
    assert!(old.starts_with(&read), "{} bytes, not all of one file", read.len());
    assert_eq!(ended.map_err(|error| error.kind()), Err(StoreErrorKind::Unavailable));
    assert!(get(&files, "k").await == Some(new));
}

#[tokio::test]
async fn what_was_moved_though_the_reply_was_lost_is_published() {
    let (_folder, proxy, files) = behind_proxy();
    put(&files, "k", b"old").await;
    let draft = draft(&files, "k", b"new").await;
    // No reply comes back on the next connection.
    proxy.refuse();
    proxy.accept();
    proxy.cut(Direction::Down, 0, 1);
    published(draft.publish("k", false).await.expect("it is published"));
    assert_eq!(get(&files, "k").await, Some(b"new".to_vec()));
    assert_eq!(own_files(&files).await, [""; 0]);
}

#[tokio::test]
async fn statuses_that_stand_for_something_are_told_as_that() {
    let (_folder, proxy, files) = behind_proxy();
    put(&files, "k", b"old").await;
    for (status, kind) in
        [(423, StoreErrorKind::Busy), (507, StoreErrorKind::StorageFull), (302, StoreErrorKind::Internal)]
    {
        proxy.answer_next(if status == 423 { 4 } else { 1 }, status, None);
        assert_eq!(files.stat("k").await.expect_err("it is refused").kind(), kind, "{status}");
    }
    proxy.answer_next(1, 503, Some(0));
    assert!(files.stat("k").await.expect("it is asked again").is_some());
    let mut full = files.create(&name(), "k", Some(300_000)).await.expect("a draft");
    proxy.answer_next(1, 507, None);
    let written = async {
        full.write(vec![pattern(300_000, 1).into()]).await?;
        full.finish().await
    };
    assert_eq!(written.await.expect_err("it is full").kind(), StoreErrorKind::StorageFull);
    assert_eq!(get(&files, "k").await, Some(b"old".to_vec()));
}

#[tokio::test]
async fn a_folder_that_breaks_the_server_is_told_from_a_server_that_is_away() {
    let (_folder, proxy, files) = behind_proxy();
    put(&files, "d/k", b"1").await;
    proxy.answer_next(4, 500, None);
    let error = files.list("d").try_concat().await.expect_err("the server fails");
    assert_eq!(error.kind(), StoreErrorKind::Broken, "{error}");
    // While the server fails with every request, a failure says nothing about one folder.
    proxy.answer_next(8, 500, None);
    let error = files.list("d").try_concat().await.expect_err("the server fails");
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    assert_eq!(names(&files, "d").await, ["k"]);
}

#[tokio::test]
async fn a_server_that_wants_to_know_lengths_before_is_noticed() {
    // The server answers 411; or it answers 201, and has kept nothing.
    for status in [411, 201] {
        let (_folder, proxy, files) = behind_proxy();
        put(&files, "k", b"old").await;
        assert!(files.service().flows > 0);
        let mut draft = files.create(&name(), "k", None).await.expect("a draft");
        proxy.answer_next(1, status, None);
        let written = async {
            draft.write(vec![pattern(300_000, 1).into()]).await?;
            draft.finish().await
        };
        assert!(written.await.is_err(), "{status}");
        assert!(draft.publish("k", false).await.is_err(), "{status}");
        assert_eq!(files.service().flows, 0, "{status}");
        assert_eq!(get(&files, "k").await, Some(b"old".to_vec()));
        // Files that are sent with their length are stored as before.
        put(&files, "k", &pattern(300_000, 2)).await;
        assert!(get(&files, "k").await == Some(pattern(300_000, 2)));
    }
}

#[tokio::test]
async fn a_server_that_takes_marks_for_something_else_does_no_harm_to_other_files() {
    let folder = Dav::wsgidav().folder();
    let files: Storage = Arc::new(
        WebdavFiles::new(WebdavSettings { escapes_marks: false, ..folder.settings() }).expect("settings"),
    );
    put(&files, "a", b"of its own name").await;
    for path in ["a;b", "a?b", "b;c", "d#e"] {
        let draft = draft(&files, path, b"other").await;
        let error = draft.publish(path, false).await.err().unwrap_or_else(|| panic!("{path}"));
        assert_eq!(error.kind(), StoreErrorKind::InvalidRequest, "{path}: {error}");
    }
    assert_eq!(get(&files, "a").await, Some(b"of its own name".to_vec()));
    assert_eq!(
        std::fs::read_dir(&folder.path).expect("a directory").count(),
        2,
        "the file and our own folder"
    );
}

#[tokio::test]
async fn every_step_costs_what_it_must() {
    let (_folder, proxy, files) = behind_proxy();
    put(&files, "d/warm", b"1").await;
    let mut before = proxy.requests();
    let mut cost = || {
        let now = proxy.requests();
        now - std::mem::replace(&mut before, now)
    };
    put(&files, "d/k", &pattern(100_000, 1)).await;
    assert_eq!(cost(), 3, "PUT, MOVE, and what it is now");
    put(&files, "d/k", &pattern(300_000, 2)).await;
    assert_eq!(cost(), 5, "MOVE once more, after a look at what is to be replaced");
    assert!(get(&files, "d/k").await.is_some());
    assert_eq!(cost(), 2);
    assert!(files.remove("d/k").await.expect("an answer"));
    assert_eq!(cost(), 2);
}
