//! FTP servers with fewer features than others, or with wrong answers; and which server to trust.

use super::*;
use futures_util::{TryStreamExt, future::join_all};

#[tokio::test]
async fn commands_in_names_never_reach_the_server() {
    let place = Ftpd::shared();
    let files = of(&place);
    put(&files, "k", b"1").await;
    for path in ["x\r\nDELE k", "x\nDELE k", "k\0", "\r\n"] {
        assert_eq!(
            files.stat(path).await.expect_err("it cannot be sent").kind(),
            StoreErrorKind::InvalidRequest,
            "{path:?}"
        );
        assert!(
            files.remove(path).await.is_err()
                && files.make_folder(path).await.is_err()
                && files.rename(path, "y").await.is_err()
        );
    }
    // A server takes the part of a line that does not fit into its buffer for another command.
    for length in [1990, 2000, 2048, 4096] {
        let path = format!("{}DELE {}/k", "x".repeat(length - 5), place.settings().root);
        assert_eq!(
            files.stat(&path).await.expect_err("it is not sent").kind(),
            StoreErrorKind::KeyTooLong,
            "{length}"
        );
    }
    assert_eq!(get(&files, "k").await, Some(b"1".to_vec()));
    let injected = |password: &str| FtpSettings { password: Some(Secret::new(password)), ..place.settings() };
    assert!(FtpFiles::open(injected("a\r\nDELE k")).is_err());
    assert!(FtpFiles::open(FtpSettings { max_connections: 3, ..place.settings() }).is_err());
}

#[tokio::test]
async fn a_name_with_a_line_end_is_left_out_and_all_others_are_listed() {
    for place in [Ftpd::shared(), Ftpd::old()] {
        let files = of(&place);
        for name in ["a", "z"] {
            put(&files, name, b"1").await;
        }
        std::fs::write(place.root().join("m\nx"), "odd").expect("a file");
        assert_eq!(names(&files, "").await, [".causeway", "a", "z"]);
        assert_eq!(
            list(&files, "").await.iter().filter(|entry| entry.stat.kind == EntryKind::Nameless).count(),
            1
        );
    }
}

#[tokio::test]
async fn where_nothing_can_be_replaced_the_old_file_stays() {
    let server = Ftpd::start(Tls::None, &["--no-replacing"]);
    let files = on(server.settings());
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
    while !own_files(&files).await.is_empty() {}
}

#[tokio::test]
async fn a_careless_server_loses_nothing_and_sends_what_was_asked_for() {
    let server = Ftpd::start(Tls::None, &["--careless"]);
    let files = on(server.settings());
    let content = pattern(500_000, 1);
    put(&files, "d/k", &content).await;
    assert!(!files.remove_folder("d").await.expect("an answer"));
    let opened = files.open("d/k", None).await.expect("an answer").expect("a file");
    let read: Vec<_> = opened
        .read(Span { start: 1000, end: 300_000 })
        .await
        .expect("a stream")
        .try_collect()
        .await
        .expect("all");
    assert!(read.concat() == content[1000..300_000]);
}

#[tokio::test]
async fn a_server_that_may_not_be_written_says_so_and_is_read() {
    let server = Ftpd::start(Tls::None, &["--read-only"]);
    let content = pattern(500_000, 2);
    std::fs::write(server.root().join("k"), &content).expect("a file");
    let files = on(server.settings());
    assert!(get(&files, "k").await.as_ref() == Some(&content));
    let opened =
        files.open("k", Some(Span { start: 7, end: 400_000 })).await.expect("an answer").expect("a file");
    let read: Vec<_> = opened
        .read(Span { start: 7, end: 400_000 })
        .await
        .expect("a stream")
        .try_collect()
        .await
        .expect("all");
    assert!(read.concat() == content[7..400_000]);
    let Err(error) = files.create(&crate::promises::name(), "k", None).await else { panic!("it may not") };
    assert!(error.to_string().contains("permission"), "{error}");
    assert!(files.remove("k").await.is_err());
    assert_eq!(own_files(&files).await, [""; 0]);
}

#[tokio::test]
async fn the_host_that_passive_replies_name_is_not_gone_to() {
    let server = Ftpd::start(Tls::None, &["--lying", "--without", "EPSV"]);
    let files = on(server.settings());
    put(&files, "k", b"1").await;
    assert_eq!(get(&files, "k").await, Some(b"1".to_vec()));
}

#[tokio::test]
async fn a_server_with_room_for_few_is_not_asked_for_more() {
    // Data connections count toward this limit, too.
    let server = Ftpd::start(Tls::None, &["--max-connections", "7"]);
    let files = on(FtpSettings { attempts: 8, ..server.settings() });
    let all = (0..24u64).map(|n| {
        let files = files.clone();
        tokio::spawn(async move {
            let content = pattern(50_000, n);
            put(&files, &format!("k{n}"), &content).await;
            assert!(get(&files, &format!("k{n}")).await == Some(content));
        })
    });
    for one in join_all(all).await {
        one.expect("it works");
    }
}

#[tokio::test]
async fn tls_is_what_was_asked_for_or_nothing() {
    let implicit = Ftpd::implicit();
    let files = of(&implicit);
    let content = pattern(3 << 20, 3);
    put(&files, "a/k", &content).await;
    put(&files, "a/empty", b"").await;
    assert!(get(&files, "a/k").await == Some(content));
    assert_eq!(names(&files, "a").await, ["empty", "k"]);

    let explicit = Ftpd::explicit();
    let untrusted = on(FtpSettings { ca_file: None, ..explicit.settings() });
    let error = untrusted.stat("k").await.expect_err("nobody vouches for it");
    assert_eq!(error.kind(), StoreErrorKind::NoConnection, "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");

    let plain = Ftpd::shared();
    let settings = FtpSettings { tls: Tls::Explicit, ..plain.settings() };
    let error = on(settings).stat("k").await.expect_err("it has no TLS");
    assert!(error.to_string().contains("TLS is not offered"), "{error}");

    let clear = on(FtpSettings { tls: Tls::None, ca_file: None, ..explicit.settings() });
    assert!(clear.stat("k").await.is_err(), "the server wants TLS");
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    let place = Ftpd::shared();
    let files = on(FtpSettings { password: Some(Secret::new("not-the-password")), ..place.settings() });
    let error = files.stat("k").await.expect_err("it is wrong");
    assert_eq!(error.kind(), StoreErrorKind::NoConnection, "{error}");
    assert!(error.to_string().contains("530"), "{error}");
    let shown = format!("{error:?} {files:?} {:?}", of(&place));
    assert!(!shown.contains("not-the-password") && !shown.contains(PASSWORD), "{shown}");
}

#[tokio::test]
async fn a_server_that_is_late_to_refuse_a_password_is_told_as_such() {
    let server = Ftpd::start(Tls::None, &["--refuses-late"]);
    let wrong = FtpSettings { password: Some(Secret::new("not-the-password")), ..server.settings() };
    let error = on(wrong).stat("k").await.expect_err("there is no answer");
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    assert!(
        error.to_string().contains("which some servers do late where the password is wrong, within 5s"),
        "{error}"
    );
}

#[tokio::test]
async fn a_root_that_is_missing_is_made() {
    let place = Ftpd::shared();
    for root in ["not/there/yet", "nor/this/"] {
        let files = on(FtpSettings { root: format!("{}/{root}", place.settings().root), ..place.settings() });
        assert_eq!(list(&files, "").await, []);
        assert_eq!(files.stat("a").await.expect("an answer"), None);
        if root.ends_with('/') {
            drop(put(&files, "k", b"1").await)
        } else {
            files.make_folder("bucket").await.expect("a folder")
        }
        assert!(place.root().join(root).is_dir());
    }
    // A relative root is below the directory in which the server starts a session.
    let relative = on(FtpSettings { root: "below/relative".into(), ..place.settings() });
    put(&relative, "k", b"1").await;
    assert_eq!(std::fs::read(place.server.root().join("below/relative/k")).expect("a file"), b"1");
    assert!(relative.remove("k").await.expect("an answer"));
}
