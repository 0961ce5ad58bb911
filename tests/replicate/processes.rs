//! Replicas on three kinds of storage, each in its own process: one storage is stopped under load, and the
//! gateway is killed.

use super::support::{ALICE, Server, sshd::Sshd, upstream::Upstream};
use aws_sdk_s3::{Client, primitives::ByteStream};
use std::{
    collections::BTreeMap,
    process::{Command, Output},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

struct Three {
    cloud: Upstream,
    nas: Sshd,
    gateway: Server,
}

impl Three {
    fn start() -> Self {
        let (cloud, nas) = (Upstream::new_causeway(), Sshd::start());
        let sections = format!(
            "[backend.disk]\ntype = 'fs'\nroot = 'disk'\n\
             [backend.cloud]\ntype = 's3'\nendpoint = '{}'\nregion = 'us-east-1'\naccess_key = '{}'\nsecret_key = '{}'\n\
             [backend.nas]\ntype = 'sftp'\nhost = '{}'\nport = {}\nuser = '{}'\nprivate_key = {{ file = {:?} }}\nhost_key = '{}'\nroot = {:?}\n\
             [backend.safe]\ntype = 'replicated'\nbackends = ['disk', 'cloud', 'nas']\n\
             [default]\nbackend = 'safe'\n",
            cloud.endpoint(),
            cloud.access_key,
            cloud.secret_key,
            nas.address().ip(),
            nas.address().port(),
            Sshd::user(),
            nas.key_file(),
            nas.fingerprint(),
            nas.root(),
        );
        let gateway = Server::configured("", &sections);
        Self { cloud, nas, gateway }
    }

    fn causeway(&self, arguments: &[&str]) -> Output {
        let home = self.gateway.data().parent().expect("a directory").to_owned();
        let mut command = Command::new(env!("CARGO_BIN_EXE_causeway"));
        command.args(arguments).args(["--config", "causeway.toml"]).current_dir(home).env_clear();
        command.output().expect("the command runs")
    }

    /// Waits until the background repair has nothing left to do.
    async fn settled(&self, bucket: &str) {
        while !self.causeway(&["replicate", "status", bucket]).status.success() {
            tokio::task::yield_now().await;
        }
    }

    fn scrub(&self, bucket: &str) -> serde_json::Value {
        let said = self.causeway(&["replicate", "scrub", bucket, "--bytes", "--json"]);
        let said: serde_json::Value = serde_json::from_slice(&said.stdout).expect("JSON");
        said["counts"].clone()
    }
}

async fn put(client: &Client, bucket: &str, key: &str, body: &[u8]) {
    let body = ByteStream::from(body.to_vec());
    client
        .put_object()
        .bucket(bucket)
        .key(key)
        .body(body)
        .send()
        .await
        .unwrap_or_else(|error| panic!("putting {key}: {error:?}"));
}

async fn get(client: &Client, bucket: &str, key: &str) -> Vec<u8> {
    let reply = client
        .get_object()
        .bucket(bucket)
        .key(key)
        .send()
        .await
        .unwrap_or_else(|error| panic!("getting {key}: {error:?}"));
    reply.body.collect().await.unwrap_or_else(|error| panic!("reading {key}: {error}")).to_vec()
}

fn body(n: u64) -> Vec<u8> {
    let length = if n.is_multiple_of(5) { 1 << 20 } else { 100 };
    (0..length).map(|at: u64| (at.wrapping_mul(n + 7) >> 3) as u8).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_stopped_amid_traffic_fails_no_request_and_is_repaired_without_a_command() {
    let three = Three::start();
    let client = three.gateway.client();
    let bucket = three.gateway.bucket(&client).await;
    let (going, written) = (AtomicBool::new(true), AtomicU64::new(0));
    let traffic = async |worker: u64| {
        let mut own = BTreeMap::new();
        let mut n = worker;
        while going.load(Ordering::Relaxed) {
            let key = format!("{worker}/{}", n % 7);
            put(&client, &bucket, &key, &body(n)).await;
            assert!(get(&client, &bucket, &key).await == body(n), "{key}");
            own.insert(key, n);
            n += 1;
            written.fetch_add(1, Ordering::Relaxed);
        }
        own
    };
    let reached = async |count: u64| {
        while written.load(Ordering::Relaxed) < count {
            tokio::task::yield_now().await;
        }
    };
    let director = async {
        reached(20).await;
        three.cloud.pause();
        reached(120).await;
        three.cloud.resume();
        reached(160).await;
        going.store(false, Ordering::Relaxed);
    };
    let (a, b, c, ()) = tokio::join!(traffic(1), traffic(2), traffic(3), director);
    three.settled(&bucket).await;
    let counts = three.scrub(&bucket);
    assert_eq!(
        (&counts["differing"], &counts["copied"], &counts["failed"]),
        (&0.into(), &0.into(), &0.into()),
        "{counts}"
    );
    let disk = three.gateway.data().parent().expect("a directory").join("disk").join(&bucket);
    let nas = three.nas.root().join(&bucket);
    for (key, n) in a.into_iter().chain(b).chain(c) {
        for place in [&disk, &nas] {
            assert!(
                std::fs::read(place.join(&key)).expect("a file") == body(n),
                "{key} in {}",
                place.display()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_killed_amid_writes_keeps_every_one_it_acknowledged() {
    let mut three = Three::start();
    let client = three.gateway.client_of(ALICE);
    let bucket = three.gateway.bucket(&client).await;
    put(&client, &bucket, "first", &body(1)).await;
    let acknowledged = AtomicU64::new(0);
    let writing = async {
        for n in 0.. {
            let put = client
                .put_object()
                .bucket(&bucket)
                .key(format!("k{n:04}"))
                .body(ByteStream::from(body(n)))
                .send();
            if put.await.is_err() {
                return;
            }
            acknowledged.store(n + 1, Ordering::Relaxed);
        }
    };
    let killing = async {
        while acknowledged.load(Ordering::Relaxed) < 30 {
            tokio::task::yield_now().await;
        }
        tokio::task::block_in_place(|| three.gateway.restart());
    };
    tokio::join!(writing, killing);
    let client = three.gateway.client_of(ALICE);
    for n in 0..acknowledged.load(Ordering::Relaxed) {
        assert!(get(&client, &bucket, &format!("k{n:04}")).await == body(n), "{n}");
    }
    three.settled(&bucket).await;
    let counts = three.scrub(&bucket);
    assert_eq!((&counts["differing"], &counts["failed"]), (&0.into(), &0.into()), "{counts}");
}
