//! A real server for tests: the binary itself, on ephemeral ports, over a directory of its own.
//!
//! [`Server::client`] is the AWS SDK; [`Server::raw`] sends requests that no SDK would send. The server is
//! killed with its `Server`, and a failing test prints its log.

// Each test target uses another part of this module.
#![allow(dead_code)]

pub mod apache;
pub mod clouds;
pub mod dav;
pub mod dropbox;
pub mod files;
pub mod form;
pub mod ftpd;
pub mod gcs;
pub mod gdrive;
pub mod hostile;
pub mod oidc;
pub mod onedrive;
pub mod proxy;
pub mod quirks;
pub mod raw;
pub mod silent;
pub mod slapd;
pub mod sshd;
pub mod upstream;

use aws_sdk_s3::{
    Client,
    config::{Credentials, Region, http::HttpResponse, retry::RetryConfig},
    error::{ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use raw::Raw;
use std::{
    fs::File,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};
use tempfile::TempDir;

pub const REGION: &str = "us-east-1";

/// An identity that every test server has.
#[derive(Debug, Clone, Copy)]
pub struct Who {
    pub access_key: &'static str,
    pub secret_key: &'static str,
}

pub const ADMIN: Who = Who { access_key: "test-admin", secret_key: "test-admin-secret" };
pub const ALICE: Who = Who { access_key: "test-alice", secret_key: "test-alice-secret" };
pub const BOB: Who = Who { access_key: "test-bob", secret_key: "test-bob-secret" };
/// An identity with the role `readonly`, which owns no bucket.
pub const READER: Who = Who { access_key: "test-reader", secret_key: "test-reader-secret" };

const IDENTITIES: [(Who, &str); 4] =
    [(ADMIN, "admin"), (ALICE, "readwrite"), (BOB, "readwrite"), (READER, "readonly")];

#[derive(Debug)]
pub struct Server {
    process: Child,
    address: SocketAddr,
    admin: SocketAddr,
    website: Option<SocketAddr>,
    dir: TempDir,
}

/// The addresses of a server: S3, admin and, if it has a listener for them, websites.
type Addresses = (SocketAddr, SocketAddr, Option<SocketAddr>);

impl Server {
    pub fn start() -> Self {
        Self::configured("", "")
    }

    /// Starts a server with further keys of `[server]`, and further sections.
    pub fn configured(server: &str, sections: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut config = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\ndata = {:?}\naddress_file = {:?}\n\
             durability = \"relaxed\"\n{server}\n",
            dir.path().join("data"),
            dir.path().join("addresses"),
        );
        for (Who { access_key, secret_key }, policy) in IDENTITIES {
            config += &format!(
                "[[identity]]\naccess_key = \"{access_key}\"\nsecret_key = {{ file = {:?} }}\npolicy = \"{policy}\"\n",
                dir.path().join(access_key)
            );
            std::fs::write(dir.path().join(access_key), secret_key).expect("a secret on disk");
        }
        std::fs::write(dir.path().join("causeway.toml"), config + sections).expect("a configuration on disk");
        let (process, addresses) = spawn(dir.path());
        Self { process, address: addresses.0, admin: addresses.1, website: addresses.2, dir }
    }

    /// Kills the server as a power failure would, and starts it again over the same data, on new ports.
    pub fn restart(&mut self) {
        self.kill();
        let (process, addresses) = spawn(self.dir.path());
        self.process = process;
        (self.address, self.admin, self.website) = addresses;
    }

    fn kill(&mut self) {
        // The process may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The address of the listener for websites, which the configuration must have.
    pub fn website(&self) -> SocketAddr {
        self.website.expect("a listener for websites")
    }

    /// The most memory that the process has used so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
        line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number") * 1024
    }

    /// The data directory, in which buckets are directories.
    pub fn data(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    pub fn client(&self) -> Client {
        self.client_of(ALICE)
    }

    pub fn client_of(&self, who: Who) -> Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version_latest()
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(format!("http://{}", self.address))
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new(who.access_key, who.secret_key, None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .force_path_style(true)
            .build();
        Client::from_conf(config)
    }

    pub fn raw(&self) -> Raw {
        self.raw_of(ALICE)
    }

    /// The id by which ACLs name the account of an identity.
    pub fn canonical_id(&self, who: Who) -> String {
        self.raw_of(who).get("/").send().element("ID").expect("the owner of the buckets")
    }

    pub fn raw_of(&self, who: Who) -> Raw {
        Raw::new(self.address, who)
    }

    /// A new bucket that belongs to the identity of `client`.
    pub async fn bucket(&self, client: &Client) -> String {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("bucket-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        client.create_bucket().bucket(&name).send().await.expect("a bucket");
        name
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            eprintln!("--- the server's log ---\n{log}");
        }
    }
}

fn spawn(dir: &Path) -> (Child, Addresses) {
    let addresses = dir.join("addresses");
    let _ = std::fs::remove_file(&addresses);
    let log = File::options().create(true).append(true).open(dir.join("log")).expect("a log file");
    let mut process = Command::new(env!("CARGO_BIN_EXE_causeway"))
        .arg("serve")
        .arg("--config")
        .arg(dir.join("causeway.toml"))
        // The environment of the tests must not configure the server.
        .env_clear()
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log)
        .spawn()
        .expect("the server starts");
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        // All lines exist once the server is ready.
        let text = std::fs::read_to_string(&addresses).unwrap_or_default();
        let lines: Vec<_> =
            text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')?.parse().ok()).collect();
        if let [s3, admin, ref rest @ ..] = lines[..] {
            return (process, (s3, admin, rest.first().copied()));
        }
        let ended = process.try_wait().expect("a child");
        if ended.is_some() || Instant::now() > deadline {
            let _ = process.kill();
            let log = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
            panic!("the server did not come up ({ended:?}):\n{log}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Status and code of a failed request.
pub fn failure<T, E>(result: Result<T, SdkError<E, HttpResponse>>) -> (u16, String)
where
    E: ProvideErrorMetadata,
{
    match result {
        Ok(_) => (200, "no failure".to_owned()),
        Err(error) => {
            let status = error.raw_response().map_or(0, |response| response.status().as_u16());
            (status, error.code().unwrap_or_default().to_owned())
        }
    }
}

/// The value of `failure` to compare with.
pub fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

pub async fn put(client: &Client, bucket: &str, key: &str, body: impl AsRef<[u8]>) {
    let body = ByteStream::from(body.as_ref().to_vec());
    client.put_object().bucket(bucket).key(key).body(body).send().await.expect("an object");
}

/// The bytes of an object, if it exists.
pub async fn get(client: &Client, bucket: &str, key: &str) -> Option<Vec<u8>> {
    match client.get_object().bucket(bucket).key(key).send().await {
        Ok(reply) => Some(reply.body.collect().await.expect("a whole body").to_vec()),
        Err(error) if error.code() == Some("NoSuchKey") => None,
        Err(error) => panic!("{error:?}"),
    }
}

/// Puts an object of two parts: 5 MiB of `a`, and 3 bytes of `b`.
pub async fn put_two_parts(client: &Client, bucket: &str, key: &str) {
    let upload = client.create_multipart_upload().bucket(bucket).key(key).send().await.expect("an upload");
    let upload = upload.upload_id.expect("an id");
    let mut parts = CompletedMultipartUpload::builder();
    for (number, body) in [(1, vec![b'a'; 5 << 20]), (2, b"bbb".to_vec())] {
        let part = client
            .upload_part()
            .bucket(bucket)
            .key(key)
            .upload_id(&upload)
            .part_number(number)
            .body(body.into());
        let part = part.send().await.expect("a part");
        parts = parts.parts(CompletedPart::builder().part_number(number).set_e_tag(part.e_tag).build());
    }
    let complete = client.complete_multipart_upload().bucket(bucket).key(key).upload_id(upload);
    complete.multipart_upload(parts.build()).send().await.expect("a whole object");
}
