//! Google Drive: expired tokens, limits, quotas, lost replies, delayed searches, and concurrent out-of-band
//! changes.

use super::*;
use crate::promises::{draft, get, name, own_files, pattern, published, put};
use bytes::Bytes;
use causeway::{
    backend::oauth::Grant,
    drivers::gdrive::{GdriveFiles, GdriveSettings},
    model::{Secret, Span},
    store::error::StoreErrorKind,
};
use futures_util::TryStreamExt;
use std::time::Instant;

#[tokio::test]
async fn a_token_that_has_ended_is_renewed_without_anybody_noticing() {
    let (drive, files) = started();
    put(&files, "k", b"1").await;
    drive.expire_tokens();
    assert_eq!(get(&files, "k").await, Some(b"1".to_vec()));
    drive.expire_tokens();
    put(&files, "k", &pattern(300_000, 1)).await;
    let tokens = drive.take_requests().iter().filter(|request| request.starts_with("POST /token")).count();
    assert_eq!(tokens, 3);
}

#[tokio::test]
async fn a_grant_that_is_revoked_is_told_without_its_secrets() {
    let (drive, files) = started();
    drive.refuse_grants(true);
    let error = files.stat("k").await.expect_err("nothing works");
    assert_eq!(error.kind(), StoreErrorKind::Internal);
    let shown = format!("{error} {error:?} {files:?}");
    assert!(shown.contains("authorized again"), "{shown}");
    for secret in [crate::gdrive::CLIENT_SECRET, crate::gdrive::REFRESH_TOKEN, "drive-token"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    drive.refuse_grants(false);
    assert_eq!(files.stat("k").await.expect("it works again"), None);
}

#[tokio::test]
async fn a_service_account_signs_for_its_tokens() {
    let drive = FakeDrive::start();
    let key = serde_json::json!({
        "type": "service_account", "client_email": "robot@example.iam.gserviceaccount.com",
        "private_key_id": "1", "private_key": include_str!("../../support/gdrive/service_account.pem"),
    });
    let grant = Grant::ServiceAccount {
        key: Secret::new(key.to_string()),
        subject: Some("alice@example.com".into()),
    };
    let files: Storage =
        Arc::new(GdriveFiles::new(GdriveSettings { grant, ..drive.settings() }).expect("settings"));
    put(&files, "k", b"1").await;
    assert_eq!(get(&files, "k").await, Some(b"1".to_vec()));
    let senseless =
        Grant::ServiceAccount { key: Secret::new("{\"private_key\":\"hunter2\"}"), subject: None };
    let error =
        GdriveFiles::new(GdriveSettings { grant: senseless, ..drive.settings() }).expect_err("it is no key");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[tokio::test]
async fn limits_of_rate_are_waited_for() {
    let (drive, files) = started();
    put(&files, "k", b"1").await;
    let begun = Instant::now();
    for (status, reason) in [
        (403, "userRateLimitExceeded"),
        (403, "rateLimitExceeded"),
        (429, "rateLimitExceeded"),
        (503, "backendError"),
    ] {
        drive.fail_next(1, status, reason);
        assert_eq!(get(&files, "k").await, Some(b"1".to_vec()), "{status} {reason}");
    }
    assert!(
        begun.elapsed().as_millis() >= 1000,
        "half a second each for those that Drive calls limits of rate"
    );
    drive.fail_next(1, 403, "insufficientFilePermissions");
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
    for size in [2000, 300_000] {
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
async fn bytes_of_unknown_number_go_in_pieces_each_as_often_as_it_takes() {
    let (drive, files) = started();
    let content = pattern((9 << 20) + 12_345, 3);
    let mut draft = files.create(&name(), "k", None).await.expect("a draft");
    for (n, piece) in content.chunks(700_001).enumerate() {
        if n % 5 == 3 {
            drive.lose_replies(1);
        }
        draft.write(vec![Bytes::copy_from_slice(piece)]).await.expect("it is taken");
    }
    drive.fail_next(1, 503, "backendError");
    draft.finish().await.expect("it is finished");
    published(draft.publish("k", true).await.expect("it is published"));
    assert!(get(&files, "k").await == Some(content));
    assert_eq!(drive.uploads(), 0);
}

#[tokio::test]
async fn searches_that_lag_behind_hide_nothing_of_ours() {
    let (drive, files) = started();
    put(&files, "d/old", b"old").await;
    drive.freeze_searches(50);
    put(&files, "d/new", b"new").await;
    assert_eq!(get(&files, "d/new").await, Some(b"new".to_vec()));
    put(&files, "d/new", b"newer").await;
    assert_eq!(get(&files, "d/new").await, Some(b"newer".to_vec()));
    assert!(files.remove("d/old").await.expect("an answer"));
    assert_eq!(get(&files, "d/old").await, None);
    assert!(!files.remove_folder("d").await.expect("an answer"), "it seems empty, and is not");
    drive.freeze_searches(0);
    assert_eq!(get(&files, "d/new").await, Some(b"newer".to_vec()));
}

#[tokio::test]
async fn what_others_change_is_noticed() {
    let (drive, files) = started();
    let id = drive.place("d/k", pattern(100_000, 1));
    for span in [Span { start: 0, end: 100_000 }, Span { start: 10, end: 90_000 }] {
        let opened = files.open("d/k", None).await.expect("an answer").expect("a file");
        drive.edit(&id, pattern(100_000, 2));
        let read = async { opened.read(span).await?.try_collect::<Vec<Bytes>>().await };
        assert_eq!(
            read.await.expect_err("they are other bytes").kind(),
            StoreErrorKind::Unavailable,
            "{span:?}"
        );
    }
    assert!(get(&files, "d/k").await == Some(pattern(100_000, 2)));
    drive.trash(&id);
    assert_eq!(files.stat("d/k").await.expect("an answer"), None);
    put(&files, "d/e/k", b"1").await;
    drive.trash_path("d/e");
    let draft = draft(&files, "d/e/k", b"2").await;
    published(draft.publish("d/e/k", false).await.expect("it is published"));
    assert_eq!(get(&files, "d/e/k").await, Some(b"2".to_vec()), "in a folder that is there");
    assert_eq!(drive.all().iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["d/e/k"]);
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
    assert_eq!(count(), 4, "and the trash");
    put(&files, "d/large", &pattern(300_000, 1)).await;
    assert_eq!(count(), 4, "a session");
    assert!(get(&files, "d/k").await.is_some());
    assert_eq!(count(), 2, "a look, and the bytes with their MD5");
    files.stat("d/k").await.expect("an answer");
    assert_eq!(count(), 1);
    assert!(files.remove("d/k").await.expect("an answer"));
    assert_eq!(count(), 3, "a look, another for what is hidden, and the trash");
}
