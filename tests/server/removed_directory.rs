//! A bucket on local disk whose directory was removed by another program, or whose file system is not
//! mounted.

use super::{
    process::Place,
    support::{Who, is, raw::Raw},
};

const ROOT: Who = Who { access_key: "test-root", secret_key: "test-root-secret" };
const ENVIRONMENT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", ROOT.access_key), ("CAUSEWAY_ROOT_PASSWORD", ROOT.secret_key)];

#[test]
fn a_bucket_whose_directory_is_gone_says_so_to_clients_in_the_log_and_when_it_is_validated() {
    let place = Place::new();
    let disk = "[backend.disk]\ntype = 'fs'\nroot = 'objects'\n[bucket.photos]\n";
    place.write("causeway.toml", &format!("[server]\ndata = 'data'\nscan_interval = 'off'\n{disk}"));
    let server = place.serve(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    assert_eq!(raw.put("/photos/a", "x").send().status, 200);
    // The listing waits for the first scan, which might otherwise run while the files disappear.
    assert!(raw.get("/photos?list-type=2").send().text().contains("<Key>a</Key>"));
    std::fs::remove_dir_all(place.path("objects/photos")).expect("removed");

    assert_eq!(raw.put("/photos/b", "x").send().failure(), is(503, "ServiceUnavailable"));
    for (method, target) in [
        ("GET", "/photos/a"),
        ("DELETE", "/photos/a"),
        ("GET", "/photos/a?tagging"),
        ("GET", "/photos/missing"),
    ] {
        assert_eq!(
            raw.request(method, target).send().failure(),
            is(503, "ServiceUnavailable"),
            "{method} {target}"
        );
    }
    assert_eq!(raw.request("HEAD", "/photos/a").send().status, 503);
    assert!(!place.path("objects/photos").exists(), "it is not made again while the server runs");
    let log = place.read("stderr");
    assert!(log.contains("the directory 'photos' of the bucket is gone"), "{log}");
    let said = place.run(&["bucket", "validate", "photos"], &[]).failed(1);
    assert!(said.contains("objects/photos of bucket 'photos' on backend 'disk' does not exist"), "{said}");
    let said = place.run(&["bucket", "scan", "photos"], &[]).failed(1);
    assert!(said.contains("is gone"), "{said}");
    assert!(
        raw.get("/photos?list-type=2").send().text().contains("<Key>a</Key>"),
        "nobody says that the objects are deleted"
    );

    drop(server);
    let server = place.serve(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    assert!(place.read("stderr").contains("the directory of a bucket that had objects was missing"));
    assert!(raw.get("/photos?list-type=2").send().text().contains("<KeyCount>0</KeyCount>"));
    assert_eq!(raw.put("/photos/b", "x").send().status, 200);
}
