//! `causeway bucket scrub`.

use super::{
    process::{Place, Running},
    support::{Who, raw::Raw, sshd::Sshd},
};
use serde_json::{Value, json};
use std::{fs::File, io::Write, path::Path};

const ROOT: Who = Who { access_key: "test-root", secret_key: "test-root-secret" };
const ENVIRONMENT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", ROOT.access_key), ("CAUSEWAY_ROOT_PASSWORD", ROOT.secret_key)];
const PART: usize = 5 << 20;

/// A server whose bucket `photos` is on this backend, and holds some objects. The server scans only on
/// request.
fn photos(backend: &str) -> (Place, Running) {
    photos_with("", backend)
}

fn photos_with(server: &str, backend: &str) -> (Place, Running) {
    let place = Place::new();
    place.write(
        "causeway.toml",
        &format!("[server]\ndata = 'data'\nscan_interval = 'off'\n{server}\n[backend.tested]\n{backend}\n[bucket.photos]\n"),
    );
    let server = place.serve(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    assert_eq!(raw.put("/photos/empty", "").send().status, 200);
    assert_eq!(raw.put("/photos/a/one.jpg", "one").send().status, 200);
    assert_eq!(
        raw.put("/photos/a/two.jpg", "two").header("x-amz-checksum-sha256", SHA256_OF_TWO).send().status,
        200
    );
    let upload = raw.post("/photos/parts?uploads", "").send().element("UploadId").expect("an upload");
    let part = |number: u8, bytes: Vec<u8>| {
        let part = raw.put(format!("/photos/parts?partNumber={number}&uploadId={upload}"), bytes).send();
        format!(
            "<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>",
            part.header("etag").expect("a part")
        )
    };
    let parts = [part(1, vec![b'x'; PART]), part(2, b"end".to_vec())].concat();
    let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    assert_eq!(raw.post(format!("/photos/parts?uploadId={upload}"), document).send().status, 200);
    (place, server)
}

const SHA256_OF_TWO: &str = "P8TM/nRYcOLA2Z9x8w/wZWyN7dQcwdfT03aw2+aF4vM=";
const BYTES: usize = PART + 9;

fn counts(differing: u64) -> Value {
    json!({ "objects": 4, "bytes": BYTES, "differing": differing, "failed": 0, "changed": 0, "unverified": 0 })
}

/// Replaces the bytes by others of the same number and time: only reading detects it.
fn rot(path: &Path) {
    let modified = path.metadata().and_then(|metadata| metadata.modified()).expect("a time");
    let rotten: Vec<u8> = std::fs::read(path).expect("read").into_iter().map(|byte| !byte).collect();
    let mut file = File::options().write(true).open(path).expect("a file");
    file.write_all(&rotten).and_then(|()| file.set_modified(modified)).expect("changed in place");
}

fn is_sound(place: &Place) {
    let report: Value = serde_json::from_str(
        &place.run(&["bucket", "scrub", "photos", "--bytes", "--json"], &[]).succeeded(),
    )
    .expect("JSON");
    assert_eq!(report, json!({ "bucket": "photos", "bytes": true, "counts": counts(0), "findings": [] }));
    let said = place.run(&["bucket", "scrub", "photos"], &[]).succeeded();
    assert_eq!(said, "bucket photos: 4 objects looked at, 0 differ, 0 failed, 0 changed meanwhile\n");
}

/// Each of these files under `root` is found to be corrupt when its bytes are read, and nothing else is.
fn finds_rot(place: &Place, root: &Path) {
    is_sound(place);
    for (name, words) in
        [("a/one.jpg", "its bytes have the ETag "), ("parts", "the bytes of part 1 have the CRC64NVME ")]
    {
        let path = root.join(name);
        let right = std::fs::read(&path).expect("read");
        rot(&path);
        let report = place.run(&["bucket", "scrub", "photos", "--bytes", "--json"], &[]);
        assert_eq!(report.code, Some(1), "{name}");
        let report: Value = serde_json::from_str(&report.out).expect("JSON");
        assert_eq!(report["counts"]["differing"], 1, "{report}");
        assert_eq!(report["findings"][0]["key"], name);
        assert!(
            report["findings"][0]["what"].as_str().is_some_and(|what| what.starts_with(words)),
            "{report}"
        );
        let said = place.run(&["bucket", "scrub", "photos", "--bytes"], &[]);
        assert_eq!(said.code, Some(1));
        assert!(said.out.starts_with(&format!("\"{name}\": {words}")), "{}", said.out);
        rot(&path);
        assert_eq!(std::fs::read(&path).expect("read"), right, "right again");
    }
    is_sound(place);
}

#[test]
fn a_file_that_changed_in_place_is_found_on_a_disk() {
    let (place, _server) = photos("type = 'fs'\nroot = 'objects'");
    finds_rot(&place, &place.path("objects/photos"));
}

#[test]
fn a_file_that_changed_in_place_is_found_below_caches_that_still_have_the_right_bytes() {
    let (place, server) = photos_with(
        "data_cache_memory = '64MiB'",
        "type = 'fs'\nroot = 'objects'\nmetadata_ttl = '10m'\ndata_cache = true",
    );
    let raw = Raw::new(server.s3, ROOT);
    for name in ["a/one.jpg", "parts"] {
        assert_eq!(raw.get(format!("/photos/{name}")).send().status, 200);
    }
    finds_rot(&place, &place.path("objects/photos"));
}

#[test]
fn a_file_that_changed_in_place_is_found_on_an_sftp_server() {
    let sshd = Sshd::start();
    let (host, port, root) = (sshd.address().ip(), sshd.address().port(), sshd.root().join("objects"));
    let backend = format!(
        "type = 'sftp'\nhost = '{host}'\nport = {port}\nuser = '{}'\nprivate_key = {{ file = '{}' }}\nhost_key = '{}'\nroot = '{}'",
        Sshd::user(),
        sshd.key_file().display(),
        sshd.fingerprint(),
        root.display()
    );
    let (place, _server) = photos(&backend);
    finds_rot(&place, &root.join("photos"));
}

#[test]
fn a_bucket_in_memory_is_scrubbed_too() {
    let (place, _server) = photos("type = 'memory'");
    is_sound(&place);
}

#[test]
fn what_is_listed_and_gone_is_found_without_reading_a_byte() {
    let (place, _server) = photos("type = 'fs'\nroot = 'objects'");
    std::fs::remove_file(place.path("objects/photos/a/one.jpg")).expect("a file");
    let said = place.run(&["bucket", "scrub", "photos"], &[]);
    assert_eq!(
        (said.code, said.out.lines().next()),
        (Some(1), Some("\"a/one.jpg\": it is listed and cannot be found"))
    );
}

#[test]
fn without_a_server_the_command_scrubs_itself() {
    let (place, mut server) = photos("type = 'fs'\nroot = 'objects'");
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().success());
    finds_rot(&place, &place.path("objects/photos"));
    assert_eq!(
        place.run(&["bucket", "scrub", "films"], &[]).failed(1),
        "causeway: bucket 'films': no such bucket\n"
    );
}
