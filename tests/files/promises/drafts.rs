//! Drafts that are not published leave nothing, at the latest after tidying.

use super::*;

pub async fn a_draft_that_is_discarded_leaves_nothing(files: Storage) {
    draft(&files, "a", b"finished").await.discard().await;
    assert_eq!(own_files(&files).await, [""; 0]);
    let mut unfinished = files.create(&name(), "a", None).await.expect("a draft");
    unfinished.write(vec![Bytes::from(pattern(300_000, 1))]).await.expect("it is taken");
    unfinished.discard().await;
    // A server may notice late that no more bytes will come.
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
        // A killed process leaves its draft like this.
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

pub async fn drafts_of_unknown_length_that_wait_for_more_leave_a_place_to_others(files: Storage) {
    let (half, rest) = (Bytes::from(pattern(5 << 20, 4)), Bytes::from(pattern(300_000, 5)));
    let mut waiting = Vec::new();
    for _ in 0..files.service().flows {
        let mut draft = files.create(&name(), "a", None).await.expect("a draft");
        draft.write(vec![half.clone()]).await.expect("it is taken");
        waiting.push(draft);
    }
    put(&files, "other", &half).await;
    assert!(get(&files, "other").await == Some(half.to_vec()));
    for (n, mut draft) in waiting.into_iter().enumerate() {
        for piece in rest.chunks(70_000) {
            draft.write(vec![Bytes::copy_from_slice(piece)]).await.expect("it is taken");
        }
        draft.finish().await.expect("it is finished");
        let path = format!("whole/{n}");
        published(draft.publish(&path, true).await.expect("it is published"));
        assert!(get(&files, &path).await == Some([&half[..], &rest].concat()));
    }
}
