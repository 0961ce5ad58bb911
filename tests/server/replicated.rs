//! Replicated buckets as clients and monitoring meet them: replies, health and metrics tell how replicas are.

use super::{
    process::{Place, Running, within},
    support::{
        Who,
        raw::{Raw, RawReply},
    },
};
use serde_json::Value;

const ROOT: [(&str, &str); 2] = [("CAUSEWAY_ROOT_USER", "root-user"), ("CAUSEWAY_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };

/// Replicas in three directories, of which `far` is reached through backend `nas`, which fails as `faults` say.
pub fn three(faults: &str) -> String {
    format!(
        "[server]\ndata = 'd'\n[backend.disk]\ntype = 'fs'\nroot = 'disk'\n[backend.lake]\ntype = 'fs'\nroot = 'lake'\n\
         [backend.far]\ntype = 'fs'\nroot = 'far'\n[backend.nas]\ntype = 'faulty'\nbackend = 'far'\n{faults}\
         [backend.safe]\ntype = 'replicated'\nbackends = ['disk', 'lake', 'nas']\n[default]\nbackend = 'safe'\n"
    )
}

/// Where they are.
pub const DIRECTORIES: [&str; 3] = ["disk", "lake", "far"];
/// Every call fails.
pub const AWAY: &str = "unavailable = 1\n";

pub fn serve(place: &Place, config: &str) -> (Running, Raw) {
    place.write("causeway.toml", config);
    let server = place.serve(&[], &ROOT);
    let raw = Raw::new(server.s3, WHO);
    (server, raw)
}

/// Buckets and objects, put.
#[track_caller]
pub fn put(raw: &Raw, target: &str, body: impl AsRef<[u8]>) {
    let reply = raw.put(target, body).send();
    assert_eq!(reply.status, 200, "{target}: {}", reply.text());
}

/// What a reply says of its replicas.
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
    let (server, raw) = serve(&place, &three("up = '2s'\ndown = '2s'\n"));
    let up = |replica: &str| server.metric(&format!("causeway_replica_up{{backend=\"safe\",replica=\"{replica}\"}}"));
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
    assert!(out["nas"].as_str().is_some_and(|why| why.starts_with("for ") && why.ends_with("the storage is down")), "{out:?}");
    within(|| {
        write();
        (up("nas") == Some(0.0)).then_some(())
    });
    assert_eq!([up("disk"), up("lake")], [Some(1.0); 2]);
    // Nobody writes any more.
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
    let all_have = |raw: &Raw, key: &str| within(|| (told(&raw.request("HEAD", key).send()) == COMPLETED).then_some(()));

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
