//! `causeway bucket validate`.

use super::{
    process::Place,
    support::{ALICE, BOB, Server, Who},
};

fn configured(server: &Server, who: Who) -> Place {
    let place = Place::new();
    let Who { access_key, secret_key } = who;
    let backend = format!("[backend.up]\ntype = 's3'\nendpoint = 'http://{}'\n", server.address());
    place.write(
        "causeway.toml",
        &format!("{backend}access_key = '{access_key}'\nsecret_key = '{secret_key}'\n[bucket.photos]\nremote = 'there'\nprefix = 'a/b'\n"),
    );
    place
}

#[test]
fn a_bucket_that_can_be_used_is_valid_and_left_as_it_was() {
    let server = Server::start();
    assert_eq!(server.raw().put("/there", "").send().status, 200);
    let out = configured(&server, ALICE).run(&["bucket", "validate", "photos"], &[]).succeeded();
    for step in ["reach and list", "write", "read", "list what was written", "delete", "clean up"] {
        assert!(out.contains(&format!("ok      {step} ")), "{step}: {out}");
    }
    assert!(server.raw().get("/there?list-type=2").send().text().contains("<KeyCount>0</KeyCount>"));
}

#[test]
fn a_bucket_of_others_is_not_valid() {
    let server = Server::start();
    assert_eq!(server.raw().put("/there", "").send().status, 200);
    let ended = configured(&server, BOB).run(&["bucket", "validate", "photos", "--json"], &[]);
    let document: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    assert_eq!(
        (ended.code, &document["ok"], &document["place"]),
        (Some(1), &false.into(), &"there/a/b".into())
    );
    assert_eq!(document["steps"][0]["outcome"], "failed");
    assert!(!(ended.out + &ended.err).contains(BOB.secret_key));
}

#[test]
fn a_bucket_on_disk_is_tried_in_its_own_directory() {
    let place = Place::new();
    place.write("causeway.toml", "[backend.disk]\ntype = 'fs'\nroot = 'objects'\n[bucket.photos]\n");
    std::fs::create_dir_all(place.path("objects/photos")).expect("made");
    place.write("objects/photos/cat.jpg", "meow");
    place.run(&["bucket", "validate", "photos"], &[]).succeeded();
    let names: Vec<_> = std::fs::read_dir(place.path("objects/photos"))
        .expect("there")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(names, ["cat.jpg"]);
    let said = place.run(&["bucket", "validate", "films"], &[]).failed(1);
    assert!(said.contains("the configuration has no bucket 'films'; it has photos"), "{said}");
}
