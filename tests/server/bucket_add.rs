//! `causeway bucket add`.

use super::{
    process::Place,
    support::{ALICE, Server, Who, raw::Raw},
};

const SECRET: (&str, &str) = ("UPSTREAM_SECRET", ALICE.secret_key);
const ROOT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", "root-user"), ("CAUSEWAY_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };

/// The arguments `bucket add NAME http://upstream/PATH`, with Alice's credentials.
fn add<'a>(name: &'a str, url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments =
        vec!["bucket", "add", name, url, "--access-key", ALICE.access_key, "--secret-key-env", SECRET.0];
    arguments.extend(more);
    arguments
}

fn url(server: &Server, path: &str) -> String {
    format!("http://{}/{path}", server.address())
}

#[test]
fn a_bucket_that_was_added_is_listed_valid_and_served_and_its_secret_sealed() {
    let (server, place) = (Server::start(), Place::new());
    assert_eq!(server.raw().put("/there", "").send().status, 200);
    server.raw().put("/there/2024/cat.jpg", "meow").send();
    let said = place.run(&add("photos", &url(&server, "there/2024"), &[]), &[SECRET]).succeeded();
    assert!(
        said.contains("added backend 'photos'") && said.contains("added bucket 'photos' on backend 'photos'"),
        "{said}"
    );
    assert!(said.contains("at its next start: causeway serve --config causeway.toml"), "{said}");
    assert!(!said.contains(SECRET.1));

    let text = place.read("causeway.toml");
    assert!(text.contains("secret_key = { sealed = \"v1:") && !text.contains(SECRET.1), "{text}");
    assert_eq!((place.mode("causeway.toml"), place.mode("causeway.toml.seal-key")), (0o600, 0o600));
    assert_eq!(place.names(), ["causeway.toml", "causeway.toml.seal-key"]);

    assert!(place.run(&["bucket", "list"], &[]).succeeded().contains("/there/2024"));
    place.run(&["bucket", "validate", "photos"], &[]).succeeded();
    let gateway = place.serve(&[], &ROOT);
    assert_eq!(Raw::new(gateway.s3, WHO).get("/photos/cat.jpg").send().text(), "meow");
    drop(gateway);

    let again = place.run(&add("photos", &url(&server, "there"), &[]), &[SECRET]).failed(2);
    assert!(again.contains("has a bucket 'photos' already"), "{again}");
}

#[test]
fn nothing_is_written_when_a_check_fails() {
    let (server, place) = (Server::start(), Place::new());
    assert_eq!(server.raw().put("/there", "").send().status, 200);
    for (path, secret, words) in [
        ("missing", SECRET.1, "NoSuchBucket"),
        ("there", "wrong-secret", "SignatureDoesNotMatch"),
        ("there", "", "the variable UPSTREAM_SECRET is not set"),
    ] {
        let ended = place.run(&add("photos", &url(&server, path), &[]), &[(SECRET.0, secret)]);
        assert!(
            matches!(ended.code, Some(1 | 2)) && (ended.out.clone() + &ended.err).contains(words),
            "{path}: {}{}",
            ended.out,
            ended.err
        );
        assert!(secret.is_empty() || !(ended.out + &ended.err).contains(secret));
        assert!(place.names().is_empty(), "{:?}", place.names());
    }
    let text = "# mine\n[server]\nregion = 'x'\n";
    place.write("causeway.toml", text);
    place.run(&add("photos", &url(&server, "missing"), &[]), &[SECRET]).failed(1);
    assert_eq!(
        (place.read("causeway.toml").as_str(), place.names()),
        (text, vec!["causeway.toml".to_owned()])
    );
}

#[test]
fn the_remote_bucket_is_made_where_that_is_asked_for() {
    let (server, place) = (Server::start(), Place::new());
    place.run(&add("photos", &url(&server, "made-here/below"), &["--create"]), &[SECRET]).succeeded();
    assert_eq!(server.raw().get("/made-here").send().status, 200);
    // An existing bucket is no reason to fail.
    place.run(&add("films", &url(&server, "made-here/films"), &["--create"]), &[SECRET]).succeeded();
}

#[test]
fn text_and_comments_that_are_there_stay_untouched() {
    let place = Place::new();
    let text = "# Of the operator.\n[server]\n  region = 'x'   # odd spacing\n\n[backend.disk]   # a disk\ntype='fs'\nroot = \"objects\"\n# the end";
    place.write("causeway.toml", text);
    std::fs::create_dir_all(place.path("objects/deep/photos")).expect("made");
    std::fs::create_dir_all(place.path("elsewhere")).expect("made");
    place.run(&["bucket", "add", "photos", "./objects/deep/photos"], &[]).succeeded();
    place.run(&["bucket", "add", "else", "elsewhere"], &[]).succeeded();
    let after = place.read("causeway.toml");
    assert!(after.starts_with(text), "{after}");
    assert!(after.contains("[bucket.photos]\nbackend = \"disk\"\nprefix = \"deep/photos\"\n"), "{after}");
    assert!(after.contains("[backend.else]\ntype = \"fs\"\n"), "{after}");
    assert!(after.contains("[default]\nbackend = \"disk\"\n"), "what was implied is still so: {after}");
    place.run(&["config", "check", "--config", "causeway.toml"], &[]).succeeded();
}

#[test]
fn the_backend_that_is_implied_stays_the_default() {
    let (server, place) = (Server::start(), Place::new());
    {
        let first = place.serve(&[], &ROOT);
        let raw = Raw::new(first.s3, WHO);
        assert_eq!(raw.put("/old", "").send().status, 200);
        assert_eq!(raw.put("/old/cat.jpg", "meow").send().status, 200);
    }
    let said = place.run(&add("photos", &url(&server, "there"), &["--create"]), &[SECRET]).succeeded();
    assert!(
        said.contains("backend 'disk' at ./causeway-data, so far implied, is now written down"),
        "{said}"
    );
    let second = place.serve(&[], &ROOT);
    let raw = Raw::new(second.s3, WHO);
    assert_eq!(raw.get("/old/cat.jpg").send().text(), "meow");
    assert_eq!(raw.put("/new", "").send().status, 200);
    assert!(place.path("causeway-data/new").is_dir(), "new buckets go where they went");
}

#[test]
fn a_second_bucket_on_the_same_storage_uses_its_backend() {
    let (server, place) = (Server::start(), Place::new());
    place.run(&add("photos", &url(&server, "photos"), &["--create"]), &[SECRET]).succeeded();
    let said = place.run(&add("films", &url(&server, "films"), &["--create"]), &[SECRET]).succeeded();
    assert!(said.contains("backend 'photos' is the same storage and is used"), "{said}");
    let said = place
        .run(&["bucket", "add", "songs", &url(&server, "songs"), "--backend", "photos", "--create"], &[])
        .succeeded();
    assert!(
        said.contains("added bucket 'songs' on backend 'photos'") && !said.contains("added backend"),
        "{said}"
    );
    place.run(&["bucket", "remove", "photos"], &[]).succeeded();
    let other =
        place.run(&add("photos", "http://127.0.0.1:1/photos", &["--no-check"]), &[SECRET]).succeeded();
    assert!(other.contains("added backend 'photos-2'"), "{other}");
    let wrong =
        place.run(&["bucket", "add", "x-x", "http://127.0.0.1:2/x", "--backend", "photos"], &[]).failed(2);
    assert!(wrong.contains("which is not where the URL leads"), "{wrong}");
}

#[test]
fn a_sealed_secret_is_unreadable_with_another_key_and_in_another_place() {
    let (server, place) = (Server::start(), Place::new());
    place
        .run(&add("photos", &url(&server, "photos"), &["--create", "--backend", "lake"]), &[SECRET])
        .succeeded();
    let check = |environment: &[(&str, &str)]| {
        place.run(&["config", "check", "--config", "causeway.toml"], environment)
    };
    assert!(check(&[]).succeeded().contains("sealed"));

    let other = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let said = check(&[("CAUSEWAY_SEAL_KEY", other)]).failed(2);
    let words = "backend.lake.secret_key cannot be unsealed with the key in the variable CAUSEWAY_SEAL_KEY";
    assert!(
        said.contains("causeway.toml:")
            && said.contains(words)
            && !said.contains(other)
            && !said.contains(SECRET.1),
        "{said}"
    );

    let text = place.read("causeway.toml");
    place.write("causeway.toml", &text.replace("backend.lake", "backend.sea").replace("\"lake\"", "\"sea\""));
    let said = check(&[]).failed(2);
    assert!(
        said.contains("backend.sea.secret_key cannot be unsealed with the key in causeway.toml.seal-key"),
        "{said}"
    );

    place.write("causeway.toml", &text);
    std::fs::remove_file(place.path("causeway.toml.seal-key")).expect("removed");
    let said = check(&[]).failed(2);
    assert!(
        said.contains(
            "backend.lake.secret_key is sealed, but there is no key: causeway.toml.seal-key does not exist"
        ),
        "{said}"
    );
}

#[test]
fn a_directory_must_be_there_unless_it_is_to_be_made() {
    let place = Place::new();
    let said = place.run(&["bucket", "add", "photos", "./pictures"], &[]).failed(1);
    assert!(said.contains("--create makes it") && place.names().is_empty(), "{said}");
    place.run(&["bucket", "add", "photos", "./pictures", "--create"], &[]).succeeded();
    let gateway = place.serve(&[], &ROOT);
    let raw = Raw::new(gateway.s3, WHO);
    assert_eq!(raw.put("/photos/cat.jpg", "meow").send().status, 200);
    assert_eq!(place.read("pictures/cat.jpg"), "meow");
}

#[test]
fn a_directory_around_the_root_of_a_backend_is_refused() {
    let place = Place::new();
    place.write("causeway.toml", "[backend.disk]\ntype = 'fs'\nroot = 'a/b'\n");
    std::fs::create_dir_all(place.path("a/b")).expect("made");
    let said = place.run(&["bucket", "add", "photos", "a"], &[]).failed(2);
    assert!(said.contains("holds the root of backend 'disk'"), "{said}");
}

#[test]
fn a_name_that_a_client_has_taken_is_refused() {
    let (server, place) = (Server::start(), Place::new());
    {
        let first = place.serve(&[], &ROOT);
        assert_eq!(Raw::new(first.s3, WHO).put("/taken", "").send().status, 200);
        let said = place.run(&add("other", &url(&server, "x-x"), &["--no-check"]), &[SECRET]).succeeded();
        assert!(said.contains("whether a client has made a bucket 'other' cannot be told"), "{said}");
    }
    let said = place.run(&add("taken", &url(&server, "there"), &["--no-check"]), &[SECRET]).failed(1);
    assert!(said.contains("there is a bucket 'taken' already, at 'taken' on backend 'disk'"), "{said}");
    assert!(!place.read("causeway.toml").contains("bucket.taken"));
}

#[test]
fn providers_are_told_by_their_urls_and_credentials_that_do_not_fit_are_refused() {
    let place = Place::new();
    let connection = "AccountName=acme;AccountKey=aHVudGVyMg==";
    let environment = [SECRET, ("AZURE", connection), ("AWS_REGION", "eu-north-1")];
    for (name, arguments) in [
        ("aws", vec!["s3://photos/a"]),
        (
            "r2",
            vec![
                "https://0123.r2.cloudflarestorage.com/photos",
                "--access-key",
                "k",
                "--secret-key-env",
                SECRET.0,
            ],
        ),
        ("gcs", vec!["gs://photos", "--access-key", "k", "--secret-key-env", SECRET.0]),
        ("azure", vec!["az://photos", "--connection-string-env", "AZURE"]),
        (
            "named",
            vec![
                "https://acme.blob.core.windows.net/films",
                "--secret-key-env",
                SECRET.0,
                "--backend",
                "named",
            ],
        ),
    ] {
        let bucket = format!("on-{name}");
        let arguments = [&["bucket", "add", &bucket, "--no-check"][..], &arguments].concat();
        let said = place.run(&arguments, &environment).succeeded();
        assert!(
            said.contains(&format!("added backend '{name}'"))
                && !said.contains(SECRET.1)
                && !said.contains("aHVudGVyMg"),
            "{said}"
        );
    }
    let text = place.read("causeway.toml");
    assert!(!text.contains(SECRET.1) && !text.contains("aHVudGVyMg"), "{text}");
    for line in [
        "region = \"eu-north-1\"",
        "endpoint = \"https://0123.r2.cloudflarestorage.com\"",
        "region = \"auto\"",
        "connection_string = { sealed",
        "account = \"acme\"",
        "account_key = { sealed",
    ] {
        assert!(text.lines().any(|l| l.starts_with(line)), "{line} is not in\n{text}");
    }
    let checked = place.run(&["config", "check", "--config", "causeway.toml"], &[]).succeeded();
    assert!(!checked.contains(SECRET.1) && !checked.contains("aHVudGVyMg"));

    for (arguments, words) in [
        (vec!["az://photos"], "the URL names no account"),
        (vec!["s3://photos", "--access-key", "k"], "the access key has no secret key"),
        (vec!["s3://photos", "--secret-key-env", SECRET.0], "the secret key has no access key"),
        (vec!["s3://photos", "--connection-string-env", "AZURE"], "neither a connection string"),
        (vec!["https://user:hunter2@host/photos"], "without user and query"),
        (vec!["."], "holds the root of backend 'disk'"),
        (vec!["smb://host/photos"], "'smb' is no kind of storage known here"),
    ] {
        let arguments = [&["bucket", "add", "refused", "--no-check"][..], &arguments].concat();
        let said = place.run(&arguments, &environment).failed(2);
        assert!(said.contains(words) && !said.contains("hunter2"), "{said}");
    }
    assert_eq!(place.read("causeway.toml"), text);
}
