//! A backend that keeps nothing: what clients meet, and what the configuration refuses.

use super::{
    process::Place,
    support::{Who, raw::Raw},
};

const ROOT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", "root-user"), ("CAUSEWAY_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };
/// The MD5 of `meow`.
const MEOW: &str = "4a4be40c96ac6314e91d93f38043a634";

fn configuration(keys: &str) -> Place {
    let place = Place::new();
    place.write("causeway.toml", &format!("[backend.nothing]\ntype = 'null'\n{keys}"));
    place
}

#[test]
fn every_object_is_taken_and_every_key_has_zeros() {
    let place = configuration("object_size = '300KiB'\nkeys = 1500\n");
    let server = place.serve(&["--data", "d"], &ROOT);
    let raw = Raw::new(server.s3, WHO);
    assert_eq!(raw.put("/bucket", "").send().status, 200);
    let put = raw.put("/bucket/a", "meow").header("content-md5", "SkvkDJasYxTpHZPzgEOmNA==").send();
    assert_eq!((put.status, put.header("etag")), (200, Some(format!("\"{MEOW}\"").as_str())));

    let got = raw.get("/bucket/other").send();
    assert_eq!((got.status, got.body.len(), got.header("content-length")), (200, 307_200, Some("307200")));
    assert!(got.body.iter().all(|byte| *byte == 0));
    let some = raw.get("/bucket/a").header("range", "bytes=307199-").send();
    assert_eq!((some.status, some.body.as_ref()), (206, &b"\0"[..]));
    let etag = got.header("etag").expect("an ETag");
    assert_eq!(raw.get("/bucket/a").header("if-none-match", etag).send().status, 304);

    let page = raw.get("/bucket?list-type=2&start-after=0998").send().text();
    assert!(page.contains("<Key>0999</Key>") && page.contains("<Key>1499</Key>"));
    assert!(page.contains("<KeyCount>501</KeyCount>"));
    assert_eq!(raw.request("DELETE", "/bucket/a").send().status, 204);
    assert_eq!(raw.request("DELETE", "/bucket").send().failure(), (409, "BucketNotEmpty".to_owned()));
}

#[test]
fn a_body_that_is_not_what_was_announced_is_refused() {
    let place = configuration("");
    let server = place.serve(&["--data", "d"], &ROOT);
    let raw = Raw::new(server.s3, WHO);
    raw.put("/bucket", "").send();
    let put = raw.put("/bucket/a", "meow").header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==").send();
    assert!(put.status == 400 && put.text().contains("<Code>BadDigest</Code>"), "{}", put.text());
    let put = raw.put("/bucket/a", "meow").header("x-amz-checksum-crc32", "AAAAAA==").send();
    assert!(put.status == 400 && put.text().contains("<Code>BadDigest</Code>"), "{}", put.text());
}

#[test]
fn what_a_store_would_have_to_remember_is_not_implemented() {
    let place = configuration("");
    let server = place.serve(&["--data", "d"], &ROOT);
    let raw = Raw::new(server.s3, WHO);
    raw.put("/bucket", "").send();
    for (header, value) in [("if-none-match", "*"), ("if-match", MEOW), ("x-amz-tagging", "a=b")] {
        let put = raw.put("/bucket/a", "meow").header(header, value).send();
        assert_eq!(put.status, 501, "{header}: {}", put.text());
    }
    let put = raw.put("/bucket/a", "meow").header("x-amz-acl", "public-read").send();
    assert_eq!(put.failure(), (400, "AccessControlListNotSupported".to_owned()));
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
    assert_eq!(raw.put("/bucket/a?tagging", tags).send().status, 501);
    assert_eq!(raw.request("DELETE", "/bucket/a").header("if-match", MEOW).send().status, 501);
}

#[test]
fn an_upload_is_known_until_it_ends() {
    let place = configuration("");
    let server = place.serve(&["--data", "d"], &ROOT);
    let raw = Raw::new(server.s3, WHO);
    raw.put("/bucket", "").send();
    assert!(!raw.get("/bucket").send().text().contains("<Key>"), "no keys are listed unless they are set");
    let begun = raw.post("/bucket/a?uploads", "").send().text();
    let id = begun.split_once("<UploadId>").and_then(|(_, rest)| rest.split_once('<')).expect("an id").0;
    let at = format!("/bucket/a?uploadId={id}");
    assert_eq!(raw.put(format!("/bucket/a?partNumber=1&uploadId={id}"), "meow").send().status, 200);
    assert!(raw.get(at.as_str()).send().text().contains(MEOW));
    assert!(raw.get("/bucket?uploads").send().text().contains(id));

    let part = |etag: &str| {
        format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>\
             </CompleteMultipartUpload>"
        )
    };
    let wrong = raw.post(at.as_str(), part("00000000000000000000000000000000")).send();
    assert!(wrong.text().contains("<Code>InvalidPart</Code>"), "{}", wrong.text());
    let complete = raw.post(at.as_str(), part(MEOW)).send();
    assert!(complete.status == 200 && complete.text().contains("-1"), "{}", complete.text());
    assert_eq!(raw.get(at.as_str()).send().status, 404);
    assert_eq!(raw.request("DELETE", at).send().status, 404);
    assert_eq!(raw.request("DELETE", "/bucket").send().status, 204);
}

#[test]
fn a_backend_that_keeps_nothing_is_no_replica() {
    let place = configuration(
        "[backend.disk]\ntype = 'memory'\n[backend.layer]\ntype = 'faulty'\nbackend = 'nothing'\n\
         [backend.both]\ntype = 'replicated'\nbackends = ['disk', 'layer']\n[default]\nbackend = 'both'\n",
    );
    let said = place.run(&["config", "check", "--config", "causeway.toml"], &[]).failed(2);
    assert!(said.contains("backend.both names 'layer', which keeps nothing that is written"), "{said}");
}
