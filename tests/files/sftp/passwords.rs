//! Passwords, with a test server: OpenSSH's server accepts passwords only as root, and only those of the
//! machine's users.

use super::*;
use causeway::{backend::tree::files::Files, model::Secret, store::error::StoreErrorKind};
use russh::{
    Channel, ChannelId, MethodKind, MethodSet,
    keys::{Algorithm, PrivateKey},
    server::{self, Auth, ChannelOpenHandle, Msg, Response, Session},
};

const PASSWORD: &str = "open sesame";

/// A server that accepts the password by one method, and serves an empty folder.
struct Server(MethodKind);

impl Server {
    fn refusal(&self) -> Auth {
        Auth::Reject { proceed_with_methods: Some(MethodSet::from(&[self.0][..])), partial_success: false }
    }
}

impl server::Handler for Server {
    type Error = russh::Error;

    async fn auth_password(&mut self, _: &str, password: &str) -> Result<Auth, russh::Error> {
        Ok(if self.0 == MethodKind::Password && password == PASSWORD { Auth::Accept } else { self.refusal() })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        Ok(match response.map(|mut answers| answers.next()) {
            _ if self.0 != MethodKind::KeyboardInteractive => self.refusal(),
            None => Auth::Partial {
                name: "".into(),
                instructions: "".into(),
                prompts: vec![("Password: ".into(), false)].into(),
            },
            Some(Some(answer)) if answer == PASSWORD => Auth::Accept,
            Some(_) => self.refusal(),
        })
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        assert_eq!(name, "sftp");
        session.channel_success(channel)
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let answer = match data[4] {
            // The reply announces version 3, without extensions.
            1 => vec![0, 0, 0, 5, 2, 0, 0, 0, 3],
            // The reply says that the file does not exist.
            _ => [&[0, 0, 0, 17, 101], &data[5..9], &[0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]].concat(),
        };
        session.data(channel, answer)
    }
}

async fn look(method: MethodKind, password: &str) -> Result<bool, causeway::store::error::StoreError> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).expect("a key");
    let pin = key.public_key().to_openssh().expect("a key");
    let config = Arc::new(server::Config {
        keys: vec![key],
        auth_rejection_time: std::time::Duration::ZERO,
        ..Default::default()
    });
    let serving = tokio::spawn(async move {
        let (client, _) = listener.accept().await.expect("a client");
        let session = server::run_stream(config, client, Server(method)).await.expect("a session");
        // The session ends when the client disconnects.
        let _ = session.await;
    });
    let openssh = Sshd::start();
    let files = SftpFiles::open(SftpSettings {
        port: address.port(),
        host_keys: HostKeys::Pinned(vec![pin]),
        private_key: None,
        password: Some(Secret::new(password)),
        ..openssh.settings()
    });
    let found = files.expect("settings").stat("k").await;
    serving.await.expect("the server");
    found.map(|stat| stat.is_none())
}

#[tokio::test]
async fn a_password_is_told_or_answered() {
    for method in [MethodKind::Password, MethodKind::KeyboardInteractive] {
        assert!(look(method, PASSWORD).await.expect("the right one"), "{method:?}");
        let error = look(method, "open barley").await.expect_err("a wrong one");
        assert_eq!(error.kind(), StoreErrorKind::NoConnection, "{error}");
        assert!(
            error.to_string().contains("does not accept the password")
                && !error.to_string().contains("barley"),
            "{error}"
        );
    }
}
