//! SFTP servers with fewer features than OpenSSH's.

use super::*;
use crate::promises::{draft, get, own_files, published, put};
use causeway::{backend::tree::files::Published, store::error::StoreErrorKind};

#[tokio::test]
async fn without_atomic_replacement_nothing_is_replaced() {
    let server = Sshd::with("-P posix-rename");
    let files: Storage = Arc::new(server.files());
    put(&files, "k", b"old").await;
    let Err(error) = draft(&files, "k", b"new").await.publish("k", false).await else { panic!("it cannot") };
    assert_eq!(error.kind(), StoreErrorKind::NotImplemented, "{error}");
    assert_eq!(get(&files, "k").await, Some(b"old".to_vec()));
    let Published::Exists(taken) =
        draft(&files, "k", b"new").await.publish("k", true).await.expect("an answer")
    else {
        panic!("it is there")
    };
    assert!(files.remove("k").await.expect("an answer"));
    published(taken.publish("k", false).await.expect("now it is free"));
    assert_eq!(get(&files, "k").await, Some(b"new".to_vec()));
}

#[tokio::test]
async fn a_server_that_may_not_be_written_says_so() {
    let server = Sshd::with("-R");
    std::fs::write(server.root().join("k"), "1").expect("a file");
    let files: Storage = Arc::new(server.files());
    assert_eq!(get(&files, "k").await, Some(b"1".to_vec()));
    let Err(error) = files.create(&crate::promises::name(), "k", None).await else { panic!("it may not") };
    assert!(error.to_string().contains("permission"), "{error}");
    assert!(files.remove("k").await.is_err());
    assert_eq!(own_files(&files).await, [""; 0]);
}
