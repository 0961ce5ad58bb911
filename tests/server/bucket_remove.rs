//! `causeway bucket remove`.

use super::{
    process::Place,
    support::{Who, raw::Raw},
};

const ROOT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", "root-user"), ("CAUSEWAY_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };

const HEAD: &str = "# Of the operator.\n\n[backend.disk]\ntype = 'fs' # a disk\nroot = 'objects'\n[default]\nbackend = 'disk'\n";
const OTHER: &str = "[backend.other]\ntype = 'fs'\nroot = 'elsewhere'\n";
const PHOTOS: &str = "[bucket.photos]\nbackend = 'other'\nprefix = ''\n";
const FILMS: &str = "# Films.\n[bucket.films]\n";

#[test]
fn only_its_section_goes_and_its_data_stay() {
    let place = Place::new();
    place.write("causeway.toml", &[HEAD, OTHER, PHOTOS, FILMS].concat());
    std::fs::create_dir_all(place.path("elsewhere")).expect("made");
    place.write("elsewhere/cat.jpg", "meow");
    let said = place.run(&["bucket", "remove", "photos"], &[]).succeeded();
    assert!(said.contains("removed bucket 'photos'; its data stay where they are"), "{said}");
    assert_eq!(place.read("causeway.toml"), [HEAD, OTHER, FILMS].concat());
    assert_eq!(place.read("elsewhere/cat.jpg"), "meow");
    let said = place.run(&["bucket", "remove", "photos"], &[]).failed(2);
    assert!(said.contains("the configuration has no bucket 'photos'"), "{said}");
}

#[test]
fn words_that_open_the_file_stay_when_its_first_section_goes() {
    let place = Place::new();
    place.write("causeway.toml", &["# Of the operator.\n\n", FILMS, "[server]\nregion = 'x'\n"].concat());
    place.run(&["bucket", "remove", "films"], &[]).succeeded();
    assert_eq!(place.read("causeway.toml"), "# Of the operator.\n\n[server]\nregion = 'x'\n");
}

#[test]
fn a_backend_goes_with_its_last_bucket_if_that_is_asked_for() {
    let place = Place::new();
    let also = "[bucket.also]\nbackend = 'other'\nprefix = 'also'\n";
    place.write("causeway.toml", &[HEAD, OTHER, &PHOTOS.replace("''", "'p'"), also, FILMS].concat());
    let said = place.run(&["bucket", "remove", "photos", "--with-backend"], &[]).failed(2);
    assert!(said.contains("backend 'other' also holds bucket 'also'"), "{said}");
    place.run(&["bucket", "remove", "also"], &[]).succeeded();
    place.run(&["bucket", "remove", "photos", "--with-backend"], &[]).succeeded();
    assert_eq!(place.read("causeway.toml"), [HEAD, FILMS].concat());
    let said = place.run(&["bucket", "remove", "films", "--with-backend"], &[]).failed(2);
    assert!(said.contains("backend 'disk' is the default"), "{said}");
}

#[test]
fn a_bucket_that_was_served_is_gone_at_the_next_start() {
    let place = Place::new();
    place.write("causeway.toml", &[HEAD, OTHER, PHOTOS].concat());
    {
        let server = place.serve(&["--data", "d"], &ROOT);
        assert_eq!(Raw::new(server.s3, WHO).put("/photos/cat.jpg", "meow").send().status, 200);
        let said = place.run(&["bucket", "remove", "photos", "--data", "d"], &[]).failed(1);
        assert!(said.contains("in use by another server") && said.contains("nothing was changed"), "{said}");
    }
    place.run(&["bucket", "remove", "photos", "--data", "d"], &[]).succeeded();
    let server = place.serve(&["--data", "d"], &ROOT);
    assert_eq!(
        Raw::new(server.s3, WHO).get("/photos/cat.jpg").send().failure(),
        (404, "NoSuchBucket".to_owned())
    );
    assert_eq!(place.read("elsewhere/cat.jpg"), "meow");
    drop(server);
    // The bucket is added to the configuration again, and has its objects.
    place.write("causeway.toml", &[HEAD, OTHER, PHOTOS].concat());
    let server = place.serve(&["--data", "d"], &ROOT);
    assert_eq!(Raw::new(server.s3, WHO).get("/photos/cat.jpg").send().text(), "meow");
}
