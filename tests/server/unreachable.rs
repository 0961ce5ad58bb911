//! Storage that cannot be reached: the probe, clients, the log and health report it at once, with the reason.

use super::{
    process::{Place, Running, within},
    support::{Who, dav::Dav, ftpd::Ftpd, is, raw::Raw, silent::silent, sshd::Sshd},
};
use std::time::{Duration, Instant};

const ROOT: Who = Who { access_key: "test-root", secret_key: "test-root-secret" };
const ENVIRONMENT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", ROOT.access_key), ("CAUSEWAY_ROOT_PASSWORD", ROOT.secret_key)];
/// Less than the time for which requests once waited for a first scan, and far more than they take now.
const SOON: Duration = Duration::from_secs(15);

fn configured(backend: &str) -> Place {
    let place = Place::new();
    place.write(
        "causeway.toml",
        &format!("[server]\ndata = 'data'\n[default]\nbackend = 'nas'\n[backend.nas]\n{backend}\n[bucket.photos]\nbackend = 'nas'\n"),
    );
    place
}

/// A gateway whose `known_hosts` does not exist.
fn before(sshd: &Sshd, user: &str) -> Place {
    let (host, port) = (sshd.address().ip(), sshd.address().port());
    let place = Place::new();
    let known = place.path("known_hosts");
    place.write(
        "causeway.toml",
        &format!(
            "[server]\ndata = 'data'\n[default]\nbackend = 'nas'\n[backend.nas]\ntype = 'sftp'\nhost = '{host}'\nport = {port}\n\
             user = '{user}'\nprivate_key = {{ file = {:?} }}\nknown_hosts = {known:?}\nroot = {:?}\n[bucket.photos]\nbackend = 'nas'\n",
            sshd.key_file(),
            sshd.root(),
        ),
    );
    place
}

/// Both commands that probe a storage fail soon, and report the reason.
#[track_caller]
fn commands_tell(place: &Place, words: &str) {
    for arguments in [&["backend", "probe", "nas"][..], &["bucket", "validate", "photos"]] {
        let since = Instant::now();
        let said = place.run(arguments, &[]).failed(1);
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert!(since.elapsed() < SOON, "{arguments:?}: {:?}", since.elapsed());
    }
}

/// Clients are answered 503; health and the log have the reason.
#[track_caller]
fn server_tells(place: &Place, server: &Running, words: &str) {
    let raw = Raw::new(server.s3, ROOT);
    let since = Instant::now();
    let unavailable = is(503, "ServiceUnavailable");
    assert_eq!(raw.get("/photos?list-type=2").send().failure(), unavailable);
    assert_eq!(raw.put("/photos/a", "x").send().failure(), unavailable);
    assert_eq!(raw.get("/photos/a").send().failure(), unavailable);
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    let (status, body) = server.ask_admin("/-/health/ready");
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, body["status"].as_str()), (503, Some("unreachable")), "{body}");
    assert!(body["unreachable"]["nas"].as_str().is_some_and(|why| why.contains(words)), "{body}");
    assert_eq!(server.metric("causeway_backend_up{backend=\"nas\"}"), Some(0.0));
    let log = place.read("stderr");
    let told = log
        .lines()
        .filter(|line| line.contains("a storage cannot be reached") && line.contains(words))
        .count();
    assert_eq!(told, 1, "{log}");
    assert!(
        !log.contains("upkeep of a bucket failed") && !log.contains("walking through a bucket failed"),
        "{log}"
    );
}

#[test]
fn an_unknown_host_is_told_with_its_fingerprint_until_somebody_has_noted_its_key() {
    let sshd = Sshd::start();
    let place = before(&sshd, &Sshd::user());
    let words = format!("host_key = '{}'", sshd.fingerprint());
    commands_tell(&place, &words);
    let server = place.serve(&[], &ENVIRONMENT);
    server_tells(&place, &server, &words);

    let address = sshd.address();
    place.write("known_hosts", &format!("[{}]:{} {}\n", address.ip(), address.port(), sshd.host_key()));
    within(|| (server.ask_admin("/-/health/ready").0 == 200).then_some(()));
    assert_eq!(server.metric("causeway_backend_up{backend=\"nas\"}"), Some(1.0));
    assert_eq!(Raw::new(server.s3, ROOT).put("/photos/a", "x").send().status, 200);
    assert!(place.read("stderr").contains("a storage can be reached again"));
}

#[test]
fn a_user_that_a_server_does_not_accept_is_told() {
    let sshd = Sshd::start();
    let place = before(&sshd, "nobody-of-this-name");
    let address = sshd.address();
    place.write("known_hosts", &format!("[{}]:{} {}\n", address.ip(), address.port(), sshd.host_key()));
    let words = "does not accept the private key for the user 'nobody-of-this-name'";
    commands_tell(&place, words);
    server_tells(&place, &place.serve(&[], &ENVIRONMENT), words);
}

/// Every kind of server that shows a certificate or asks for credentials.
#[test]
fn a_password_or_a_certificate_that_is_not_accepted_is_told_by_every_kind_of_server_of_files() {
    let sshd = Sshd::start();
    let (secure, plain, folder) = (Ftpd::implicit(), Ftpd::shared(), Dav::wsgidav().folder());
    let account = |kind: &str, port: u16| {
        let user = if kind == "sftp" { Sshd::user() } else { "user".to_owned() };
        format!("type = '{kind}'\nhost = '127.0.0.1'\nport = {port}\nuser = '{user}'\npassword = 'hunter2'")
    };
    let (ssh, ftps, ftp) = (sshd.address().port(), secure.server.address.port(), plain.server.address.port());
    let cases = [
        (format!("{}\nhost_key = 'any'", account("sftp", ssh)), "does not accept the password for the user"),
        (format!("{}\ntls = 'none'", account("ftp", ftp)), "530"),
        (format!("{}\ntls = 'implicit'", account("ftp", ftps)), "certificate"),
        (
            format!("type = 'webdav'\nurl = '{}'\nuser = 'alice'\npassword = 'hunter2'", folder.url),
            "our credentials",
        ),
        (
            format!(
                "type = 'webdav'\nurl = 'https://127.0.0.1:{ftps}/dav'\nuser = 'u'\npassword = 'hunter2'"
            ),
            "certificate",
        ),
        (
            format!(
                "type = 's3'\nendpoint = 'https://127.0.0.1:{ftps}'\naccess_key = 'k'\nsecret_key = 'hunter2'"
            ),
            "certificate",
        ),
    ];
    std::thread::scope(|scope| {
        for (backend, words) in &cases {
            scope.spawn(move || {
                let place = configured(backend);
                commands_tell(&place, words);
                server_tells(&place, &place.serve(&[], &ENVIRONMENT), words);
                assert!(!place.read("stderr").contains("hunter2"));
            });
        }
    });
}

#[test]
fn a_refused_connection_is_told_by_every_kind_of_server_of_files() {
    // Nothing listens on port 1, and no other process may take it.
    for backend in [
        "type = 'sftp'\nhost = '127.0.0.1'\nport = 1\nuser = 'u'\npassword = 'hunter2'\nhost_key = 'any'",
        "type = 'ftp'\nhost = '127.0.0.1'\nport = 1\nuser = 'u'\npassword = 'hunter2'\ntls = 'none'",
        "type = 'webdav'\nurl = 'http://127.0.0.1:1/dav'\nuser = 'u'\npassword = 'hunter2'",
    ] {
        let place = configured(backend);
        commands_tell(&place, "Connection refused");
        server_tells(&place, &place.serve(&[], &ENVIRONMENT), "connecting to 127.0.0.1:1");
        assert!(!place.read("stderr").contains("hunter2"));
    }
}

/// All kinds of storage are tested at the same time, because each takes its full timeout.
#[test]
fn a_storage_that_takes_connections_and_says_nothing_is_told_within_the_time_to_connect() {
    let address = silent("");
    let port = address.port();
    let account = |kind: &str| {
        format!("type = '{kind}'\nhost = '127.0.0.1'\nport = {port}\nuser = 'u'\npassword = 'hunter2'")
    };
    let cases = [
        (format!("{}\nhost_key = 'any'", account("sftp")), "there was no greeting within 3s"),
        (format!("{}\ntls = 'none'", account("ftp")), "there was no greeting within 3s"),
        (
            format!("type = 'webdav'\nurl = 'http://{address}/dav'\nuser = 'u'\npassword = 'hunter2'"),
            "has not answered for 3s",
        ),
        (
            format!("type = 'webdav'\nurl = 'https://{address}/dav'\nuser = 'u'\npassword = 'hunter2'"),
            "TLS were not done within 3s",
        ),
        (
            format!("type = 's3'\nendpoint = 'http://{address}'\naccess_key = 'k'\nsecret_key = 'hunter2'"),
            "has not answered for 3s",
        ),
    ];
    std::thread::scope(|scope| {
        for (backend, words) in &cases {
            scope.spawn(move || {
                let place = configured(backend);
                commands_tell(&place, words);
                let since = Instant::now();
                let server = place.serve(&[], &ENVIRONMENT);
                // No client sends a request: upkeep detects it.
                within(|| (server.ask_admin("/-/health/ready").0 == 503).then_some(()));
                assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
                server_tells(&place, &server, words);
                assert!(!place.read("stderr").contains("hunter2"));
            });
        }
    });
}

#[test]
fn a_server_with_another_backend_that_can_be_reached_stays_ready() {
    let place = configured(
        "type = 'webdav'\nurl = 'http://127.0.0.1:1/dav'\n[backend.disk]\ntype = 'fs'\nroot = 'objects'",
    );
    let server = place.serve(&[], &ENVIRONMENT);
    let ready = within(|| {
        let (status, body) = server.ask_admin("/-/health/ready");
        assert_eq!(status, 200, "{body}");
        body.contains("unreachable").then_some(body)
    });
    assert!(ready.contains("\"status\":\"ready\"") && ready.contains("connecting to 127.0.0.1:1"), "{ready}");
}
