//! `causeway catalog export | import | rebuild`.

use super::{
    process::Place,
    support::{Who, raw::Raw, sshd::Sshd},
};

const ROOT: Who = Who { access_key: "test-root", secret_key: "test-root-secret" };
const ENVIRONMENT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", ROOT.access_key), ("CAUSEWAY_ROOT_PASSWORD", ROOT.secret_key)];

/// A gateway in front of storage that keeps only bytes.
fn before(sshd: &Sshd) -> Place {
    let place = Place::new();
    let (host, port) = (sshd.address().ip(), sshd.address().port());
    place.write(
        "causeway.toml",
        &format!(
            "[server]\ndata = 'data'\nscan_interval = 'off'\n[default]\nbackend = 'nas'\n[backend.nas]\ntype = 'sftp'\nhost = '{host}'\n\
             port = {port}\nuser = '{}'\nprivate_key = {{ file = {:?} }}\nhost_key = '{}'\nroot = {:?}\n",
            Sshd::user(),
            sshd.key_file(),
            sshd.fingerprint(),
            sshd.root(),
        ),
    );
    place
}

/// The reply that a client gets for `/photos/a b`.
fn seen(raw: &Raw) -> (u16, Option<String>, Option<String>, Option<String>) {
    let reply = raw.get("/photos/a%20b").send();
    let header = |name| reply.header(name).map(str::to_owned);
    (reply.status, header("content-type"), header("x-amz-meta-who"), header("etag"))
}

#[test]
fn what_only_the_catalog_knows_moves_to_another_data_directory() {
    let sshd = Sshd::start();
    let first = before(&sshd);
    let server = first.serve(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    assert_eq!(raw.put("/photos", "").send().status, 200);
    let put =
        raw.put("/photos/a%20b", "meow").header("content-type", "image/cat").header("x-amz-meta-who", "me");
    assert_eq!(put.send().status, 200);
    let known = seen(&raw);
    assert_eq!((known.0, known.2.as_deref()), (200, Some("me")));

    // The export works with a running server, and without one.
    first.run(&["catalog", "export", "live.jsonl"], &[]).succeeded();
    assert_eq!(first.mode("live.jsonl"), 0o600);
    let said = first.run(&["catalog", "import", "live.jsonl"], &[]).failed(1);
    assert!(said.contains("is in use by another server"), "{said}");
    drop(server);
    assert_eq!(first.run(&["catalog", "export", "-"], &[]).succeeded(), first.read("live.jsonl"));

    let second = before(&sshd);
    second.write("moved.jsonl", &first.read("live.jsonl"));
    assert_eq!(
        second.run(&["catalog", "import", "moved.jsonl"], &[]).succeeded(),
        "imported 1 buckets and 1 objects\n"
    );
    let again = second.run(&["catalog", "import", "moved.jsonl"], &[]).succeeded();
    assert_eq!(again, "imported 0 buckets and 0 objects, 1 were there and were kept\n");
    let server = second.serve(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    assert_eq!(seen(&raw), known);
    let etag = known.3.expect("an ETag").trim_matches('"').to_owned();
    let listed = raw.get("/photos?list-type=2").send().text();
    assert!(listed.contains("<Key>a b</Key>") && listed.contains(&etag), "{listed}");
}

#[test]
fn what_a_look_at_a_file_has_guessed_gives_way_to_what_is_imported() {
    let sshd = Sshd::start();
    let first = before(&sshd);
    let server = first.serve(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    assert_eq!(raw.put("/photos", "").send().status, 200);
    let put =
        raw.put("/photos/a%20b", "meow").header("content-type", "image/cat").header("x-amz-meta-who", "me");
    assert_eq!(put.send().status, 200);
    let known = seen(&raw);
    drop(server);
    let backup = first.run(&["catalog", "export", "-"], &[]).succeeded();

    let second = before(&sshd);
    second.write("causeway.toml", &(second.read("causeway.toml") + "[bucket.photos]\n"));
    let server = second.serve(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    assert_eq!((seen(&raw).0, seen(&raw).2), (200, None), "it was adopted");
    drop(server);
    second.write("backup.jsonl", &backup);
    assert_eq!(
        second.run(&["catalog", "import", "backup.jsonl"], &[]).succeeded(),
        "imported 0 buckets and 1 objects\n"
    );
    let again = second.run(&["catalog", "import", "backup.jsonl"], &[]).succeeded();
    assert_eq!(again, "imported 0 buckets and 0 objects, 1 were there and were kept\n");
    let server = second.serve(&[], &ENVIRONMENT);
    assert_eq!(seen(&Raw::new(server.s3, ROOT)), known);
}

#[test]
fn a_catalog_that_is_not_whole_is_not_imported() {
    let sshd = Sshd::start();
    let place = before(&sshd);
    drop(place.serve(&[], &ENVIRONMENT));
    place.write("torn.jsonl", "{\"causeway_catalog\":1}\n{\"bucket\":");
    let said = place.run(&["catalog", "import", "torn.jsonl"], &[]).failed(1);
    assert_eq!(said, "causeway: importing torn.jsonl: line 2: the line is cut short, or too long\n");
    let bucket = |name: &str, at: &str| {
        format!(
            "{{\"bucket\":{{\"name\":\"{name}\",\"owner\":{{\"id\":\"i\",\"display_name\":\"d\"}},\"created\":1,\"acl\":\"private\",\"location\":\"\",\"backend\":\"nas\",\"place\":\"{at}\"}}}}\n"
        )
    };
    let file = |buckets: &str, count: usize| {
        format!("{{\"causeway_catalog\":1}}\n{buckets}{{\"end\":{{\"buckets\":{count},\"objects\":0}}}}\n")
    };
    place.write("one.jsonl", &file(&bucket("photos", "photos"), 1));
    place.run(&["catalog", "import", "one.jsonl"], &[]).succeeded();
    // From here on, the index has a row: the bucket has been scanned completely.
    place.run(&["bucket", "scan", "photos"], &[]).succeeded();
    let index = || std::fs::read(place.path("data/.causeway/index.sqlite")).expect("an index");
    let before = index();
    place.write("two.jsonl", &file(&(bucket("films", "films") + &bucket("photos", "elsewhere")), 2));
    let said = place.run(&["catalog", "import", "two.jsonl"], &[]).failed(1);
    assert!(said.contains("bucket 'photos' is at 'photos' on backend 'nas' here"), "{said}");
    place.run(&["catalog", "import", "torn.jsonl"], &[]).failed(1);
    assert_eq!(index(), before, "what was refused had the index made anew");
    let exported = place.run(&["catalog", "export", "-"], &[]).succeeded();
    assert!(exported.contains("photos") && !exported.contains("films"), "{exported}");
}

#[test]
fn the_index_is_made_anew_from_storage_and_catalog() {
    let sshd = Sshd::start();
    let place = before(&sshd);
    let server = place.serve(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    assert_eq!(raw.put("/photos", "").send().status, 200);
    assert_eq!(raw.put("/photos/ours", "x").header("x-amz-meta-who", "me").send().status, 200);
    let said = place.run(&["catalog", "rebuild"], &[]).failed(1);
    assert!(said.contains("is in use by another server"), "{said}");
    let listed = raw.get("/photos?list-type=2").send().text();
    drop(server);
    std::fs::remove_file(place.path("data/.causeway/index.sqlite")).expect("lost");
    assert_eq!(
        place.run(&["catalog", "rebuild"], &[]).succeeded(),
        "bucket photos: 1 objects in 1 folders\n"
    );
    let server = place.serve(&[], &ENVIRONMENT);
    assert_eq!(Raw::new(server.s3, ROOT).get("/photos?list-type=2").send().text(), listed);
}

#[test]
fn identities_and_members_move_with_the_key_that_seals_their_secrets() {
    let sshd = Sshd::start();
    let first = before(&sshd);
    let bob = [("BOB", "bob-secret"), ENVIRONMENT[0], ENVIRONMENT[1]];
    first.run(&["key", "add", "bob", "--secret-env", "BOB"], &bob).succeeded();
    first.run(&["key", "disable", "bob"], &bob).succeeded();
    first.run(&["user", "create", "carol"], &ENVIRONMENT).succeeded();
    let made = first.run(&["user", "add-key", "carol", "--json"], &ENVIRONMENT).succeeded();
    let made: serde_json::Value = serde_json::from_str(&made).expect("JSON");
    let leaked = |name: &str| &*Box::leak(made[name].as_str().expect(name).to_owned().into_boxed_str());
    let carol = Who { access_key: leaked("AccessKeyId"), secret_key: leaked("SecretAccessKey") };
    let exported = first.run(&["catalog", "export", "-"], &ENVIRONMENT).succeeded();
    assert!(exported.starts_with("{\"causeway_catalog\":3}\n"), "{exported}");
    for secret in ["bob-secret", carol.secret_key] {
        assert!(!exported.contains(secret), "secrets stay sealed");
    }

    let second = before(&sshd);
    second.write("moved.jsonl", &exported);
    let said = second.run(&["catalog", "import", "moved.jsonl"], &ENVIRONMENT).failed(1);
    assert!(said.contains("copy .causeway/identities.key"), "{said}");
    let without = &["catalog", "import", "moved.jsonl", "--without-identities"];
    let said = second.run(without, &ENVIRONMENT).succeeded();
    assert_eq!(said, "imported 0 buckets and 0 objects\n");
    let key = "data/.causeway/identities.key";
    std::fs::copy(first.path(key), second.path(key)).expect("copied");
    let import = || second.run(&["catalog", "import", "moved.jsonl"], &ENVIRONMENT).succeeded();
    let said = import();
    let expected = "imported 0 buckets and 0 objects, 1 identities, 1 users, groups, roles and policies\n";
    assert_eq!(said, expected);
    assert_eq!(import(), "imported 0 buckets and 0 objects, 2 were there and were kept\n");
    let server = second.serve(&[], &ENVIRONMENT);
    assert_eq!(Raw::new(server.s3, carol).get("/").send().failure().1, "AccessDenied", "she signs");
    let bob = Who { access_key: "bob", secret_key: "bob-secret" };
    let listed = || Raw::new(server.s3, bob).get("/").send();
    assert_eq!(listed().failure().1, "InvalidAccessKeyId", "it is disabled");
    second.run(&["key", "enable", "bob"], &ENVIRONMENT).succeeded();
    assert_eq!(listed().status, 200);
}
