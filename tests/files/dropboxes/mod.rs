//! Tests for Dropbox only: spelling, limits, lost replies, and concurrent out-of-band changes.

use crate::{
    dropbox::FakeDropbox,
    promises::{Storage, draft, get, list, name, names, own_files, pattern, published, put},
};
use bytes::Bytes;
use causeway::{
    backend::tree::files::{Published, Stat},
    model::Span,
    store::error::StoreErrorKind,
};
use futures_util::TryStreamExt;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

fn started() -> (FakeDropbox, Storage) {
    let dropbox = FakeDropbox::start();
    let files = Arc::new(dropbox.files());
    (dropbox, files)
}

#[tokio::test]
async fn what_is_spelled_otherwise_is_not_what_was_asked_for() {
    let (dropbox, files) = started();
    dropbox.place("Photos/Sun.JPG", "theirs");
    for path in ["photos/Sun.JPG", "Photos/sun.jpg", "PHOTOS", "photos/none"] {
        assert_eq!(files.stat(path).await.expect("an answer"), None, "{path}");
        assert!(files.open(path, None).await.expect("an answer").is_none());
        assert_eq!(list(&files, path).await, []);
        assert!(!files.remove(path).await.expect("an answer"));
    }
    assert!(files.remove_folder("photos").await.expect("there is none"));
    assert!(files.make_folder("photos").await.is_err());
    assert_eq!(get(&files, "Photos/Sun.JPG").await, Some(b"theirs".to_vec()));
    assert_eq!(names(&files, "Photos").await, ["Sun.JPG"]);
    for absent in [false, true] {
        for path in ["Photos/sun.jpg", "photos/other", "photos", "PHOTOS/SUN.JPG", "Photos/SUN.jpg/below"] {
            let Published::Spelled(draft) =
                draft(&files, path, b"ours").await.publish(path, absent).await.expect("an answer")
            else {
                panic!("{path}: it is spelled otherwise")
            };
            published(draft.publish(".cw~fescaped", false).await.expect("it is published"));
        }
    }
    let theirs = ("Photos/Sun.JPG".to_owned(), b"theirs".to_vec());
    assert_eq!(dropbox.all(), [(".cw~fescaped".to_owned(), b"ours".to_vec()), theirs]);
}

#[tokio::test]
async fn tokens_are_renewed_and_what_is_revoked_is_told_without_its_secrets() {
    let (dropbox, files) = started();
    put(&files, "k", b"1").await;
    dropbox.expire_tokens();
    assert_eq!(get(&files, "k").await, Some(b"1".to_vec()));
    dropbox.expire_tokens();
    dropbox.refuse_grants(true);
    let error = files.stat("k").await.expect_err("nothing works");
    assert_eq!(error.kind(), StoreErrorKind::Internal);
    let shown = format!("{error} {error:?} {files:?}");
    assert!(shown.contains("authorized again"), "{shown}");
    for secret in [crate::dropbox::APP_SECRET, crate::dropbox::REFRESH_TOKEN, "dropbox-token"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn limits_of_rate_are_waited_for() {
    let (dropbox, files) = started();
    put(&files, "k", b"1").await;
    for (status, summary) in [(429, "too_many_requests"), (409, "path/too_many_write_operations")] {
        let begun = Instant::now();
        dropbox.fail_next(1, status, summary, Some(1));
        put(&files, "k", b"2").await;
        assert!(begun.elapsed() >= Duration::from_secs(1), "{summary}: as long as Dropbox says");
    }
    dropbox.fail_next(1, 409, "path/no_write_permission", None);
    assert_eq!(
        files.stat("k").await.expect_err("waiting does not help").kind(),
        StoreErrorKind::AccessDenied
    );
}

#[tokio::test]
async fn a_full_dropbox_is_told_and_keeps_the_old_file() {
    let (dropbox, files) = started();
    put(&files, "k", b"old").await;
    dropbox.set_quota(Some(1000));
    for size in [2000, 300_000] {
        let draft = draft(&files, "k", &pattern(size, 1)).await;
        let Err(error) = draft.publish("k", false).await else { panic!("it is full") };
        assert_eq!(error.kind(), StoreErrorKind::StorageFull);
    }
    assert_eq!(get(&files, "k").await, Some(b"old".to_vec()));
    assert_eq!(own_files(&files).await, [""; 0]);
}

#[tokio::test]
async fn what_was_done_though_the_reply_was_lost_is_done() {
    let (dropbox, files) = started();
    put(&files, "d/k", b"old").await;
    for (n, size) in [100, 9 << 20].into_iter().enumerate() {
        let content = pattern(size, n as u64);
        let mut whole = files.create(&name(), "d/k", None).await.expect("a draft");
        for (n, piece) in content.chunks(700_001).enumerate() {
            if n % 5 == 3 {
                dropbox.lose_replies(1);
            }
            whole.write(vec![Bytes::copy_from_slice(piece)]).await.expect("it is taken");
        }
        whole.finish().await.expect("it is finished");
        dropbox.lose_replies(1);
        published(whole.publish("d/k", false).await.expect("it is published"));
        assert!(get(&files, "d/k").await == Some(content), "{size}");
        dropbox.lose_replies(1);
        let renamed = files.rename("d/k", "d/r").await.expect("an answer").expect("a file");
        assert_eq!(renamed.size, size as u64);
        dropbox.lose_replies(1);
        assert!(files.remove("d/r").await.expect("an answer"));
        assert_eq!(get(&files, "d/r").await, None);
    }
    dropbox.lose_replies(1);
    files.make_folder("e").await.expect("a folder");
    assert_eq!(dropbox.all(), []);
}

#[tokio::test]
async fn what_was_opened_is_read_whatever_others_do() {
    let (dropbox, files) = started();
    dropbox.place("d/k", pattern(100_000, 1));
    let opened = files.open("d/k", None).await.expect("an answer").expect("a file");
    dropbox.place("d/k", pattern(100_000, 2));
    let read: Vec<Bytes> = opened
        .read(Span { start: 10, end: 90_000 })
        .await
        .expect("a stream")
        .try_collect()
        .await
        .expect("all of it");
    assert!(read.concat() == pattern(100_000, 1)[10..90_000]);
    assert!(get(&files, "d/k").await == Some(pattern(100_000, 2)));
    dropbox.take("d");
    assert_eq!(files.stat("d/k").await.expect("an answer"), None);
    put(&files, "d/k", b"again").await;
    assert_eq!(dropbox.all(), [("d/k".to_owned(), b"again".to_vec())]);
}

#[tokio::test]
async fn a_copy_takes_the_place_of_a_file_that_came_meanwhile() {
    let (dropbox, files) = started();
    let stat: Stat = put(&files, "from", &pattern(300_000, 1)).await;
    let mut copy = files.copy(&name(), "from", &stat, "to").await.expect("an answer").expect("a copy");
    copy.finish().await.expect("it is finished");
    dropbox.place("to", "theirs");
    let Published::Exists(copy) = copy.publish("to", true).await.expect("an answer") else {
        panic!("something is there")
    };
    published(copy.publish("to", false).await.expect("it is published"));
    assert!(get(&files, "to").await == Some(pattern(300_000, 1)));
    assert!(
        files.copy(&name(), "from", &stat, "to").await.expect("an answer").is_none(),
        "its bytes would come through here anyway"
    );
    assert_eq!(own_files(&files).await, [""; 0]);
}

#[tokio::test]
async fn every_step_costs_what_it_must() {
    let (dropbox, files) = started();
    put(&files, "d/warm", b"1").await;
    assert!(get(&files, "d/warm").await.is_some());
    let taken = || dropbox.take_requests();
    taken();
    put(&files, "d/k", &pattern(100_000, 1)).await;
    assert_eq!(taken(), ["get_metadata", "upload"]);
    put(&files, "d/large", &pattern(300_000, 1)).await;
    assert_eq!(taken(), ["upload_session/start", "get_metadata", "upload_session/finish"]);
    assert!(get(&files, "d/k").await.is_some());
    assert_eq!(taken(), ["get_metadata", "download"]);
    assert!(files.remove("d/k").await.expect("an answer"));
    assert_eq!(taken(), ["get_metadata", "delete_v2"]);
}
