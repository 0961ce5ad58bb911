//! Directories in MinIO's own format are recognised and not served.

use super::{
    process::Place,
    support::{Who, raw::Raw},
};

const ROOT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", "root-user"), ("CAUSEWAY_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };
const WORDS: &str = "in MinIO's own format";

/// An object in MinIO's format.
fn keep(place: &Place, object: &str) {
    std::fs::create_dir_all(place.path(object)).expect("made");
    std::fs::write(place.path(object).join("xl.meta"), b"XL2 1 0\xc6\0\0").expect("written");
}

/// A directory of MinIO in this format.
fn drive(place: &Place, name: &str, format: &str) {
    std::fs::create_dir_all(place.path(name).join(".minio.sys")).expect("made");
    std::fs::write(
        place.path(name).join(".minio.sys/format.json"),
        format!("{{\"version\":\"1\",\"format\":\"{format}\"}}"),
    )
    .expect("written");
}

#[test]
fn a_data_directory_of_minio_is_refused_before_anything_is_made_in_it() {
    let place = Place::new();
    drive(&place, "d", "xl-single");
    keep(&place, "d/photos/cat.jpg");
    let ended = place
        .run(&["serve", "--data", "d", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"], &ROOT);
    let said = ended.failed(2);
    assert!(
        said.contains("backend 'disk' at d: ")
            && said.contains(WORDS)
            && said.contains("causeway bucket add NAME http://"),
        "{said}"
    );
    assert!(!place.path("d/.causeway").exists());
    let said = place.run(&["bucket", "add", "photos", "./d"], &[]).failed(1);
    assert!(said.contains(WORDS) && !place.path("causeway.toml").exists(), "{said}");
}

#[test]
fn a_directory_of_minios_former_plain_format_is_served() {
    let place = Place::new();
    drive(&place, "d", "fs");
    std::fs::create_dir_all(place.path("d/photos")).expect("made");
    place.write("d/photos/cat.jpg", "meow");
    let server = place.serve(&["--data", "d"], &ROOT);
    assert_eq!(Raw::new(server.s3, WHO).get("/photos/cat.jpg").send().text(), "meow");
}

#[test]
fn a_bucket_of_minio_is_not_adopted_and_all_others_are() {
    let place = Place::new();
    keep(&place, "d/theirs/2024/cat.jpg");
    std::fs::create_dir_all(place.path("d/plain")).expect("made");
    place.write("d/plain/cat.jpg", "meow");
    // An object of this name is an ordinary object.
    std::fs::create_dir_all(place.path("d/named/xl.meta")).expect("made");
    let server = place.serve(&["--data", "d"], &ROOT);
    let raw = Raw::new(server.s3, WHO);
    let list = raw.get("/").send().text();
    assert!(
        list.contains("<Name>plain</Name>")
            && list.contains("<Name>named</Name>")
            && !list.contains("theirs"),
        "{list}"
    );
    assert!(place.read("stderr").contains(WORDS));
    let said = place.run(&["bucket", "adopt", "theirs", "--data", "d"], &ROOT).failed(1);
    assert!(said.contains(WORDS), "{said}");
    drop(server);

    place.write("causeway.toml", "[server]\ndata = 'd'\n[bucket.theirs]\n");
    let said = place
        .run(
            &[
                "serve",
                "--config",
                "causeway.toml",
                "--listen",
                "127.0.0.1:0",
                "--admin-listen",
                "127.0.0.1:0",
            ],
            &ROOT,
        )
        .failed(1);
    assert!(said.contains("opening bucket 'theirs'") && said.contains(WORDS), "{said}");
    let said = place.run(&["bucket", "validate", "theirs"], &ROOT).failed(1);
    assert!(said.contains(WORDS), "{said}");
}
