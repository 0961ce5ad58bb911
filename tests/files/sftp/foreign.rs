//! Entries created outside the gateway: links, names that are not text, and entries that are not files.

use super::*;
use crate::promises::{draft, get, list, names, own_files, put};
use causeway::backend::tree::files::{Entry, EntryKind, Published};
use std::{
    ffi::OsStr,
    os::unix::{ffi::OsStrExt, fs::symlink},
    process::Command,
    time::Duration,
};

#[tokio::test]
async fn links_lead_nowhere() {
    let (server, files) = started();
    let outside = tempfile::tempdir().expect("a directory");
    std::fs::write(outside.path().join("secret"), "secret").expect("a file");
    put(&files, "inside/k", b"1").await;
    let root = server.root();
    symlink(outside.path().join("secret"), root.join("file-link")).expect("a link");
    symlink(outside.path(), root.join("folder-link")).expect("a link");
    symlink(root.join("inside"), root.join("inner-link")).expect("a link");

    for path in ["file-link", "folder-link", "folder-link/secret", "inner-link/k"] {
        assert!(files.open(path, None).await.expect("an answer").is_none(), "{path}");
    }
    for path in ["folder-link/secret", "inner-link/k"] {
        assert_eq!(files.stat(path).await.expect("an answer"), None, "{path}");
        assert!(!files.remove(path).await.expect("an answer"), "{path}");
        assert!(draft(&files, path, b"2").await.publish(path, false).await.is_err(), "{path}");
        assert!(files.rename(path, &format!("{path}-2")).await.expect("an answer").is_none());
    }
    assert_eq!(list(&files, "folder-link").await, []);
    assert!(files.make_folder("folder-link/new").await.is_err());
    assert!(!files.remove_folder("inner-link").await.expect("an answer"));
    for name in ["file-link", "folder-link", "inner-link"] {
        assert_eq!(
            files.stat(name).await.expect("an answer").map(|stat| stat.kind),
            Some(EntryKind::Other),
            "{name}"
        );
        assert!(!files.remove(name).await.expect("an answer"), "{name}");
    }
    assert!(
        list(&files, "")
            .await
            .iter()
            .filter(|entry| entry.name.ends_with("-link"))
            .all(|entry| entry.stat.kind == EntryKind::Other)
    );
    assert_eq!(std::fs::read_dir(outside.path()).expect("a directory").count(), 1);
    assert_eq!(get(&files, "inside/k").await, Some(b"1".to_vec()));

    // The name of a link is taken. Replacing it removes the link, not the file that it points to.
    let Published::Exists(taken) =
        draft(&files, "file-link", b"2").await.publish("file-link", true).await.expect("an answer")
    else {
        panic!("it is taken")
    };
    assert!(matches!(taken.publish("file-link", false).await, Ok(Published::As(_))));
    assert_eq!(get(&files, "file-link").await, Some(b"2".to_vec()));
    assert_eq!(std::fs::read(outside.path().join("secret")).expect("a file"), b"secret");
}

#[tokio::test]
async fn a_root_that_is_a_link_is_a_root() {
    let server = Sshd::start();
    let link = server.root().with_file_name("link");
    symlink(server.root(), &link).expect("a link");
    let settings = SftpSettings { root: link.to_str().expect("UTF-8").to_owned(), ..server.settings() };
    let files: Storage = Arc::new(SftpFiles::open(settings).expect("settings"));
    put(&files, "a/b", b"1").await;
    assert_eq!(std::fs::read(server.root().join("a/b")).expect("a file"), b"1");
}

#[tokio::test]
async fn a_root_that_is_missing_is_made() {
    let server = Sshd::start();
    for root in ["not/there/yet", "nor/this/"] {
        let settings = SftpSettings {
            root: server.root().join(root).to_str().expect("UTF-8").to_owned(),
            ..server.settings()
        };
        let files: Storage = Arc::new(SftpFiles::open(settings).expect("settings"));
        assert_eq!(list(&files, "").await, []);
        assert_eq!(files.stat("a").await.expect("an answer"), None);
        if root.ends_with('/') {
            drop(put(&files, "k", b"1").await)
        } else {
            files.make_folder("bucket").await.expect("a folder")
        }
        assert!(server.root().join(root).is_dir());
    }
}

#[tokio::test]
async fn what_waits_for_a_writer_is_not_opened() {
    let (server, files) = started();
    assert!(Command::new("mkfifo").arg(server.root().join("pipe")).status().expect("mkfifo").success());
    let opening = tokio::time::timeout(Duration::from_secs(10), files.open("pipe", None));
    assert!(opening.await.expect("at once").expect("an answer").is_none());
    assert_eq!(list(&files, "").await[0].stat.kind, EntryKind::Other);
}

#[tokio::test]
async fn names_that_are_no_text_are_left_alone() {
    let (server, files) = started();
    put(&files, "d/text", b"1").await;
    let odd = server.root().join("d").join(OsStr::from_bytes(b"\xff\xfe\x80"));
    std::fs::write(&odd, "odd").expect("a file");
    std::fs::create_dir(server.root().join(OsStr::from_bytes(b"d\xffr"))).expect("a directory");
    assert_eq!(names(&files, "d").await, ["text"]);
    let nameless =
        |folder: Vec<Entry>| folder.iter().filter(|entry| entry.stat.kind == EntryKind::Nameless).count();
    assert_eq!((nameless(list(&files, "d").await), nameless(list(&files, "").await)), (1, 1));
    assert_eq!(names(&files, "").await, [".causeway", "d"]);
    assert!(files.remove("d/text").await.expect("an answer"));
    assert_eq!(names(&files, "d").await, [""; 0]);
    assert!(!files.remove_folder("d").await.expect("an answer"));
    assert_eq!(std::fs::read(&odd).expect("it is still there"), b"odd");
}

#[tokio::test]
async fn a_file_that_others_write_to_is_not_read_as_a_mixture() {
    let (server, files) = started();
    let path = server.root().join("k");
    std::fs::write(&path, vec![b'a'; 4 << 20]).expect("a file");
    let opened = files.open("k", None).await.expect("an answer").expect("a file");
    let mut stream = opened.read(causeway::model::Span::whole(4 << 20)).await.expect("a stream");
    use futures_util::TryStreamExt;
    stream.try_next().await.expect("a piece").expect("a piece");
    std::fs::write(&path, vec![b'b'; 3 << 20]).expect("a file");
    let rest: Result<Vec<_>, _> = stream.try_collect().await;
    assert!(rest.is_err(), "it was cut short");
}

#[tokio::test]
async fn a_folder_that_others_replace_by_a_link_is_not_followed_for_long() {
    let (server, files) = started();
    let outside = tempfile::tempdir().expect("a directory");
    put(&files, "d/k", b"1").await;
    std::fs::rename(server.root().join("d"), server.root().join("moved")).expect("a rename");
    symlink(outside.path(), server.root().join("d")).expect("a link");
    // Publishing may use a folder that was checked seconds ago. Reading checks the file each time, and the
    // folders above it after a while.
    let noticed = async { while files.make_folder("d/x").await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(30), noticed).await.expect("within seconds");
    assert!(draft(&files, "d/new", b"2").await.publish("d/new", false).await.is_err());
    assert!(!outside.path().join("new").exists());
    drop(files);
    assert!(own_files(&(Arc::new(server.files()) as Storage)).await.len() <= 1);
}
