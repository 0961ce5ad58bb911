//! FTP connections that are cut, hang, and recover; files that change while they are read.

use super::*;
use crate::{
    promises::name,
    proxy::{Direction, Proxy},
    silent::silent,
};
use bytes::Bytes;
use futures_util::TryStreamExt;
use std::time::{Duration, Instant};

/// A proxy in front of the control connection; data connections go to the server directly.
fn behind_proxy(place: &Place) -> (Proxy, Storage) {
    let proxy = Proxy::to(place.server.address);
    let files =
        on(FtpSettings { port: proxy.address().port(), timeout: Duration::from_secs(5), ..place.settings() });
    (proxy, files)
}

#[tokio::test]
async fn what_may_be_repeated_is_repeated() {
    let place = Ftpd::shared();
    let (proxy, files) = behind_proxy(&place);
    put(&files, "d/k", b"1").await;
    for direction in [Direction::Up, Direction::Down] {
        for after in [0, 10, 30, 60, 100, 150, 250, 400] {
            proxy.refuse();
            proxy.accept();
            proxy.cut(direction, after, 1);
            assert!(files.stat("d/k").await.expect("repeated").is_some(), "{direction:?} {after}");
            assert_eq!(list(&files, "d").await.len(), 1);
            assert!(files.open("d/k", Some(Span { start: 0, end: 1 })).await.expect("repeated").is_some());
        }
    }
}

#[tokio::test]
async fn a_lost_answer_to_publishing_is_found_out() {
    for absent in [false, true] {
        let place = Ftpd::shared();
        let (proxy, files) = behind_proxy(&place);
        put(&files, "warm", b"1").await;
        put(&files, "warm", b"2").await;
        for after in [0, 60, 70, 110, 130] {
            let path = format!("k{after}");
            let draft = draft(&files, &path, b"new").await;
            // Commands reach the server, replies are lost.
            proxy.cut(Direction::Down, after, 1);
            let stat = published(draft.publish(&path, absent).await.expect("it is found out"));
            assert_eq!(stat.size, 3);
            assert_eq!(get(&files, &path).await, Some(b"new".to_vec()));
        }
        assert_eq!(own_files(&files).await, [""; 0]);
    }
}

#[tokio::test]
async fn a_write_whose_connection_is_lost_leaves_the_old_file_and_in_the_end_no_draft() {
    let place = Ftpd::shared();
    let (proxy, files) = behind_proxy(&place);
    put(&files, "k", b"old").await;
    let mut draft = files.create(&name(), "k", None).await.expect("a draft");
    draft.write(vec![Bytes::from(pattern(1 << 20, 1))]).await.expect("it is taken");
    proxy.refuse();
    let error = draft.finish().await.expect_err("nobody says that it is whole");
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    proxy.accept();
    assert!(
        draft.finish().await.is_err() && draft.write(vec![Bytes::from_static(b"x")]).await.is_err(),
        "it never will be"
    );
    assert!(draft.publish("k", false).await.is_err(), "it is not published");
    assert_eq!(get(&files, "k").await, Some(b"old".to_vec()));
    let removed = async { while !own_files(&files).await.is_empty() {} };
    tokio::time::timeout(Duration::from_secs(30), removed).await.expect("soon");
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_in_time_and_used_again_when_it_is_back() {
    let place = Ftpd::shared();
    let proxy = Proxy::to(place.server.address);
    let timeout = Duration::from_millis(800);
    let files = on(FtpSettings {
        port: proxy.address().port(),
        timeout,
        connect_timeout: timeout,
        attempts: 2,
        ..place.settings()
    });
    put(&files, "k", b"1").await;
    proxy.hang();
    let since = Instant::now();
    let error = files.stat("k").await.expect_err("nothing comes");
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    proxy.resume();
    assert_eq!(get(&files, "k").await, Some(b"1".to_vec()));
}

#[tokio::test]
async fn a_server_that_is_away_is_told_at_once_to_all_who_wait() {
    let place = Ftpd::shared();
    let (proxy, files) = behind_proxy(&place);
    proxy.refuse();
    let since = Instant::now();
    for answer in futures_util::future::join_all((0..64).map(|_| files.stat("k"))).await {
        assert_eq!(answer.expect_err("it is away").kind(), StoreErrorKind::Unavailable);
    }
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    proxy.accept();
    assert_eq!(files.stat("k").await.expect("it is back"), None);
}

/// Begins to read, runs `change`, and reads the rest.
async fn read_while(
    files: &Storage,
    size: u64,
    change: impl AsyncFnOnce(),
) -> Result<Vec<u8>, StoreErrorKind> {
    let span = Span::whole(size);
    let opened = files.open("k", Some(span)).await.expect("an answer").expect("a file");
    let mut stream = opened.read(span).await.expect("a stream");
    let mut read = stream.try_next().await.expect("a piece").expect("a piece").to_vec();
    change().await;
    let rest: Vec<Bytes> = stream.try_collect().await.map_err(|error| error.kind())?;
    read.extend(rest.concat());
    Ok(read)
}

#[tokio::test]
async fn a_reader_keeps_the_file_that_we_replace_or_remove() {
    for place in [Ftpd::shared(), Ftpd::explicit(), Ftpd::old()] {
        let files = of(&place);
        let old = pattern(16 << 20, 4);
        put(&files, "k", &old).await;
        let replaced =
            read_while(&files, 16 << 20, async || drop(put(&files, "k", &pattern(16 << 20, 5)).await)).await;
        assert!(replaced.is_ok_and(|read| read == old));
        let new = pattern(16 << 20, 5);
        let removed =
            read_while(&files, 16 << 20, async || assert!(files.remove("k").await.expect("an answer"))).await;
        assert!(removed.is_ok_and(|read| read == new));
    }
}

#[tokio::test]
async fn a_file_that_others_change_while_it_is_read_fails_its_reader() {
    for place in [Ftpd::shared(), Ftpd::old()] {
        let files = of(&place);
        put(&files, "k", &pattern(16 << 20, 6)).await;
        let path = place.root().join("k");
        let longer = read_while(&files, 16 << 20, async || {
            std::fs::write(&path, pattern(17 << 20, 7)).expect("a file")
        })
        .await;
        assert!(longer.is_err(), "it has grown");
        put(&files, "k", &pattern(16 << 20, 6)).await;
        let shorter =
            read_while(&files, 16 << 20, async || std::fs::write(&path, b"short").expect("a file")).await;
        assert!(shorter.is_err(), "it was cut");
        put(&files, "k", &pattern(16 << 20, 6)).await;
        let gone = read_while(&files, 16 << 20, async || std::fs::remove_file(&path).expect("a file")).await;
        assert!(gone.is_err(), "nobody knows what became of it");
    }
}

#[tokio::test]
async fn a_file_that_was_replaced_between_looking_and_reading_is_not_read_for_the_old_one() {
    let place = Ftpd::old();
    let files = of(&place);
    put(&files, "k", b"old").await;
    let opened = files.open("k", None).await.expect("an answer").expect("a file");
    // The second and the size stay the same, and the server reports nothing else.
    put(&files, "k", b"new").await;
    assert!(opened.read(Span::whole(3)).await.is_err());
}

#[tokio::test]
async fn a_server_that_takes_the_connection_and_says_nothing_is_told_within_the_time_to_connect() {
    let place = Ftpd::shared();
    for (greeting, tls, words) in [
        ("", Tls::None, "there was no greeting within 700ms"),
        ("220 ready\r\n", Tls::None, "where the password is wrong, within 700ms"),
        ("220 ready\r\n", Tls::Explicit, "did not let us in within 700ms"),
        // A server that announces again and again that it will soon be ready is not ready.
        ("120 in a minute\r\n120 in a minute\r\n", Tls::None, "there was no greeting within 700ms"),
    ] {
        let (timeout, connect_timeout) = (Duration::from_secs(600), Duration::from_millis(700));
        let files = on(FtpSettings {
            port: silent(greeting).port(),
            tls,
            timeout,
            connect_timeout,
            ..place.settings()
        });
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
