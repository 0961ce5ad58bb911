//! SFTP connections that are cut, hang, and recover.

use super::*;
use crate::{
    promises::{draft, get, list, name, own_files, pattern, published, put},
    proxy::{Direction, Proxy},
    silent::silent,
};
use bytes::Bytes;
use causeway::{model::Span, store::error::StoreErrorKind};
use futures_util::TryStreamExt;
use std::time::{Duration, Instant};

fn behind_proxy() -> (Sshd, Proxy, Storage) {
    let server = Sshd::start();
    let proxy = Proxy::to(server.address());
    let settings = SftpSettings {
        port: proxy.address().port(),
        timeout: Duration::from_secs(5),
        max_connections: 1,
        attempts: 4,
        ..server.settings()
    };
    let files = Arc::new(SftpFiles::open(settings).expect("settings"));
    (server, proxy, files)
}

#[tokio::test]
async fn a_write_that_is_cut_leaves_the_old_file_and_in_the_end_no_draft() {
    let (_server, proxy, files) = behind_proxy();
    put(&files, "k", b"old").await;
    let mut draft = files.create(&name(), "k", None).await.expect("a draft");
    proxy.cut(Direction::Up, 1 << 20, 1);
    let written = async {
        for n in 0..64 {
            draft.write(vec![Bytes::from(pattern(256 << 10, n))]).await?;
        }
        draft.finish().await
    };
    let error = written.await.expect_err("the connection was cut");
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    assert!(draft.finish().await.is_err(), "it is not whole");
    assert!(draft.finish().await.is_err(), "and never will be");
    assert!(draft.publish("k", false).await.is_err(), "it is not published");
    assert_eq!(get(&files, "k").await, Some(b"old".to_vec()));
    let removed = async { while !own_files(&files).await.is_empty() {} };
    tokio::time::timeout(Duration::from_secs(30), removed).await.expect("soon");
}

#[tokio::test]
async fn a_read_that_is_cut_ends_with_an_error() {
    let (_server, proxy, files) = behind_proxy();
    let content = pattern(8 << 20, 1);
    put(&files, "k", &content).await;
    let opened = files.open("k", None).await.expect("an answer").expect("a file");
    proxy.cut(Direction::Down, 2 << 20, 1);
    let mut stream = opened.read(Span::whole(content.len() as u64)).await.expect("a stream");
    let mut read = Vec::new();
    let error = loop {
        match stream.try_next().await {
            Ok(Some(bytes)) => read.extend_from_slice(&bytes),
            Ok(None) => panic!("a stream that is cut has an error at its end"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    assert!(read.len() < content.len() && content.starts_with(&read));
    assert!(get(&files, "k").await == Some(content), "the next one has a new connection");
}

#[tokio::test]
async fn what_may_be_repeated_is_repeated() {
    let (server, proxy, files) = behind_proxy();
    put(&files, "d/k", b"1").await;
    // The connection is cut in the handshake or in the first requests after it, in either direction.
    for direction in [Direction::Up, Direction::Down] {
        for after in [0, 100, 1500, 3000, 4000, 4500] {
            proxy.refuse();
            proxy.accept();
            proxy.cut(direction, after, 1);
            assert!(files.stat("d/k").await.expect("repeated").is_some(), "{direction:?} {after}");
            assert_eq!(list(&files, "d").await.len(), 1);
            assert!(files.open("d/k", None).await.expect("repeated").is_some());
        }
    }
    assert!(server.connections() > 12);
}

#[tokio::test]
async fn a_lost_answer_to_publishing_is_found_out() {
    for absent in [false, true] {
        let (_server, proxy, files) = behind_proxy();
        put(&files, "warm", b"1").await;
        let draft = draft(&files, "k", b"new").await;
        // Requests reach the server, replies are lost.
        proxy.cut(Direction::Down, 0, 1);
        let stat = published(draft.publish("k", absent).await.expect("it is found out"));
        assert_eq!(stat.size, 3);
        assert_eq!(get(&files, "k").await, Some(b"new".to_vec()));
        let found = files.stat("k").await.expect("an answer").expect("a file");
        assert!(found.is_same(&stat), "{found:?} {stat:?}");
        let removed = async { while !own_files(&files).await.is_empty() {} };
        tokio::time::timeout(Duration::from_secs(30), removed).await.expect("soon");
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_in_time_and_used_again_when_it_is_back() {
    let (server, proxy, _) = behind_proxy();
    let settings = SftpSettings {
        port: proxy.address().port(),
        timeout: Duration::from_millis(800),
        attempts: 2,
        ..server.settings()
    };
    let files: Storage = Arc::new(SftpFiles::open(settings).expect("settings"));
    put(&files, "k", b"1").await;
    let mut waiting = files.create(&name(), "k2", None).await.expect("a draft");
    proxy.hang();
    let since = Instant::now();
    let error = files.stat("k").await.expect_err("nothing comes");
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    let written = async {
        for n in 0..64 {
            waiting.write(vec![Bytes::from(pattern(256 << 10, n))]).await?;
        }
        Ok::<_, causeway::store::error::StoreError>(())
    };
    assert_eq!(written.await.expect_err("nothing is taken").kind(), StoreErrorKind::Unavailable);
    assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
    proxy.resume();
    assert_eq!(get(&files, "k").await, Some(b"1".to_vec()));
}

#[tokio::test]
async fn a_server_that_is_away_is_told_at_once_to_all_who_wait() {
    let (_server, proxy, files) = behind_proxy();
    proxy.refuse();
    let since = Instant::now();
    let all = futures_util::future::join_all((0..64).map(|_| files.stat("k"))).await;
    for answer in all {
        assert_eq!(answer.expect_err("it is away").kind(), StoreErrorKind::Unavailable);
    }
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    proxy.accept();
    assert_eq!(files.stat("k").await.expect("it is back"), None);
}

#[tokio::test]
async fn a_server_that_takes_the_connection_and_says_nothing_is_told_within_the_time_to_connect() {
    for (greeting, words) in [
        ("", "there was no greeting within 700ms"),
        ("SSH-2.0-silent\r\n", "there was no greeting within 700ms"),
    ] {
        let address = silent(greeting);
        let settings = SftpSettings {
            port: address.port(),
            timeout: Duration::from_secs(600),
            connect_timeout: Duration::from_millis(700),
            ..Sshd::start().settings()
        };
        let files: Storage = Arc::new(SftpFiles::open(settings).expect("settings"));
        let asked =
            tokio::time::timeout(Duration::from_secs(20), files.stat("k")).await.expect("it is told soon");
        let error = asked.expect_err("nothing comes");
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(
            files.traffic().and_then(|traffic| traffic.trouble),
            Some(error.to_string()),
            "and to everybody"
        );
    }
}
