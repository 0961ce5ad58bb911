//! Folders are created and removed automatically, but never while they hold something.

use super::*;
use futures_util::future::join_all;

pub async fn a_folder_that_holds_something_stays(files: Storage) {
    put(&files, "a/b/k", b"1").await;
    files.make_folder("a/empty").await.expect("a folder");
    assert!(!files.remove_folder("a").await.expect("an answer"));
    assert!(!files.remove_folder("a/b").await.expect("an answer"));
    assert!(files.remove_folder("a/empty").await.expect("an answer"));
    assert!(files.remove_folder("a/empty").await.expect("what is gone is gone"));
    assert!(files.remove_folder("missing/below").await.expect("what is gone is gone"));
    assert_eq!(get(&files, "a/b/k").await, Some(b"1".to_vec()));
    assert!(files.remove("a/b/k").await.expect("an answer"));
    assert!(files.remove_folder("a/b").await.expect("an answer"));
    assert!(files.remove_folder("a").await.expect("an answer"));
    assert_eq!(files.stat("a").await.expect("an answer"), None);
}

pub async fn folders_are_made_by_many_at_once(files: Storage) {
    let makers = (0..16).map(|n| {
        let files = files.clone();
        tokio::spawn(async move {
            files.make_folder("m/n/o/p").await.expect("a folder");
            put(&files, &format!("m/n/o/q/{n}"), b"1").await;
        })
    });
    for maker in join_all(makers).await {
        maker.expect("it works");
    }
    assert_eq!(names(&files, "m/n/o").await, ["p", "q"]);
    assert_eq!(names(&files, "m/n/o/q").await.len(), 16);
    put(&files, "file", b"1").await;
    assert!(files.make_folder("file/below").await.is_err());
    assert!(files.make_folder("file").await.is_err());
}

pub async fn removing_is_for_files(files: Storage) {
    put(&files, "d/k", b"1").await;
    files.make_folder("empty").await.expect("a folder");
    for path in ["d", "empty", "missing", "missing/below", "d/k/below"] {
        assert!(!files.remove(path).await.expect("an answer"), "{path}");
    }
    assert!(!files.remove_folder("d/k").await.expect("an answer"));
    assert_eq!(get(&files, "d/k").await, Some(b"1".to_vec()));
    assert!(files.remove("d/k").await.expect("an answer"));
    assert!(!files.remove("d/k").await.expect("an answer"));
    assert_eq!(files.stat("empty").await.expect("an answer").map(|stat| stat.kind), Some(EntryKind::Folder));
}

pub async fn a_file_gets_another_name(files: Storage) {
    let stat = put(&files, "d/a", b"123").await;
    let renamed = files.rename("d/a", "d/b").await.expect("an answer").expect("there was a file");
    assert!(renamed.is_same(&stat), "{renamed:?} {stat:?}");
    assert_eq!(names(&files, "d").await, ["b"]);
    assert_eq!(get(&files, "d/b").await, Some(b"123".to_vec()));
    files.make_folder("d/folder").await.expect("a folder");
    for from in ["d/a", "d/folder", "missing/x"] {
        assert!(files.rename(from, "d/c").await.expect("an answer").is_none(), "{from}");
    }
}
