//! Verifying the server, and authenticating to it.

use super::*;
use crate::{promises::put, sshd::new_key};
use causeway::{backend::tree::files::Files, model::Secret, store::error::StoreErrorKind};
use russh::keys::{PrivateKey, ssh_key::LineEnding};
use std::{path::PathBuf, process::Command};

async fn works(settings: SftpSettings) -> Result<(), String> {
    let files = SftpFiles::open(settings).map_err(|error| error.to_string())?;
    match files.stat("missing").await {
        Ok(_) => Ok(()),
        Err(error) => {
            assert_eq!(error.kind(), StoreErrorKind::NoConnection, "nothing that waiting would help");
            Err(error.to_string())
        }
    }
}

#[tokio::test]
async fn a_server_is_known_by_its_key() {
    let server = Sshd::start();
    let other = Sshd::start();
    let address = server.address();
    let host = format!("[{}]:{}", address.ip(), address.port());
    let file = |text: String| {
        let path = server.root().with_file_name("known_hosts");
        std::fs::write(&path, text).expect("a file");
        HostKeys::KnownHosts(path)
    };
    let with = |host_keys: HostKeys| SftpSettings { host_keys, ..server.settings() };

    works(with(file(format!("{host} {}", server.host_key())))).await.expect("known");
    works(with(HostKeys::Pinned(vec![other.fingerprint(), server.fingerprint()]))).await.expect("pinned");
    works(with(HostKeys::Pinned(vec![server.host_key()]))).await.expect("pinned");
    works(with(HostKeys::Any)).await.expect("any");

    let changed = works(with(file(format!("{host} {}", other.host_key())))).await.expect_err("another key");
    assert!(changed.contains("somebody may be in between"), "{changed}");
    let unknown = works(with(file(format!("elsewhere {}", server.host_key())))).await.expect_err("unknown");
    assert!(unknown.contains(&server.fingerprint()), "{unknown}");
    let pinned = works(with(HostKeys::Pinned(vec![other.fingerprint()]))).await.expect_err("another key");
    assert!(pinned.contains(&server.fingerprint()), "{pinned}");
    let missing =
        works(with(HostKeys::KnownHosts(PathBuf::from("/nowhere/known_hosts")))).await.expect_err("no file");
    assert!(missing.contains("the host is unknown: no key in /nowhere/known_hosts"), "{missing}");
    assert!(
        missing.contains(&format!("host_key = '{}'", server.fingerprint())) && missing.contains(&host),
        "{missing}"
    );
}

#[tokio::test]
async fn a_key_opens_with_its_passphrase_only() {
    let server = Sshd::start();
    let key = PrivateKey::from_openssh(server.key()).expect("a key");
    let sealed = key.encrypt(&mut russh::keys::key::safe_rng(), "open sesame").expect("a sealed key");
    let sealed = Secret::new(sealed.to_openssh(LineEnding::LF).expect("a key").to_string());
    let with = |passphrase: Option<&str>| SftpSettings {
        private_key: Some(sealed.clone()),
        passphrase: passphrase.map(Secret::new),
        ..server.settings()
    };
    works(with(Some("open sesame"))).await.expect("the right one");
    assert!(works(with(None)).await.is_err_and(|why| why.contains("'passphrase' is missing")));
    let wrong = works(with(Some("open barley"))).await.expect_err("the wrong one");
    assert!(!wrong.contains("barley"), "{wrong}");
    let nonsense = SftpSettings { private_key: Some(Secret::new("no key at all")), ..server.settings() };
    assert!(works(nonsense).await.is_err_and(|why| !why.contains("no key at all")));
}

#[tokio::test]
async fn a_stranger_is_told_so() {
    let server = Sshd::start();
    let stranger = new_key(&server.root().with_file_name("stranger"));
    let stranger = Secret::new(stranger.to_openssh(LineEnding::LF).expect("a key").to_string());
    let settings = SftpSettings {
        private_key: Some(stranger),
        password: Some(Secret::new("hunter2")),
        ..server.settings()
    };
    assert!(!format!("{settings:?}").contains("hunter2"));
    let why = works(settings).await.expect_err("a stranger");
    assert!(
        why.contains("does not accept the private key and the password") && !why.contains("hunter2"),
        "{why}"
    );
}

#[tokio::test]
async fn an_agent_may_have_the_key() {
    let server = Sshd::start();
    let socket = server.root().with_file_name("agent");
    let mut agent = Command::new("ssh-agent")
        .arg("-D")
        .arg("-a")
        .arg(&socket)
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("ssh-agent");
    while !socket.exists() {
        tokio::task::yield_now().await;
    }
    let with = || SftpSettings { private_key: None, agent: Some(socket.clone()), ..server.settings() };
    let empty = works(with()).await;
    // The agent gets another key first; only its second key is accepted.
    for key in [
        new_key(&server.root().with_file_name("other")),
        PrivateKey::from_openssh(server.key()).expect("a key"),
    ] {
        let stream = tokio::net::UnixStream::connect(&socket).await.expect("the agent");
        russh::keys::agent::client::AgentClient::connect(stream)
            .add_identity(&key, &[])
            .await
            .expect("it takes it");
    }
    let full = works(with()).await;
    agent.kill().expect("it runs");
    agent.wait().expect("it ends");
    assert!(empty.is_err_and(|why| why.contains("the agent")));
    full.expect("the agent signs");
    assert!(works(with()).await.is_err_and(|why| why.contains("agent")));
}

#[tokio::test]
async fn connections_are_few_and_shared() {
    let (server, files) = started();
    let puts = (0..64).map(|n| {
        let files = files.clone();
        async move { put(&files, &format!("k{n}"), b"1").await }
    });
    futures_util::future::join_all(puts).await;
    assert!((1..=4).contains(&server.connections()), "{}", server.connections());
}
