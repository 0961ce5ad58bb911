//! Google Drive: several files may have one name, and names may be any text.

use super::*;
use crate::promises::{get, list, names, put};
use causeway::backend::tree::files::EntryKind;

#[tokio::test]
async fn of_files_with_one_name_the_oldest_is_the_one_until_we_publish_another() {
    let (drive, files) = started();
    for content in ["first", "second", "third"] {
        drive.place("d/k", content);
        // Creation times have a resolution of one millisecond.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    assert_eq!(get(&files, "d/k").await, Some(b"first".to_vec()));
    assert_eq!(names(&files, "d").await, ["k"], "and it is listed once");
    put(&files, "d/k", b"ours").await;
    let other: Storage = Arc::new(drive.files());
    assert_eq!(get(&files, "d/k").await, Some(b"ours".to_vec()));
    assert_eq!(get(&other, "d/k").await, Some(b"ours".to_vec()), "for everybody");
    assert_eq!(list(&other, "d").await[0].stat.size, 4);
    assert_eq!(drive.all().len(), 3, "what others put there stays");
    assert_eq!(drive.trashed(), ["d/k"], "but for what was replaced");
    put(&files, "d/k", b"ours again").await;
    assert_eq!(get(&other, "d/k").await, Some(b"ours again".to_vec()));
    assert!(files.remove("d/k").await.expect("an answer"));
    assert_eq!(get(&other, "d/k").await, Some(b"second".to_vec()), "the next one comes up");
}

#[tokio::test]
async fn what_a_publish_could_not_remove_never_comes_back() {
    let (drive, files) = started();
    drive.place("d/k", "old");
    assert_eq!(get(&files, "d/k").await, Some(b"old".to_vec()));
    let draft = crate::promises::draft(&files, "d/k", b"new").await;
    // Simulates a kill between the two steps: everything after the first request fails.
    drive.take_requests();
    drive.refuse_trashing(true);
    crate::promises::published(draft.publish("d/k", false).await.expect("it is published"));
    let other: Storage = Arc::new(drive.files());
    assert_eq!(get(&other, "d/k").await, Some(b"new".to_vec()));
    assert_eq!(drive.all().len(), 2, "the old one is hidden");
    drive.refuse_trashing(false);
    assert!(other.remove("d/k").await.expect("an answer"));
    assert_eq!(get(&other, "d/k").await, None);
    assert_eq!(drive.all(), []);
}

#[tokio::test]
async fn names_that_differ_in_case_are_two_and_names_with_slashes_none() {
    let (drive, files) = started();
    drive.place("K", "capital");
    put(&files, "k", b"small").await;
    assert_eq!(get(&files, "K").await, Some(b"capital".to_vec()));
    assert_eq!(get(&files, "k").await, Some(b"small".to_vec()));
    drive.rename_last("a/b");
    assert_eq!(names(&files, "").await, [causeway::backend::tree::files::OWN, "K"]);
}

#[tokio::test]
async fn documents_of_googles_own_are_no_files_and_stay() {
    let (drive, files) = started();
    drive.place_document("report");
    assert_eq!(files.stat("report").await.expect("an answer").map(|stat| stat.kind), Some(EntryKind::Other));
    assert!(files.open("report", None).await.expect("an answer").is_none());
    assert!(!files.remove("report").await.expect("an answer"));
    put(&files, "report", b"bytes").await;
    let other: Storage = Arc::new(drive.files());
    assert_eq!(get(&other, "report").await, Some(b"bytes".to_vec()), "ours comes first");
    assert!(other.remove("report").await.expect("an answer"));
    assert_eq!(files.stat("report").await.expect("an answer").map(|stat| stat.kind), Some(EntryKind::Other));
}
