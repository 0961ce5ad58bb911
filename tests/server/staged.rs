//! Parts of uploads stay on local disk until their upload ends, and not longer: they are removed with their
//! bucket.

use super::{
    process::{Place, Running, within},
    support::{Who, raw::Raw},
};
use std::path::Path;

const ROOT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", "root-user"), ("CAUSEWAY_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };

/// A bucket on local disk, and one with two replicas there. Upkeep runs only at the start.
const CONFIGURATION: &str = "[server]\ndata = 'd'\nscan_interval = 'off'\n[backend.disk]\ntype = 'fs'\nroot = 'disk'\n[backend.one]\n\
     type = 'fs'\nroot = 'one'\n[backend.two]\ntype = 'fs'\nroot = 'two'\n[backend.safe]\ntype = 'replicated'\n\
     backends = ['one', 'two']\n[default]\nbackend = 'DEFAULT'\n";
const DIRECTORIES: [&str; 3] = ["disk", "one", "two"];

fn serve(place: &Place, default: &str) -> (Running, Raw) {
    place.write("causeway.toml", &CONFIGURATION.replace("DEFAULT", default));
    let server = place.serve(&[], &ROOT);
    let raw = Raw::new(server.s3, WHO);
    (server, raw)
}

/// Begins an upload with a part, and returns its id and the document that completes it.
fn begin(raw: &Raw, target: &str) -> (String, String) {
    let upload = raw.post(format!("{target}?uploads"), "").send().element("UploadId").expect("an upload");
    let part = raw.put(format!("{target}?partNumber=1&uploadId={upload}"), "part").send();
    let etag = part.header("etag").expect("a part").to_owned();
    let document = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>";
    (upload, document.replace("{etag}", &etag))
}

/// The number of uploads with staged parts in each directory.
fn staged(place: &Place) -> [usize; 3] {
    DIRECTORIES.map(|name| entries(&place.path(name).join(".causeway/uploads")))
}

fn entries(directory: &Path) -> usize {
    std::fs::read_dir(directory).map_or(0, |entries| entries.count())
}

#[test]
fn parts_of_an_upload_that_a_kill_interrupted_go_with_their_bucket() {
    for (default, before) in [("disk", [2, 0, 0]), ("safe", [0, 2, 2])] {
        let place = Place::new();
        let (server, raw) = serve(&place, default);
        for bucket in ["/gone", "/stays"] {
            assert_eq!(raw.put(bucket, "").send().status, 200);
        }
        begin(&raw, "/gone/key");
        let (upload, parts) = begin(&raw, "/stays/key");
        within(|| (staged(&place) == before).then_some(()));
        // Dropping the server kills it, without an orderly stop.
        drop(server);

        let (_server, raw) = serve(&place, default);
        assert_eq!(raw.request("DELETE", "/gone").send().status, 204);
        let after = before.map(|uploads| uploads / 2);
        within(|| (staged(&place) == after).then_some(()));
        assert_eq!(raw.get("/stays?uploads").send().text().matches("<Upload>").count(), 1);
        let completed = raw.post(format!("/stays/key?uploadId={upload}"), parts).send();
        assert!(completed.status == 200 && completed.code().is_none(), "{}", completed.text());
        assert_eq!(raw.get("/stays/key").send().body, b"part", "those of the other bucket have stayed");
    }
}

#[test]
fn a_start_removes_what_is_staged_for_buckets_that_are_gone_and_nothing_else() {
    let place = Place::new();
    let (server, raw) = serve(&place, "disk");
    assert_eq!(raw.put("/photos", "").send().status, 200);
    begin(&raw, "/photos/key");
    drop(server);
    let uploads = place.path("disk/.causeway/uploads");
    // The directory is like one that a kill leaves between the removal of a bucket and that of its parts.
    let left = uploads.join("4711-00112233445566778899aabbccddeeff");
    std::fs::create_dir(&left).expect("a directory");
    std::fs::write(left.join("u8"), "part").expect("a file");
    std::fs::create_dir(uploads.join("not ours")).expect("a directory");
    assert_eq!(entries(&uploads), 3);

    let (_server, raw) = serve(&place, "disk");
    within(|| (!left.exists()).then_some(()));
    assert_eq!(entries(&uploads), 2, "a live upload stays, and what has no name of ours");
    assert_eq!(raw.get("/photos?uploads").send().text().matches("<Upload>").count(), 1);
}
