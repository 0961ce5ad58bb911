//! Drafts that become no file leave nothing, sooner or later.

use super::*;

pub async fn a_draft_that_is_discarded_leaves_nothing(files: Storage) {
    draft(&files, "a", b"finished").await.discard().await;
    assert_eq!(own_files(&files).await, [""; 0]);
    let mut unfinished = files.create(&name(), "a", None).await.expect("a draft");
    unfinished.write(vec![Bytes::from(pattern(300_000, 1))]).await.expect("it is taken");
    unfinished.discard().await;
    // A server may notice late that there is no more to come.
    let removed = async { while !own_files(&files).await.is_empty() {} };
    tokio::time::timeout(SOON, removed).await.expect("soon");
    assert_eq!(get(&files, "a").await, None);
}

pub async fn a_draft_that_is_dropped_is_removed(files: Storage) {
    drop(draft(&files, "a", b"finished").await);
    let mut unfinished = files.create(&name(), "a", None).await.expect("a draft");
    unfinished.write(vec![Bytes::from(pattern(300_000, 1))]).await.expect("it is taken");
    drop(unfinished);
    let removed = async { while !own_files(&files).await.is_empty() {} };
    tokio::time::timeout(SOON, removed).await.expect("soon");
    assert_eq!(get(&files, "a").await, None);
}

pub async fn tidying_removes_the_drafts_of_one_instance(files: Storage) {
    files.tidy("killed").await.expect("nothing to tidy is fine");
    for _ in 0..5 {
        let mut draft = files.create(&name_of("killed"), "a", None).await.expect("a draft");
        draft.write(vec![Bytes::from_static(b"x")]).await.expect("it is taken");
        draft.finish().await.expect("it is finished");
        // As a process that is killed leaves it.
        std::mem::forget(draft);
    }
    let alive = draft(&files, "a", b"alive").await;
    files.tidy("killed").await.expect("it tidies");
    published(alive.publish("a", false).await.expect("others keep theirs"));
    assert_eq!(own_files(&files).await, [""; 0]);
}

pub async fn a_copy_is_what_was_expected_or_there_is_none(files: Storage) {
    let content = pattern(5 << 20, 3);
    let stat = put(&files, "from", &content).await;
    if let Some(mut copy) = files.copy(&name(), "from", &stat, "to").await.expect("an answer") {
        copy.finish().await.expect("it is finished");
        published(copy.publish("to", true).await.expect("it is published"));
        assert!(get(&files, "to").await == Some(content));
    }
    let empty = put(&files, "empty", b"").await;
    if let Some(mut copy) = files.copy(&name(), "empty", &empty, "to").await.expect("an answer") {
        assert_eq!(copy.finish().await.expect("it is finished").map(|stat| stat.size).unwrap_or(0), 0);
        copy.discard().await;
    }
    let other = Stat { size: stat.size - 1, tag: None, ..stat };
    assert!(files.copy(&name(), "from", &other, "to").await.expect("an answer").is_none());
    assert!(files.copy(&name(), "missing", &other, "to").await.expect("an answer").is_none());
    let removed = async { while !own_files(&files).await.is_empty() {} };
    tokio::time::timeout(SOON, removed).await.expect("soon");
}
