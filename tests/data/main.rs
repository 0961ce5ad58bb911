//! The verbs on data as a person uses them: on local paths, on buckets with a server and without one, on other
//! servers by URL.

// Another test target uses the rest of this module.
#[allow(dead_code)]
#[path = "../server/process.rs"]
mod process;
#[path = "../support/sshd.rs"]
mod sshd;

mod buckets;
mod compared;
mod failures;
mod full;
mod guide;
mod local;
mod snapshots;
mod transfers;
mod two_way;
mod urls;

/// The root user of servers here.
const ENVIRONMENT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", "test-root"), ("CAUSEWAY_ROOT_PASSWORD", "test-root-secret")];

/// Gives a person the key of an SSH server, and knows the server's key. Returns the URL of its root.
fn ssh(place: &process::Place, sshd: &sshd::Sshd) -> String {
    std::fs::create_dir(place.path(".ssh")).expect("a folder");
    std::fs::copy(sshd.key_file(), place.path(".ssh/id_ed25519")).expect("a key");
    let (ip, port) = (sshd.address().ip(), sshd.address().port());
    place.write(".ssh/known_hosts", &format!("[{ip}]:{port} {}\n", sshd.host_key()));
    format!("sftp://{}@{}{}", sshd::Sshd::user(), sshd.address(), sshd.root().display())
}

/// What a person has who uses AWS's tools with such a server.
fn aws(address: std::net::SocketAddr) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
        ("AWS_ACCESS_KEY_ID", "test-root".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test-root-secret".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ]
}

fn borrowed<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
}
