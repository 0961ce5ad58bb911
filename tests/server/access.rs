//! Buckets of the configuration that belong to identities of the configuration, and are shared with others.

use super::{
    process::{Place, Running},
    support::{Who, is, raw::Raw},
};

const ROOT: Who = Who { access_key: "root-user", secret_key: "root-password" };
const ALICE: Who = Who { access_key: "AKALICE", secret_key: "alice-secret" };
const BOB: Who = Who { access_key: "bob", secret_key: "bob-secret" };
const READER: Who = Who { access_key: "reader", secret_key: "reader-secret" };
const EVE: Who = Who { access_key: "eve", secret_key: "eve-secret" };
const IDENTITIES: &str = "[server]\ndata = 'd'\n\
     [[identity]]\naccess_key = 'root-user'\nsecret_key = 'root-password'\npolicy = 'admin'\n\
     [[identity]]\naccess_key = 'AKALICE'\nname = 'alice'\nsecret_key = 'alice-secret'\n\
     [[identity]]\naccess_key = 'bob'\nsecret_key = 'bob-secret'\n\
     [[identity]]\naccess_key = 'reader'\nsecret_key = 'reader-secret'\npolicy = 'readonly'\n\
     [[identity]]\naccess_key = 'eve'\nsecret_key = 'eve-secret'\n";

fn serve(place: &Place, buckets: &str) -> Running {
    place.write("causeway.toml", &format!("{IDENTITIES}{buckets}"));
    place.serve(&[], &[])
}

fn refused(buckets: &str) -> String {
    let place = Place::new();
    place.write("causeway.toml", &format!("{IDENTITIES}{buckets}"));
    place.run(&["config", "check", "--config", "causeway.toml"], &[]).failed(2)
}

fn names(server: &Running, who: Who) -> Vec<String> {
    let list = Raw::new(server.s3, who).get("/").send().text();
    list.split("<Name>").skip(1).filter_map(|rest| rest.split('<').next()).map(str::to_owned).collect()
}

/// The statuses of seven requests: list, read, read tags, write, write tags, delete, change the ACL.
fn may(server: &Running, who: Who, bucket: &str) -> [u16; 7] {
    let raw = Raw::new(server.s3, who);
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
    [
        raw.get(format!("/{bucket}?list-type=2")).send().status,
        raw.get(format!("/{bucket}/cat.jpg")).send().status,
        raw.get(format!("/{bucket}/cat.jpg?tagging")).send().status,
        raw.put(format!("/{bucket}/new.jpg"), "x").send().status,
        raw.put(format!("/{bucket}/cat.jpg?tagging"), tags).send().status,
        raw.request("DELETE", format!("/{bucket}/new.jpg")).send().status,
        raw.put(format!("/{bucket}?acl"), "").header("x-amz-acl", "private").send().status,
    ]
}

const ALL: [u16; 7] = [200, 200, 200, 200, 200, 204, 200];
const WRITES: [u16; 7] = [200, 200, 200, 200, 200, 204, 403];
const READS: [u16; 7] = [200, 200, 200, 403, 403, 403, 403];
const NONE: [u16; 7] = [403; 7];

#[test]
fn a_bucket_is_its_owners_and_of_those_whom_it_is_given_to_as_far_as_it_is_given() {
    let place = Place::new();
    let server = serve(
        &place,
        "[bucket.photos]\nowner = 'alice'\naccess = { bob = 'readwrite', reader = 'readonly' }\n",
    );
    assert_eq!(Raw::new(server.s3, ALICE).put("/photos/cat.jpg", "meow").send().status, 200);
    for (who, expected) in [(ALICE, ALL), (ROOT, ALL), (BOB, WRITES), (READER, READS), (EVE, NONE)] {
        assert_eq!(may(&server, who, "photos"), expected, "{}", who.access_key);
    }
    assert_eq!(
        Raw::new(server.s3, BOB).request("DELETE", "/photos").send().failure(),
        is(403, "AccessDenied")
    );
    // An object belongs to the owner of the bucket, whoever wrote it.
    assert_eq!(Raw::new(server.s3, BOB).put("/photos/bob.jpg", "b").send().status, 200);
    assert_eq!(Raw::new(server.s3, ALICE).get("/photos/bob.jpg").send().text(), "b");
}

#[test]
fn buckets_that_an_identity_may_read_are_in_its_list_page_by_page() {
    let place = Place::new();
    let server = serve(
        &place,
        "[bucket.aaa]\naccess = { AKALICE = 'readonly' }\n[bucket.bbb]\nowner = 'alice'\n[bucket.ccc]\n\
         [bucket.ddd]\nowner = 'bob'\naccess = { alice = 'readwrite', reader = 'readonly' }\n",
    );
    assert_eq!(names(&server, ALICE), ["aaa", "bbb", "ddd"]);
    assert_eq!(names(&server, BOB), ["ddd"]);
    assert_eq!(names(&server, READER), ["ddd"]);
    assert!(names(&server, EVE).is_empty());
    assert_eq!(names(&server, ROOT), ["aaa", "bbb", "ccc", "ddd"]);
    let first = Raw::new(server.s3, ALICE).get("/?max-buckets=2").send();
    assert!(
        first.text().contains("<Name>bbb</Name>") && !first.text().contains("<Name>ddd</Name>"),
        "{}",
        first.text()
    );
    let token = first
        .element("ContinuationToken")
        .expect("there is more")
        .replace('+', "%2B")
        .replace('=', "%3D")
        .replace('/', "%2F");
    let second = Raw::new(server.s3, ALICE).get(format!("/?continuation-token={token}&max-buckets=2")).send();
    assert!(
        second.text().contains("<Name>ddd</Name>") && !second.text().contains("<Name>bbb</Name>"),
        "{}",
        second.text()
    );
}

#[test]
fn a_bucket_changes_hands_by_configuration_and_keeps_its_owner_without_a_word() {
    let place = Place::new();
    let owner = |buckets: &str| {
        let server = serve(&place, buckets);
        [ALICE, BOB].map(|who| Raw::new(server.s3, who).get("/photos?list-type=2").send().status)
    };
    assert_eq!(owner("[bucket.photos]\n"), [403, 403]);
    assert_eq!(owner("[bucket.photos]\nowner = 'alice'\n"), [200, 403]);
    assert_eq!(owner("[bucket.photos]\n"), [200, 403]);
    assert_eq!(owner("[bucket.photos]\nowner = 'bob'\n"), [403, 200]);
    assert!(place.read("stderr").contains("a bucket was given to the owner that the configuration names"));
}

#[test]
fn identities_that_are_not_there_or_cannot_have_it_are_errors_of_the_configuration() {
    for (buckets, words) in [
        (
            "[bucket.photos]\nowner = 'alcie'\n",
            ":22: bucket.photos.owner names the identity 'alcie', which is not configured; did you mean 'alice'?",
        ),
        ("[bucket.photos]\naccess = { bb = 'readonly' }\n", "bucket.photos.access names the identity 'bb'"),
        (
            "[bucket.photos]\naccess = { reader = 'readwrite' }\n",
            "lets 'reader' write, whose policy is \"readonly\"",
        ),
        (
            "[bucket.photos]\naccess = { root-user = 'readonly' }\n",
            "lets 'root-user' only read, who is an administrator",
        ),
        (
            "[bucket.photos]\naccess = { bob = 'admin' }\n",
            "bucket.photos.access must be a table of identities",
        ),
    ] {
        let said = refused(buckets);
        assert!(said.contains(words) && said.lines().count() == 1, "{buckets}: {said}");
    }
}
