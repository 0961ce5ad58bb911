//! OneDrive: expired tokens, limits, quotas, lost replies, and concurrent out-of-band changes.

use super::*;
use crate::promises::{draft, get, name, own_files, pattern, published, put};
use bytes::Bytes;
use causeway::{
    drivers::onedrive::{OnedriveFiles, OnedriveSettings},
    model::Span,
    store::error::StoreErrorKind,
};
use futures_util::TryStreamExt;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_token_that_has_ended_is_renewed_without_anybody_noticing() {
    let (drive, files) = started();
    put(&files, "k", b"1").await;
    drive.expire_tokens();
    assert_eq!(get(&files, "k").await, Some(b"1".to_vec()));
    drive.expire_tokens();
    put(&files, "k", &pattern(300_000, 1)).await;
    let tokens = drive.take_requests().iter().filter(|request| request.contains("/token")).count();
    assert_eq!(tokens, 3);
}

#[tokio::test]
async fn the_newest_refresh_token_is_used_after_a_restart_too() {
    let (drive, files) = started();
    put(&files, "k", b"1").await;
    drive.expire_old_grants();
    let again: Storage = Arc::new(drive.files());
    assert_eq!(get(&again, "k").await, Some(b"1".to_vec()));
    // Without the stored refresh token, the driver cannot log in.
    let elsewhere = tempfile::tempdir().expect("a directory");
    let lost = OnedriveFiles::new(OnedriveSettings { dir: elsewhere.path().to_owned(), ..drive.settings() })
        .expect("settings");
    let lost: Storage = Arc::new(lost);
    let error = lost.stat("k").await.expect_err("it is the old one");
    assert_eq!(error.kind(), StoreErrorKind::Internal);
    let shown = format!("{error} {error:?} {lost:?} {again:?}");
    assert!(shown.contains("authorized again"), "{shown}");
    for secret in [crate::onedrive::CLIENT_SECRET, crate::onedrive::REFRESH_TOKEN, "onedrive-token"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn limits_of_rate_are_waited_for() {
    let (drive, files) = started();
    put(&files, "k", b"1").await;
    for (status, code, seconds) in [
        (429, "activityLimitReached", 1),
        (503, "serviceNotAvailable", 1),
        (509, "bandwidthLimitExceeded", 2),
    ] {
        let begun = Instant::now();
        drive.fail_next(1, status, code, Some(seconds));
        assert_eq!(get(&files, "k").await, Some(b"1".to_vec()), "{status}");
        assert!(begun.elapsed() >= Duration::from_secs(seconds), "{status}: as long as OneDrive says");
    }
    drive.fail_next(1, 403, "accessDenied", None);
    assert_eq!(
        files.stat("k").await.expect_err("waiting does not help").kind(),
        StoreErrorKind::AccessDenied
    );
}

#[tokio::test]
async fn a_full_drive_is_told_and_keeps_the_old_file() {
    let (drive, files) = started();
    put(&files, "k", b"old").await;
    drive.set_quota(Some(1000));
    for size in [2000, 300_000, 6 << 20] {
        for announced in [Some(size as u64), None] {
            let mut draft = files.create(&name(), "k", announced).await.expect("a draft");
            let written = async {
                draft.write(vec![Bytes::from(pattern(size, 1))]).await?;
                draft.finish().await
            };
            assert_eq!(
                written.await.expect_err("it is full").kind(),
                StoreErrorKind::StorageFull,
                "{size} {announced:?}"
            );
        }
    }
    assert_eq!(get(&files, "k").await, Some(b"old".to_vec()));
    assert_eq!(own_files(&files).await, [""; 0]);
    assert_eq!(drive.uploads(), 0, "sessions that came to nothing are cancelled");
}

#[tokio::test]
async fn what_was_done_though_the_reply_was_lost_is_done() {
    let (drive, files) = started();
    put(&files, "d/k", b"old").await;
    for (n, size) in [100, 300_000].into_iter().enumerate() {
        let content = pattern(size, n as u64);
        let mut whole = files.create(&name(), "d/k", Some(size as u64)).await.expect("a draft");
        whole.write(vec![content.clone().into()]).await.expect("it is taken");
        drive.lose_replies(1);
        whole.finish().await.expect("it is there after all");
        drive.lose_replies(1);
        published(whole.publish("d/k", false).await.expect("it is published"));
        assert!(get(&files, "d/k").await == Some(content), "{size}");
        drive.lose_replies(1);
        assert!(files.remove("d/k").await.expect("an answer"));
        assert_eq!(get(&files, "d/k").await, None);
    }
    drive.lose_replies(1);
    files.make_folder("e").await.expect("a folder");
    assert_eq!(drive.all(), []);
}

#[tokio::test]
async fn ranges_are_sent_as_often_as_it_takes() {
    let (drive, files) = started();
    let content = pattern((16 << 20) + 12_345, 3);
    for size in [Some(content.len() as u64), None] {
        let mut draft = files.create(&name(), "k", size).await.expect("a draft");
        for (n, piece) in content.chunks(700_001).enumerate() {
            if n % 5 == 3 && size.is_some() {
                drive.lose_replies(1);
            }
            draft.write(vec![Bytes::copy_from_slice(piece)]).await.expect("it is taken");
        }
        drive.fail_next(1, 500, "generalException", None);
        draft.finish().await.expect("it is finished");
        published(draft.publish("k", false).await.expect("it is published"));
        assert!(get(&files, "k").await == Some(content.clone()));
        assert_eq!(drive.uploads(), 0);
    }
    let mut short = files.create(&name(), "k", Some(400_000)).await.expect("a draft");
    short.write(vec![Bytes::from(pattern(300_000, 1))]).await.expect("it is taken");
    assert!(short.finish().await.is_err(), "fewer bytes than announced are no file");
    assert_eq!(drive.uploads(), 0);
}

#[tokio::test]
async fn what_others_change_is_noticed() {
    let (drive, files) = started();
    drive.place("d/k", pattern(100_000, 1));
    for span in [Span { start: 0, end: 100_000 }, Span { start: 10, end: 90_000 }] {
        let opened = files.open("d/k", None).await.expect("an answer").expect("a file");
        drive.place("d/k", pattern(100_000, 2 + span.start));
        let read = async { opened.read(span).await?.try_collect::<Vec<Bytes>>().await };
        assert_eq!(
            read.await.expect_err("they are other bytes").kind(),
            StoreErrorKind::Unavailable,
            "{span:?}"
        );
    }
    assert!(get(&files, "d/k").await == Some(pattern(100_000, 12)));
    drive.take("d/k");
    assert_eq!(files.stat("d/k").await.expect("an answer"), None);
    // A folder whose id the driver has cached is removed, or renamed.
    put(&files, "d/e/k", b"1").await;
    drive.take("d/e");
    put(&files, "d/e/k", b"2").await;
    drive.rename("d/e", "f");
    put(&files, "d/e/k", b"3").await;
    let all = drive.all();
    let all: Vec<(&str, &[u8])> = all.iter().map(|(path, bytes)| (&**path, &**bytes)).collect();
    assert_eq!(all, [("d/e/k", &b"3"[..]), ("d/f/k", &b"2"[..])]);
}

#[tokio::test]
async fn every_step_costs_what_it_must() {
    let (drive, files) = started();
    put(&files, "d/warm", b"1").await;
    let count = || drive.take_requests().len();
    count();
    put(&files, "d/k", &pattern(100_000, 1)).await;
    assert_eq!(count(), 3, "the bytes, a look, and the move");
    put(&files, "d/k", &pattern(100_000, 2)).await;
    assert_eq!(count(), 3, "the same in place of another");
    put(&files, "d/large", &pattern(300_000, 1)).await;
    assert_eq!(count(), 4, "a session");
    assert!(get(&files, "d/k").await.is_some());
    assert_eq!(count(), 2, "a look, and the bytes with their hash");
    files.stat("d/k").await.expect("an answer");
    assert_eq!(count(), 1);
    assert!(files.remove("d/k").await.expect("an answer"));
    assert_eq!(count(), 2, "a look, and the removal under its tag");
    drop(draft(&files, "d/k", b"1").await);
}
