//! Replicated buckets as clients and monitoring see them: replies, health and metrics report the state of
//! replicas.

use super::{
    process::{Place, Running, within},
    support::{
        ALICE, Server, Who,
        raw::{Raw, RawReply},
    },
};
use serde_json::Value;

const ROOT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", "root-user"), ("CAUSEWAY_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };

/// Replicas in three directories. `far` is reached through backend `nas`, which fails as `faults` says.
pub fn three(faults: &str) -> String {
    format!(
        "[server]\ndata = 'd'\n[backend.disk]\ntype = 'fs'\nroot = 'disk'\n[backend.lake]\ntype = 'fs'\nroot = 'lake'\n\
         [backend.far]\ntype = 'fs'\nroot = 'far'\n[backend.nas]\ntype = 'faulty'\nbackend = 'far'\n{faults}\
         [backend.safe]\ntype = 'replicated'\nbackends = ['disk', 'lake', 'nas']\n[default]\nbackend = 'safe'\n"
    )
}

/// The directories of the replicas.
pub const DIRECTORIES: [&str; 3] = ["disk", "lake", "far"];
/// The fault that makes every call fail.
pub const AWAY: &str = "unavailable = 1\n";

pub fn serve(place: &Place, config: &str) -> (Running, Raw) {
    place.write("causeway.toml", config);
    let server = place.serve(&[], &ROOT);
    let raw = Raw::new(server.s3, WHO);
    (server, raw)
}

/// Puts a bucket or an object.
#[track_caller]
pub fn put(raw: &Raw, target: &str, body: impl AsRef<[u8]>) {
    let reply = raw.put(target, body).send();
    assert_eq!(reply.status, 200, "{target}: {}", reply.text());
}

/// The headers of a reply that report the state of replicas.
fn told(reply: &RawReply) -> [Option<&str>; 2] {
    ["x-amz-replication-status", "x-causeway-replicas"].map(|name| reply.header(name))
}

fn ready(server: &Running) -> Value {
    let (status, body) = server.ask_admin("/-/health/ready");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, body["status"].as_str()), (200, Some("ready")), "requests are served all the same");
    body
}

#[test]
fn health_and_metrics_name_a_backend_while_it_is_out_and_it_comes_back_by_itself() {
    let place = Place::new();
    let (server, raw) = serve(&place, &three("up = '4s'\ndown = '1s'\n"));
    let up = |replica: &str| {
        server.metric(&format!("causeway_replica_up{{backend=\"safe\",replica=\"{replica}\"}}"))
    };
    put(&raw, "/photos", "");
    assert_eq!([up("disk"), up("lake")], [Some(1.0); 2]);
    let mut written = 0;
    let mut write = || {
        written += 1;
        put(&raw, "/photos/a", written.to_string());
    };
    let out = within(|| {
        write();
        ready(&server).get("out").cloned()
    });
    let out = out.as_object().expect("names, and why");
    assert_eq!(out.keys().collect::<Vec<_>>(), ["nas"]);
    assert!(
        out["nas"]
            .as_str()
            .is_some_and(|why| why.starts_with("for ") && why.ends_with("the storage is down")),
        "{out:?}"
    );
    within(|| {
        write();
        (up("nas") == Some(0.0)).then_some(())
    });
    assert_eq!([up("disk"), up("lake")], [Some(1.0); 2]);
    // From here on, no client writes.
    within(|| (up("nas") == Some(1.0)).then_some(()));
    within(|| ready(&server).get("out").is_none().then_some(()));
    let told = written.to_string();
    within(|| (place.read("far/photos/a") == told).then_some(()));
}

#[test]
fn replies_tell_which_replicas_have_the_object_and_that_all_have_it_once_it_is_repaired() {
    const COMPLETED: [Option<&str>; 2] = [Some("COMPLETED"), Some("disk=current, lake=current, nas=current")];
    const PENDING: [Option<&str>; 2] = [Some("PENDING"), Some("disk=current, lake=current, nas=pending")];
    let place = Place::new();
    let all_have =
        |raw: &Raw, key: &str| within(|| (told(&raw.request("HEAD", key).send()) == COMPLETED).then_some(()));

    let (server, raw) = serve(&place, &three(""));
    put(&raw, "/photos", "");
    for key in ["/photos/same", "/photos/changed", "/photos/gone"] {
        put(&raw, key, "before");
        all_have(&raw, key);
    }
    assert_eq!(told(&raw.get("/photos/same").send()), COMPLETED);
    drop(server);

    let (server, raw) = serve(&place, &three(AWAY));
    put(&raw, "/photos/changed", "after");
    put(&raw, "/photos/new", "after");
    assert_eq!(raw.request("DELETE", "/photos/gone").send().status, 204);
    for key in ["/photos/changed", "/photos/new"] {
        assert_eq!(told(&raw.request("HEAD", key).send()), PENDING);
        let whole = raw.get(key).send();
        assert_eq!((whole.text().as_str(), told(&whole)), ("after", PENDING));
        let range = raw.get(key).header("range", "bytes=1-2").send();
        assert_eq!((range.status, range.text().as_str(), told(&range)), (206, "ft", PENDING));
    }
    assert_eq!(told(&raw.request("HEAD", "/photos/same").send()), COMPLETED, "it was not touched meanwhile");
    let gone = raw.get("/photos/gone").send();
    assert_eq!((gone.status, told(&gone)), (404, [None, None]));
    drop(server);

    let (_server, raw) = serve(&place, &three(""));
    for key in ["/photos/changed", "/photos/new"] {
        all_have(&raw, key);
    }
    assert_eq!([place.read("far/photos/changed"), place.read("far/photos/new")], ["after", "after"]);
    within(|| (!place.path("far/photos/gone").exists()).then_some(()));
}

/// A body of a client: all short bodies have one length, and all long ones have another.
fn body(client: u64, number: u64) -> Vec<u8> {
    let lines = if number.is_multiple_of(3) { 30_000 } else { 20 };
    format!("{client:02} {number:03}\n").repeat(lines).into_bytes()
}

/// The client that wrote this body, and the number of the body.
#[track_caller]
fn written(whole: &[u8]) -> (u64, u64) {
    let first = whole.split(|byte| *byte == b'\n').next().map(String::from_utf8_lossy).unwrap_or_default();
    let (client, number) = first.split_once(' ').expect("a client and a number");
    let (client, number) = (client.parse().expect("a client"), number.parse().expect("a number"));
    assert!(whole == body(client, number), "{first} and {} bytes", whole.len());
    (client, number)
}

#[test]
fn clients_that_overwrite_one_object_leave_the_last_write_in_every_replica() {
    let unsteady = "jitter = '20ms'\nlost_reply = '5%'\nunavailable = '5%'\nlate = '5%'\nlate_by = '100ms'\noperations = 'writes'\n";
    for faults in ["", unsteady] {
        let place = Place::new();
        let (_server, raw) = serve(&place, &three(faults));
        put(&raw, "/photos", "");
        std::thread::scope(|scope| {
            for client in 0..6 {
                let raw = &raw;
                scope.spawn(move || {
                    for number in 0..40 {
                        put(raw, "/photos/a", body(client, number));
                        let got = raw.get("/photos/a").send();
                        assert_eq!(got.status, 200, "{}", got.text());
                        let (writer, shown) = written(&got.body);
                        assert!(
                            writer != client || shown == number,
                            "{client} wrote {number} and sees its {shown}"
                        );
                    }
                });
            }
        });
        let stands = raw.get("/photos/a").send().body;
        written(&stands);
        within(|| (told(&raw.request("HEAD", "/photos/a").send())[0] == Some("COMPLETED")).then_some(()));
        for directory in DIRECTORIES {
            let held = std::fs::read(place.path(directory).join("photos/a")).expect("a replica");
            assert!(
                held == stands,
                "{directory} has {:?}, and {:?} stands",
                written(&held),
                written(&stands)
            );
        }
        assert!(raw.get("/photos/a").send().body == stands);
    }
}

#[test]
fn a_replica_that_never_answers_or_breaks_off_fails_no_get_whatever_the_policy() {
    let place = Place::new();
    let body: Vec<u8> = (0..3_000_000u32).map(|n| (n / 7) as u8).collect();
    let (server, raw) = serve(&place, &three(""));
    put(&raw, "/photos", "");
    put(&raw, "/photos/long", &body);
    put(&raw, "/photos/short", "short");
    within(|| (told(&raw.request("HEAD", "/photos/long").send())[0] == Some("COMPLETED")).then_some(()));
    drop(server);
    for faults in ["hang = 1\noperations = 'get'\n", "torn_body = 1\noperations = 'get'\n"] {
        for read in ["ordered", "fastest", "hedged"] {
            // The faulty replica is the first to be asked.
            let first = format!("['nas', 'disk', 'lake']\nread = '{read}'");
            let (_server, raw) = serve(&place, &three(faults).replace("['disk', 'lake', 'nas']", &first));
            for _ in 0..5 {
                let got = raw.get("/photos/long").send();
                assert!(got.status == 200 && got.body == body, "{faults}{read}");
                let range = raw.get("/photos/long").header("range", "bytes=1000-2000999").send();
                assert!(range.status == 206 && range.body == body[1000..2_001_000], "{faults}{read}");
                assert_eq!(raw.get("/photos/short").send().text(), "short", "{faults}{read}");
            }
        }
    }
}

#[test]
fn with_one_replica_away_a_write_is_acknowledged_as_the_configuration_says() {
    let place = Place::new();
    let (server, raw) = serve(&place, &three(""));
    put(&raw, "/photos", "");
    drop(server);
    for (write, status) in [
        ("all", 503),
        ("quorum", 200),
        ("quorum'\nquorum = '3", 503),
        ("quorum'\nquorum = '1", 200),
        ("first", 200),
        ("best-effort", 200),
    ] {
        let policy = format!("['disk', 'lake', 'nas']\nwrite = '{write}'")
            .replace("= '3'", "= 3")
            .replace("= '1'", "= 1");
        let (_server, raw) = serve(&place, &three(AWAY).replace("['disk', 'lake', 'nas']", &policy));
        let reply = raw.put("/photos/a", write).send();
        assert_eq!(reply.status, status, "{write}: {}", reply.text());
        if status == 503 {
            assert_eq!(reply.code().as_deref(), Some("ServiceUnavailable"));
        } else {
            assert_eq!(raw.get("/photos/a").send().text(), write);
        }
    }
}

#[test]
fn what_replicas_differ_in_is_not_implemented() {
    let place = Place::new();
    let (_server, raw) = serve(&place, &three(""));
    put(&raw, "/photos", "");
    for (name, value) in [("x-amz-storage-class", "STANDARD_IA"), ("x-amz-server-side-encryption", "aws:kms")]
    {
        let refused = raw.put("/photos/a", "x").header(name, value).send();
        assert_eq!(refused.failure(), (501, "NotImplemented".to_owned()), "{name}");
        let refused = raw.post("/photos/a?uploads", "").header(name, value).send();
        assert_eq!(refused.failure(), (501, "NotImplemented".to_owned()), "{name}");
    }
    assert_eq!(raw.get("/photos/a").send().status, 404);
}

#[test]
fn a_bucket_that_one_replica_cannot_remove_stays_in_all_of_them() {
    let upstream = Server::start();
    let place = Place::new();
    let s3 = format!(
        "type = 's3'\nendpoint = 'http://{}'\naccess_key = '{}'\nsecret_key = '{}'\n",
        upstream.address(),
        ALICE.access_key,
        ALICE.secret_key
    );
    let (server, raw) = serve(&place, &three("").replace("type = 'fs'\nroot = 'lake'\n", &s3));
    let well =
        || within(|| (place.run(&["replicate", "status", "photos"], &[]).code == Some(0)).then_some(()));
    put(&raw, "/photos", "");
    put(&raw, "/photos/a", "x");
    assert_eq!(raw.request("DELETE", "/photos").send().failure(), (409, "BucketNotEmpty".to_owned()));
    assert_eq!(raw.request("DELETE", "/photos/a").send().status, 204);
    well();
    // A file is in the replica that is asked last.
    place.write("far/photos/theirs", "y");
    assert_eq!(raw.request("DELETE", "/photos").send().failure(), (409, "BucketNotEmpty".to_owned()));
    put(&raw, "/photos/b", "z");
    well();
    assert_eq!(
        [
            place.read("disk/photos/b"),
            upstream.raw().get("/photos/b").send().text(),
            place.read("far/photos/b")
        ],
        ["z"; 3]
    );

    std::fs::remove_file(place.path("far/photos/theirs")).expect("removed");
    assert_eq!(raw.request("DELETE", "/photos/b").send().status, 204);
    well();
    assert_eq!(raw.request("DELETE", "/photos").send().status, 204);
    assert!(!place.path("disk/photos").exists() && !place.path("far/photos").exists());
    assert_eq!(upstream.raw().get("/photos").send().failure(), (404, "NoSuchBucket".to_owned()));
    put(&raw, "/photos", "");
    assert_eq!(raw.get("/photos/b").send().status, 404);
    drop(server);
}

#[test]
fn a_bucket_made_while_a_replica_is_away_comes_to_it_later() {
    let place = Place::new();
    let all =
        |config: String| config.replace("['disk', 'lake', 'nas']", "['disk', 'lake', 'nas']\nwrite = 'all'");
    let (server, raw) = serve(&place, &all(three(AWAY)));
    assert_eq!(raw.put("/films", "").send().failure(), (503, "ServiceUnavailable".to_owned()));
    drop(server);
    let (server, raw) = serve(&place, &three(AWAY));
    put(&raw, "/photos", "");
    put(&raw, "/photos/a", "x");
    drop(server);
    let (_server, raw) = serve(&place, &all(three("")));
    within(|| (place.read("far/photos/a") == "x").then_some(()));
    put(&raw, "/films", "");
    put(&raw, "/films/a", "x");
    assert_eq!(place.read("far/films/a"), "x", "all have it");
}

#[test]
fn every_kind_of_change_goes_on_without_a_replica_and_reaches_it_later() {
    let long: Vec<u8> = (0..12_000_000u32).map(|n| (n / 5) as u8).collect();
    for faults in [AWAY, "hang = 1\noperations = 'writes'\n"] {
        let place = Place::new();
        let (server, raw) = serve(&place, &three(""));
        put(&raw, "/photos", "");
        for key in ["copied", "deleted", "tagged", "long"] {
            put(&raw, &format!("/photos/{key}"), key);
            within(|| {
                (told(&raw.request("HEAD", format!("/photos/{key}")).send())[0] == Some("COMPLETED"))
                    .then_some(())
            });
        }
        // The upload begins while all replicas can be reached.
        let upload = raw.post("/photos/parts?uploads", "").send().element("UploadId").expect("an upload");
        let part = |raw: &Raw, number: u32, body: &[u8]| {
            let put = raw.put(format!("/photos/parts?partNumber={number}&uploadId={upload}"), body).send();
            let etag = put.header("etag").expect("a part").to_owned();
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
        };
        let first = part(&raw, 1, &long[..6_000_000]);
        drop(server);

        let (server, raw) = serve(&place, &three(faults));
        put(&raw, "/photos/long", &long);
        let parts = first + &part(&raw, 2, &long[6_000_000..]);
        let complete = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let completed = raw.post(format!("/photos/parts?uploadId={upload}"), complete).send();
        assert!(completed.status == 200 && completed.code().is_none(), "{}", completed.text());
        let copy = raw.put("/photos/copy", "").header("x-amz-copy-source", "/photos/copied").send();
        assert!(copy.status == 200 && copy.code().is_none(), "{}", copy.text());
        let tags = "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>";
        assert_eq!(raw.put("/photos/tagged?tagging", tags).send().status, 200);
        assert_eq!(raw.request("DELETE", "/photos/deleted").send().status, 204);
        let now = [
            ("long", &long[..]),
            ("parts", &long),
            ("copy", b"copied"),
            ("copied", b"copied"),
            ("tagged", b"tagged"),
        ];
        for (key, body) in now {
            assert!(raw.get(format!("/photos/{key}")).send().body == body, "{key}");
        }
        drop(server);

        let (_server, raw) = serve(&place, &three(""));
        within(|| (place.run(&["replicate", "status", "photos"], &[]).code == Some(0)).then_some(()));
        for (directory, (key, body)) in
            DIRECTORIES.into_iter().flat_map(|directory| now.map(|now| (directory, now)))
        {
            assert!(
                std::fs::read(place.path(directory).join("photos").join(key)).expect("a replica") == body,
                "{key} in {directory}"
            );
            assert!(!place.path(directory).join("photos/deleted").exists(), "{directory}");
        }
        assert!(raw.get("/photos/tagged?tagging").send().text().contains("<Key>k</Key><Value>v</Value>"));
        place.run(&["replicate", "scrub", "photos", "--bytes"], &[]).succeeded();
    }
}
