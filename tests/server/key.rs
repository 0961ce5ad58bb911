//! `causeway key`: identities that are added and removed while a server runs.

use super::{
    process::{Place, Running},
    support::{Who, is, raw::Raw},
};

const ROOT: Who = Who { access_key: "test-root", secret_key: "test-root-secret" };
const BOB: Who = Who { access_key: "bob", secret_key: "bob-secret" };
const READER: Who = Who { access_key: "reader", secret_key: "reader-secret" };
const ENVIRONMENT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", ROOT.access_key), ("CAUSEWAY_ROOT_PASSWORD", ROOT.secret_key)];
const SECRETS: [(&str, &str); 2] = [("BOB", BOB.secret_key), ("READER", READER.secret_key)];
const CONFIGURATION: &str =
    "[server]\ndata = 'data'\n[backend.disk]\ntype = 'fs'\nroot = 'objects'\n[default]\nbackend = 'disk'\n";

fn place() -> Place {
    let place = Place::new();
    place.write("causeway.toml", CONFIGURATION);
    place
}

fn key(place: &Place, arguments: &[&str]) -> super::process::Ended {
    place.run(&[&["key"], arguments].concat(), &SECRETS)
}

fn lists(server: &Running, who: Who) -> u16 {
    Raw::new(server.s3, who).get("/").send().status
}

#[test]
fn who_is_added_to_a_running_server_may_come_in_at_once_and_after_a_restart_until_removed() {
    let place = place();
    let mut server = place.serve(&[], &ENVIRONMENT);
    assert_eq!(Raw::new(server.s3, BOB).get("/").send().failure(), is(403, "InvalidAccessKeyId"));
    assert_eq!(key(&place, &["list"]).succeeded(), "no identity was added\n");
    let said = key(&place, &["add", "bob", "--secret-env", "BOB", "--name", "Bob"]).succeeded();
    assert_eq!(said, "access key: bob\nsecret key: bob-secret\n");
    key(&place, &["add", "reader", "--secret-env", "READER", "--policy", "readonly"]).succeeded();
    // Bob may create buckets, like any identity.
    assert_eq!(Raw::new(server.s3, BOB).put("/bobs", "").send().status, 200);
    assert_eq!(Raw::new(server.s3, BOB).put("/bobs/a.jpg", "meow").send().status, 200);
    assert_eq!(Raw::new(server.s3, READER).put("/readers", "").send().failure(), is(403, "AccessDenied"));
    assert_eq!(lists(&server, READER), 200);

    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().success());
    let server = place.serve(&[], &ENVIRONMENT);
    assert_eq!(Raw::new(server.s3, BOB).get("/bobs/a.jpg").send().text(), "meow");
    let listed: serde_json::Value =
        serde_json::from_str(&key(&place, &["list", "--json"]).succeeded()).expect("JSON");
    let shown: Vec<_> = ["access_key", "policy", "name", "expires", "disabled", "in_force"]
        .map(|field| (listed[0][field].clone(), listed[1][field].clone()))
        .into();
    let expected = serde_json::json!([
        ["bob", "reader"],
        ["readwrite", "readonly"],
        ["Bob", null],
        [null, null],
        [false, false],
        [true, true],
    ]);
    assert_eq!(serde_json::json!(shown), expected);
    assert_eq!(listed[0]["last_used"]["service"], "s3");
    // The id by which policies name the account.
    let who =
        Raw::new(server.s3, BOB).post("/", "Action=GetCallerIdentity&Version=2011-06-15").service("sts");
    let who = who.header("content-type", "application/x-www-form-urlencoded").send();
    assert_eq!(listed[0]["account"].as_str(), who.element("Account").as_deref());
    key(&place, &["remove", "bob"]).succeeded();
    assert_eq!(Raw::new(server.s3, BOB).get("/bobs/a.jpg").send().failure(), is(403, "InvalidAccessKeyId"));
    assert_eq!(Raw::new(server.s3, ROOT).get("/bobs/a.jpg").send().text(), "meow", "the bucket stays");
    let said = key(&place, &["remove", "bob"]).failed(1);
    assert!(said.contains("no identity with the access key 'bob' was added"), "{said}");
}

#[test]
fn the_configuration_wins_when_keys_are_added_and_when_it_is_read_again() {
    let place = place();
    let server = place.serve(&[], &ENVIRONMENT);
    let said = key(&place, &["add", ROOT.access_key]).failed(1);
    assert!(said.contains("'test-root' is in the configuration, which wins"), "{said}");
    key(&place, &["add", "bob", "--secret-env", "BOB"]).succeeded();
    let said = key(&place, &["add", "bob"]).failed(1);
    assert!(said.contains("there is an identity with the access key 'bob' already"), "{said}");
    assert_eq!(lists(&server, BOB), 200);
    let other = "[[identity]]\naccess_key = 'bob'\nsecret_key = 'configured-secret'\n";
    place.write("causeway.toml", &format!("{CONFIGURATION}{other}"));
    server.signal(rustix::process::Signal::HUP);
    let configured = Who { secret_key: "configured-secret", ..BOB };
    super::process::within(|| (lists(&server, configured) == 200).then_some(()));
    assert_eq!(Raw::new(server.s3, BOB).get("/").send().failure(), is(403, "SignatureDoesNotMatch"));
    let listed = key(&place, &["list"]).succeeded();
    assert!(listed.lines().any(|line| line.starts_with("bob") && line.ends_with("no")), "{listed}");
    place.write("causeway.toml", CONFIGURATION);
    server.signal(rustix::process::Signal::HUP);
    super::process::within(|| (lists(&server, BOB) == 200).then_some(()));
}

#[test]
fn without_a_server_the_command_adds_to_the_data_directory() {
    let place = place();
    let added = key(&place, &["add", "--json"]).succeeded();
    let added: serde_json::Value = serde_json::from_str(&added).expect("JSON");
    let (made, secret) =
        (added["access_key"].as_str().expect("a key"), added["secret_key"].as_str().expect("a secret"));
    assert_eq!((made.len(), secret.len()), (20, 40));
    key(&place, &["add", "bob", "--secret-env", "BOB"]).succeeded();
    let server = place.serve(&[], &ENVIRONMENT);
    assert_eq!(lists(&server, BOB), 200);
    assert_eq!(place.mode("data/.causeway/identities.key"), 0o600);
    assert!(key(&place, &["list"]).succeeded().contains(made));
}

#[test]
fn a_secret_is_in_no_log_and_not_in_clear_text_in_the_catalog() {
    let place = place();
    let mut server =
        place.serve(&[], &[ENVIRONMENT[0], ENVIRONMENT[1], ("CAUSEWAY__SERVER__LOG_LEVEL", "debug")]);
    key(&place, &["add", "bob", "--secret-env", "BOB"]).succeeded();
    assert_eq!(lists(&server, BOB), 200);
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().success());
    for log in ["stdout", "stderr"] {
        assert!(!place.read(log).contains(BOB.secret_key), "{log}");
    }
    let said = key(&place, &["add", "carol", "--secret-env", "MISSING"]).failed(2);
    assert!(said.contains("the variable MISSING is not set"), "{said}");
    let stored = std::fs::read(place.path("data/.causeway/catalog.sqlite")).expect("a catalog");
    assert!(!stored.windows(BOB.secret_key.len()).any(|bytes| bytes == BOB.secret_key.as_bytes()));
}

#[test]
fn a_secret_is_replaced_while_clients_with_the_old_one_go_on() {
    let place = place();
    let server = place.serve(&[], &ENVIRONMENT);
    key(&place, &["add", "bob", "--secret-env", "BOB"]).succeeded();
    let said = key(&place, &["rotate", "bob", "--keep", "1h", "--json"]).succeeded();
    let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    let secret_key = &*said["secret_key"].as_str().expect("a secret").to_owned().leak();
    let new = Who { secret_key, ..BOB };
    assert_eq!((lists(&server, BOB), lists(&server, new)), (200, 200));
    let said = key(&place, &["rotate", "bob", "--keep", "0s"]).succeeded();
    assert!(said.contains("the old secret key is refused"), "{said}");
    for who in [BOB, new] {
        assert_eq!(Raw::new(server.s3, who).get("/").send().failure(), is(403, "SignatureDoesNotMatch"));
    }
    let said = key(&place, &["rotate", "nobody"]).failed(1);
    assert!(said.contains("no identity with the access key 'nobody' was added"), "{said}");
}

#[test]
fn a_key_is_disabled_enabled_and_given_an_expiry() {
    let place = place();
    let server = place.serve(&[], &ENVIRONMENT);
    key(&place, &["add", "bob", "--secret-env", "BOB", "--expires", "90d"]).succeeded();
    assert_eq!(lists(&server, BOB), 200);
    let begun =
        Raw::new(server.s3, BOB).post("/", "Action=GetSessionToken&Version=2011-06-15").service("sts");
    let begun = begun.header("content-type", "application/x-www-form-urlencoded").send();
    let leaked = |name: &str| &*Box::leak(begun.element(name).expect(name).into_boxed_str());
    let session = Who { access_key: leaked("AccessKeyId"), secret_key: leaked("SecretAccessKey") };
    let by_session = || Raw::new(server.s3, session).get("/").token(leaked("SessionToken")).send();
    assert_eq!(by_session().status, 200);
    key(&place, &["disable", "bob"]).succeeded();
    let unknown = is(403, "InvalidAccessKeyId");
    assert_eq!(Raw::new(server.s3, BOB).get("/").send().failure(), unknown);
    assert_eq!(by_session().failure(), unknown, "its sessions end with it");
    let listed = key(&place, &["list"]).succeeded();
    assert!(listed.lines().any(|line| line.starts_with("bob") && line.ends_with("no")), "{listed}");
    key(&place, &["enable", "bob"]).succeeded();
    assert_eq!(lists(&server, BOB), 200);
    key(&place, &["set", "bob", "--expires", "never"]).succeeded();
    assert_eq!(lists(&server, BOB), 200);
    let said = key(&place, &["set", "bob", "--expires", "2001-01-01"]).failed(1);
    assert!(said.contains("the expiry is not in the future"), "{said}");
    key(&place, &["set", "bob"]).failed(2);
}

#[test]
fn an_identity_of_the_configuration_expires_and_has_two_secrets() {
    let place = place();
    let identity = |more: &str| {
        format!("{CONFIGURATION}[[identity]]\naccess_key = 'bob'\nsecret_key = 'new-secret'\n{more}")
    };
    place.write("causeway.toml", &identity("previous_secret_key = 'bob-secret'\n"));
    let server = place.serve(&[], &ENVIRONMENT);
    let new = Who { secret_key: "new-secret", ..BOB };
    assert_eq!((lists(&server, BOB), lists(&server, new)), (200, 200));
    place.write("causeway.toml", &identity("expires = '2001-01-31'\n"));
    server.signal(rustix::process::Signal::HUP);
    super::process::within(|| {
        let failure = Raw::new(server.s3, new).get("/").send().failure();
        (failure == is(403, "InvalidAccessKeyId")).then_some(())
    });
    place.write("causeway.toml", &identity("signature_v2 = 'all'\n"));
    server.signal(rustix::process::Signal::HUP);
    super::process::within(|| (lists(&server, new) == 200).then_some(()));
    assert_eq!(lists(&server, BOB), 403, "the old secret was taken out");
}

#[test]
fn the_last_use_of_a_key_is_there_after_a_restart() {
    let place = place();
    let mut server = place.serve(&[], &ENVIRONMENT);
    key(&place, &["add", "bob", "--secret-env", "BOB"]).succeeded();
    let listed = || -> serde_json::Value {
        serde_json::from_str(&key(&place, &["list", "--json"]).succeeded()).expect("JSON")
    };
    assert_eq!(listed()[0]["last_used"], serde_json::Value::Null);
    assert_eq!(lists(&server, BOB), 200);
    let used = listed()[0]["last_used"].clone();
    assert_eq!(used["service"], "s3");
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().success());
    assert_eq!(listed()[0]["last_used"], used, "without a server, too");
}
