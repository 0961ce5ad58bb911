//! SIGHUP: the configuration is read again and takes effect while requests are served, as a whole or not at
//! all.

use super::{
    process::{Place, Running, connect, read_all, within},
    support::{Who, is, raw::Raw},
};
use rustix::process::Signal;
use std::{
    io::Write,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

const ROOT: Who = Who { access_key: "root-user", secret_key: "root-password" };
const ALICE: Who = Who { access_key: "alice", secret_key: "alice-secret" };
const BOB: Who = Who { access_key: "bob", secret_key: "bob-secret" };
/// The section of an administrator.
const ADMIN: &str =
    "[[identity]]\naccess_key = 'root-user'\nsecret_key = 'root-password'\npolicy = 'admin'\n";

/// The section of an identity.
fn identity(who: Who) -> String {
    format!("[[identity]]\naccess_key = '{}'\nsecret_key = '{}'\n", who.access_key, who.secret_key)
}

/// Replaces the configuration as editors do: a concurrent reader gets the old file or the new one, whole.
fn write(place: &Place, server: &str, rest: &str) {
    place.write("new.toml", &format!("[server]\ndata = 'd'\n{server}{ADMIN}{rest}"));
    std::fs::rename(place.path("new.toml"), place.path("causeway.toml")).expect("replaced");
}

fn serve(place: &Place, rest: &str) -> Running {
    write(place, "", rest);
    place.serve(&[], &[])
}

fn reloads(server: &Running) -> [f64; 2] {
    ["ok", "failed"].map(|result| {
        server.metric(&format!("causeway_config_reloads_total{{result=\"{result}\"}}")).expect("counted")
    })
}

/// Makes the server reload the configuration, waits for the result, and returns whether it is in force.
fn reload(server: &Running) -> bool {
    let [ok, failed] = reloads(server);
    server.signal(Signal::HUP);
    let took_effect = within(|| match reloads(server) {
        [now, _] if now > ok => Some(true),
        [_, now] if now > failed => Some(false),
        _ => None,
    });
    let last = server.metric("causeway_config_last_reload_successful");
    assert_eq!(last, Some(f64::from(u8::from(took_effect))), "the gauge says what the counters say");
    took_effect
}

/// Writes a configuration that the server must accept, and makes the server reload it.
#[track_caller]
fn accepted(place: &Place, server: &Running, config: &str) {
    write(place, "", config);
    assert!(reload(server), "{}", place.read("stderr"));
}

#[track_caller]
fn refused(place: &Place, server: &Running, config: &str) -> String {
    write(place, "", config);
    let before = place.read("stderr").len();
    assert!(!reload(server), "{}", place.read("stderr"));
    let said = place.read("stderr")[before..].to_owned();
    assert!(said.contains("nothing was changed"), "{said}");
    said
}

fn list(server: &Running, who: Who) -> (u16, String) {
    Raw::new(server.s3, who).get("/").send().failure()
}

fn names(server: &Running, who: Who) -> Vec<String> {
    let list = Raw::new(server.s3, who).get("/").send().text();
    list.split("<Name>").skip(1).filter_map(|rest| rest.split('<').next()).map(str::to_owned).collect()
}

#[track_caller]
fn put(server: &Running, who: Who, target: &str, body: &str) {
    let reply = Raw::new(server.s3, who).put(target, body).send();
    assert_eq!(reply.status, 200, "{target}: {}", reply.text());
}

fn status(server: &Running, who: Who, target: &str) -> u16 {
    Raw::new(server.s3, who).get(target).send().status
}

#[test]
fn a_new_identity_is_let_in_and_one_that_was_taken_out_is_refused_at_the_next_request() {
    let place = Place::new();
    let server = serve(&place, &identity(ALICE));
    assert_eq!((list(&server, ALICE).0, list(&server, BOB)), (200, is(403, "InvalidAccessKeyId")));
    put(&server, ALICE, "/hers", "");
    put(&server, ALICE, "/hers/k", "x");
    accepted(&place, &server, &identity(BOB));
    assert_eq!((list(&server, ALICE), list(&server, BOB).0), (is(403, "InvalidAccessKeyId"), 200));
    assert_eq!(status(&server, BOB, "/hers/k"), 403, "her bucket is still hers");
    accepted(&place, &server, &identity(ALICE));
    assert_eq!(status(&server, ALICE, "/hers/k"), 200);
}

#[test]
fn another_secret_and_another_role_count_at_once_and_a_request_in_work_ends_normally() {
    let place = Place::new();
    place.write("alice", "alice-secret\n");
    let alice =
        |more: &str| format!("[[identity]]\naccess_key = 'alice'\nsecret_key = {{ file = 'alice' }}\n{more}");
    let server = serve(&place, &alice(""));
    put(&server, ALICE, "/hers", "");
    let body = "x".repeat(100_000);
    let wire = Raw::new(server.s3, ALICE).put("/hers/slow", &body).wire();
    let mut stream = connect(server.s3);
    stream.write_all(&wire[..wire.len() / 2]).expect("sent");
    within(|| (server.metric("causeway_requests_in_flight") == Some(1.0)).then_some(()));

    place.write("alice", "other-secret\n");
    accepted(&place, &server, &alice("policy = 'readonly'\n"));
    let other = Who { secret_key: "other-secret", ..ALICE };
    assert_eq!((list(&server, ALICE), list(&server, other).0), (is(403, "SignatureDoesNotMatch"), 200));
    assert_eq!(Raw::new(server.s3, other).put("/hers/new", "x").send().failure(), is(403, "AccessDenied"));
    stream.write_all(&wire[wire.len() / 2..]).expect("sent");
    assert!(read_all(&mut stream).starts_with("HTTP/1.1 200 "));
    assert_eq!(Raw::new(server.s3, other).get("/hers/slow").send().text(), body);
    let log = place.read("stderr");
    assert!(!log.contains("other-secret") && !log.contains("alice-secret"), "{log}");
}

#[test]
fn new_buckets_are_there_on_backends_that_were_there_and_on_new_ones_with_what_lies_in_them() {
    let place = Place::new();
    let server = serve(&place, &identity(ALICE));
    std::fs::create_dir_all(place.path("d/old-photos")).expect("made");
    std::fs::create_dir_all(place.path("nas/music")).expect("made");
    place.write("d/old-photos/cat.jpg", "meow").write("nas/music/a.flac", "la");
    let config = format!(
        "{}[backend.disk]\ntype = 'fs'\nroot = 'd'\n\
         [backend.nas]\ntype = 'fs'\nroot = 'nas'\nrequest_rate = 1000\nmonthly_requests = 1000000\nmetadata_ttl = '1s'\n\
         [backend.both]\ntype = 'replicated'\nbackends = ['disk', 'nas']\n[default]\nbackend = 'disk'\n\
         [bucket.old-photos]\nowner = 'alice'\n[bucket.music]\nbackend = 'nas'\nowner = 'alice'\n\
         [bucket.safe]\nbackend = 'both'\nowner = 'alice'\n",
        identity(ALICE)
    );
    accepted(&place, &server, &config);
    assert_eq!(names(&server, ALICE), ["music", "old-photos", "safe"]);
    for (object, content) in [("old-photos/cat.jpg", "meow"), ("music/a.flac", "la")] {
        assert_eq!(Raw::new(server.s3, ALICE).get(format!("/{object}")).send().text(), content);
    }
    // The objects are listed without waiting for the next upkeep, which is minutes away.
    within(|| {
        Raw::new(server.s3, ALICE)
            .get("/old-photos")
            .send()
            .text()
            .contains("<Key>cat.jpg</Key>")
            .then_some(())
    });
    within(|| {
        Raw::new(server.s3, ALICE).get("/music").send().text().contains("<Key>a.flac</Key>").then_some(())
    });
    put(&server, ALICE, "/music/b.flac", "lala");
    put(&server, ALICE, "/safe/k", "twice");
    assert_eq!(place.read("nas/music/b.flac"), "lala");
    within(|| (place.read("d/safe/k") == "twice" && place.read("nas/safe/k") == "twice").then_some(()));
    assert!(
        server.metric("causeway_throttled_total{scope=\"backend\",name=\"nas\"}").is_some(),
        "it is limited"
    );
    assert!(server.metric("causeway_budget_requests{backend=\"nas\"}").is_some(), "it has a budget");
    assert!(server.metric("causeway_cache_size_bytes{what=\"metadata\"}").is_some(), "it has a cache");
    // A second reload finds the bucket in place, and a restart does, too.
    accepted(&place, &server, &config);
    drop(server);
    let server = place.serve(&[], &[]);
    assert_eq!(Raw::new(server.s3, ALICE).get("/music/b.flac").send().text(), "lala");
}

#[test]
fn a_bucket_that_the_command_adds_is_served_after_a_signal() {
    let place = Place::new();
    let server = serve(&place, &format!("{}[backend.disk]\ntype = 'fs'\nroot = 'd'\n", identity(ALICE)));
    std::fs::create_dir(place.path("pictures")).expect("made");
    place.write("pictures/cat.jpg", "meow");
    let said =
        place.run(&["bucket", "add", "photos", "pictures", "--config", "causeway.toml"], &[]).succeeded();
    assert!(said.contains("a running server takes it up on SIGHUP"), "{said}");
    assert!(reload(&server), "{}", place.read("stderr"));
    assert_eq!(Raw::new(server.s3, ROOT).get("/photos/cat.jpg").send().text(), "meow");
    put(&server, ALICE, "/created", "");
    assert!(place.path("d/created").is_dir(), "new buckets still go to the default backend");
}

#[test]
fn owner_and_access_change_hands_in_buckets_that_are_open() {
    let place = Place::new();
    let with = |bucket: &str| format!("{}{}[bucket.photos]\n{bucket}", identity(ALICE), identity(BOB));
    let server = serve(&place, &with("owner = 'alice'\naccess = { bob = 'readonly' }\n"));
    put(&server, ALICE, "/photos/k", "x");
    let may = |who| {
        (status(&server, who, "/photos/k"), Raw::new(server.s3, who).put("/photos/new", "x").send().status)
    };
    assert_eq!((may(ALICE), may(BOB)), ((200, 200), (200, 403)));
    accepted(&place, &server, &with("owner = 'alice'\naccess = { bob = 'readwrite' }\n"));
    assert_eq!((may(ALICE), may(BOB)), ((200, 200), (200, 200)));
    accepted(&place, &server, &with("owner = 'alice'\n"));
    assert_eq!((may(ALICE), may(BOB), names(&server, BOB).len()), ((200, 200), (403, 403), 0));
    accepted(&place, &server, &with("owner = 'bob'\n"));
    assert_eq!((may(ALICE), may(BOB)), ((403, 403), (200, 200)));
    assert_eq!(names(&server, BOB), ["photos"]);
}

#[test]
fn a_bucket_that_was_taken_out_stays_its_owners_and_its_grants_are_gone() {
    let place = Place::new();
    let identities = identity(ALICE) + &identity(BOB);
    let server = serve(
        &place,
        &format!("{identities}[bucket.photos]\nowner = 'alice'\naccess = {{ bob = 'readonly' }}\n"),
    );
    put(&server, ALICE, "/photos/k", "x");
    assert_eq!(status(&server, BOB, "/photos/k"), 200);
    accepted(&place, &server, &identities);
    assert_eq!((status(&server, ALICE, "/photos/k"), status(&server, BOB, "/photos/k")), (200, 403));
}

#[test]
fn limits_and_levels_of_the_log_change_at_once() {
    let place = Place::new();
    let server = serve(&place, &identity(ALICE));
    put(&server, ALICE, "/photos", "");
    assert!(!place.read("stderr").contains("ListBuckets"));
    write(
        &place,
        "log_level = 'info,access=debug'\n",
        &format!("{}request_rate = 1\nconcurrency = 5\n", identity(ALICE)),
    );
    assert!(reload(&server));
    for _ in 0..3 {
        assert_eq!(list(&server, ALICE).0, 200);
    }
    let waited = |server: &Running| {
        server.metric("causeway_throttle_waited_seconds_total{scope=\"identity\",name=\"alice\"}")
    };
    assert!(waited(&server).is_some_and(|seconds| seconds > 0.0), "the third waits for the first");
    // A request is logged when its reply was sent.
    let lines = || place.read("stderr").matches("ListBuckets").count();
    within(|| (lines() == 3).then_some(()));
    accepted(&place, &server, &identity(ALICE));
    assert_eq!(waited(&server), None);
    assert_eq!(list(&server, ALICE).0, 200);
    assert!(reload(&server));
    assert_eq!(lines(), 3);
}

#[test]
fn a_wrong_configuration_changes_nothing_and_all_that_is_wrong_is_logged() {
    let place = Place::new();
    let before = format!("{}[bucket.photos]\nowner = 'alice'\n", identity(ALICE));
    let server = serve(&place, &before);
    put(&server, ALICE, "/photos/k", "x");
    let said = refused(
        &place,
        &server,
        &format!(
            "{}secret = 'hunter2'\n[bucket.photos]\nowner = 'nobody'\naccess = {{ alice = 'everything' }}\n[bucket.Wrong]\n",
            identity(BOB)
        ),
    );
    assert!(
        said.contains("unknown key 'identity[1].secret'") && said.contains("bucket.photos.access must be"),
        "{said}"
    );
    assert!(
        said.contains("bucket 'Wrong'") && !said.contains("hunter2") && !said.contains("bob-secret"),
        "{said}"
    );
    std::fs::remove_file(place.path("causeway.toml")).expect("removed");
    assert!(!reload(&server));
    assert!(place.read("stderr").contains("cannot read causeway.toml"));
    assert_eq!((list(&server, ALICE).0, list(&server, BOB).0), (200, 403));
    assert_eq!(status(&server, ALICE, "/photos/k"), 200);
    accepted(&place, &server, &before);
    assert_eq!(reloads(&server), [1.0, 2.0]);
}

#[test]
fn what_only_the_server_can_find_wrong_changes_nothing_either() {
    let place = Place::new();
    let disk = "[backend.disk]\ntype = 'fs'\nroot = 'd'\n[default]\nbackend = 'disk'\n";
    let server = serve(&place, &format!("{}{disk}[bucket.photos]\nowner = 'alice'\n", identity(ALICE)));
    put(&server, ALICE, "/photos/k", "x");
    put(&server, ALICE, "/clients", "");
    place.write("file", "no directory");
    // The cases: a bucket that moves, one inside a client's bucket, a backend that cannot be opened, and a
    // bucket on that backend.
    let said = refused(
        &place,
        &server,
        &format!(
            "{}{disk}[bucket.photos]\nowner = 'bob'\nprefix = 'elsewhere'\n[bucket.inner]\nprefix = 'clients/deep'\n\
             [backend.broken]\ntype = 'fs'\nroot = 'file/below'\n[backend.more]\ntype = 'fs'\nroot = 'more'\n\
             [bucket.fresh]\nbackend = 'more'\n[bucket.lost]\nbackend = 'broken'\n",
            identity(BOB)
        ),
    );
    for words in [
        "a bucket does not move by configuration",
        "share a location",
        "'clients'",
        "opening backend 'broken'",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("bucket 'lost'"), "its backend was told: {said}");
    assert_eq!((list(&server, ALICE).0, list(&server, BOB).0), (200, 403));
    assert_eq!(names(&server, ROOT), ["clients", "photos"]);
    assert_eq!(status(&server, ALICE, "/photos/k"), 200);
    assert_eq!(server.metric("causeway_config_settings_waiting"), Some(0.0));
    // Backends that were opened before the refusal can be opened again.
    accepted(
        &place,
        &server,
        &format!(
            "{}{disk}[backend.more]\ntype = 'fs'\nroot = 'more'\n[bucket.fresh]\nbackend = 'more'\n",
            identity(BOB)
        ),
    );
    assert_eq!(names(&server, ROOT), ["clients", "fresh", "photos"]);
}

#[test]
fn what_takes_a_restart_is_named_each_time_and_all_else_takes_effect() {
    let place = Place::new();
    let lake = |secret: &str| {
        format!(
            "[backend.lake]\ntype = 's3'\nendpoint = 'http://127.0.0.1:1'\naccess_key = 'a'\nsecret_key = '{secret}'\n"
        )
    };
    let disks = "[backend.disk]\ntype = 'fs'\nroot = 'd'\n[backend.old]\ntype = 'memory'\n[default]\nbackend = 'disk'\n";
    write(
        &place,
        "listen = '127.0.0.1:0'\n",
        &format!("{}{}{disks}", identity(ALICE), lake("hunter1-secret")),
    );
    let server = place.serve(&[], &[]);
    let changed = format!(
        "{}{}{}[bucket.far]\nbackend = 'disk'\n",
        identity(BOB),
        lake("hunter2-secret"),
        disks.replace("[backend.old]\ntype = 'memory'\n", "").replace("root = 'd'", "root = 'e'")
    );
    write(&place, "listen = '127.0.0.1:1'\nmax_requests = 7\n", &changed);
    for n in 1..=2 {
        assert!(reload(&server));
        let log = place.read("stderr");
        for words in [
            "`server.listen` was changed: it takes effect at the next start",
            "`server.max_requests` was changed",
            "`backend.lake.secret_key` was changed",
            "`backend.disk.root` was changed",
            "`backend.old` was removed",
            "`bucket.far` is new on a backend whose settings were changed: it takes effect at the next start",
        ] {
            assert_eq!(log.matches(words).count(), n, "{words}: {log}");
        }
        assert_eq!(log.matches("it takes effect at the next start").count(), 6 * n, "nothing else: {log}");
        assert!(!log.contains("hunter1") && !log.contains("hunter2"), "{log}");
        assert_eq!(server.metric("causeway_config_settings_waiting"), Some(6.0));
    }
    assert_eq!((list(&server, ALICE).0, list(&server, BOB).0), (403, 200), "the rest is in force");
    assert!(!place.path("e").exists() && names(&server, ROOT).is_empty());
    // The configuration returns to what is running: no setting waits any more.
    write(&place, "listen = '127.0.0.1:0'\n", &format!("{}{}{disks}", identity(BOB), lake("hunter1-secret")));
    assert!(reload(&server));
    assert_eq!(server.metric("causeway_config_settings_waiting"), Some(0.0));
}

#[test]
fn requests_of_an_identity_that_stays_all_succeed_while_the_configuration_is_read_ten_times() {
    let place = Place::new();
    let with = |others: &str| format!("{}{others}[bucket.photos]\nowner = 'alice'\n", identity(ALICE));
    let server = serve(&place, &with(""));
    put(&server, ALICE, "/photos/k", "meow");
    /// Sets the flag however the test ends, because running workers would keep the test from ending.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let ask = |worker: usize| {
        let raw = Raw::new(server.s3, ALICE);
        while !stop.load(Ordering::Relaxed) {
            let written = raw.put(format!("/photos/{worker}"), "x").send();
            let read = raw.get("/photos/k").send();
            assert_eq!(
                (written.status, read.status, read.text().as_str()),
                (200, 200, "meow"),
                "{}{}",
                written.text(),
                read.text()
            );
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        let workers: Vec<_> = (0..4).map(|worker| scope.spawn(move || ask(worker))).collect();
        for n in 0..10 {
            let before = done.load(Ordering::Relaxed);
            // Everything except Alice's identity changes.
            let grants = if n % 2 == 0 { "access = { bob = 'readonly' }\n" } else { "concurrency = 100\n" };
            let others = if n % 2 == 0 { identity(BOB) } else { String::new() };
            write(&place, "", &format!("{}{grants}[bucket.new-{n}]\n", with(&others)));
            let took_effect = reload(&server);
            // Some requests are served between any two reloads; a worker that failed serves none.
            within(|| {
                (done.load(Ordering::Relaxed) > before || workers.iter().any(|worker| worker.is_finished()))
                    .then_some(())
            });
            if !took_effect || workers.iter().any(|worker| worker.is_finished()) {
                break;
            }
        }
    });
    assert_eq!(reloads(&server), [10.0, 0.0], "{}", place.read("stderr"));
    assert_eq!(names(&server, ROOT).len(), 11);
}

#[test]
fn of_two_signals_at_once_the_newest_configuration_is_in_force_in_the_end() {
    let place = Place::new();
    let server = serve(&place, &identity(ALICE));
    for (who, gone) in [(BOB, ALICE), (ALICE, BOB), (BOB, ALICE)] {
        write(&place, "", "");
        server.signal(Signal::HUP);
        write(&place, "", &identity(who));
        server.signal(Signal::HUP);
        server.signal(Signal::HUP);
        within(|| (list(&server, who).0 == 200 && list(&server, gone).0 == 403).then_some(()));
    }
    assert!(reload(&server));
    assert_eq!((list(&server, BOB).0, list(&server, ALICE).0), (200, 403));
    let [ok, failed] = reloads(&server);
    assert!((4.0..=10.0).contains(&ok) && failed == 0.0, "{ok} {failed}");
}

#[test]
fn an_administrator_that_is_generated_while_the_server_runs_is_printed_once() {
    let place = Place::new();
    place.write("causeway.toml", &format!("[server]\ndata = 'd'\n{ADMIN}"));
    let server = place.serve(&[], &[]);
    assert!(!place.read("stdout").contains("access key: "));
    place.write("causeway.toml", "[server]\ndata = 'd'\n");
    assert!(reload(&server) && reload(&server));
    let out = place.read("stdout");
    assert_eq!(out.matches("access key: ").count(), 1, "{out}");
    let value = |name: &str| {
        out.lines().find_map(|line| line.strip_prefix(name)).expect("printed").to_owned().leak()
            as &'static str
    };
    let generated = Who { access_key: value("access key: "), secret_key: value("secret key: ") };
    assert_eq!((list(&server, generated).0, list(&server, ROOT).0), (200, 403));
    assert!(!place.read("stderr").contains(generated.secret_key));
}

#[test]
fn a_file_of_the_current_directory_that_was_not_there_at_the_start_is_used_once_it_is() {
    let place = Place::new();
    let root = [("CAUSEWAY_ROOT_USER", ROOT.access_key), ("CAUSEWAY_ROOT_PASSWORD", ROOT.secret_key)];
    let server = place.serve(&["--data", "d"], &root);
    assert_eq!((list(&server, ROOT).0, list(&server, ALICE).0), (200, 403));
    place.write("causeway.toml", &identity(ALICE));
    assert!(reload(&server), "{}", place.read("stderr"));
    assert_eq!((list(&server, ROOT).0, list(&server, ALICE).0), (200, 200));
    std::fs::remove_file(place.path("causeway.toml")).expect("removed");
    assert!(!reload(&server), "what was used must not be missing");
    assert_eq!(list(&server, ALICE).0, 200);
}
