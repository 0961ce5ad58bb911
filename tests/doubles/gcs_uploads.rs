//! Multipart uploads of the fake of Google Cloud Storage.

use crate::{
    gcs_buckets::elements,
    gcs_objects::{Gcs, generation},
    support::raw::RawReply,
};

const PART: usize = 5 << 20;

fn begin(gcs: &Gcs, key: &str) -> String {
    let begun = gcs
        .request("POST", &format!("/bucket/{key}?uploads"))
        .unsigned_header("content-type", "text/x")
        .send();
    begun.element("UploadId").expect("an id")
}

fn part(gcs: &Gcs, key: &str, upload: &str, number: u32, body: impl AsRef<[u8]>) -> String {
    let part =
        gcs.request("PUT", &format!("/bucket/{key}?partNumber={number}&uploadId={upload}")).body(body).send();
    part.header("etag").expect("an etag").to_owned()
}

fn complete(gcs: &Gcs, key: &str, upload: &str, parts: &[(u32, &str)]) -> RawReply {
    let entry = |(number, etag): &(u32, &str)| {
        format!("<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", etag.replace('"', "&quot;"))
    };
    let parts: String = parts.iter().map(entry).collect();
    let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    gcs.request("POST", &format!("/bucket/{key}?uploadId={upload}")).body(body).send()
}

#[test]
fn parts_make_an_object_without_md5_whose_etag_is_no_formula() {
    let gcs = Gcs::start();
    let upload = begin(&gcs, "key");
    let last = part(&gcs, "key", &upload, 7, "end");
    let first = part(&gcs, "key", &upload, 2, vec![b'a'; PART]);
    part(&gcs, "key", &upload, 3, "left out");
    assert_eq!(gcs.fake.object("bucket", "key"), None);
    let whole = complete(&gcs, "key", &upload, &[(2, &first), (7, &last)]);
    let etag = whole.element("ETag").expect("an etag");
    assert!(etag.ends_with("-2\"") && etag.len() == 36, "{etag}");
    let head = gcs.request("HEAD", "/bucket/key").send();
    assert_eq!(
        (head.header("etag"), head.header("content-type"), generation(&head)),
        (Some(etag.as_str()), Some("text/x"), generation(&whole))
    );
    let hashes: Vec<_> = head.headers.iter().filter(|(name, _)| name == "x-goog-hash").collect();
    assert!(matches!(&hashes[..], [(_, crc)] if crc.starts_with("crc32c=")), "{hashes:?}");
    let body =
        gcs.request("GET", "/bucket/key").unsigned_header("range", format!("bytes={}-", PART - 1)).send();
    assert_eq!(body.text(), "aend");
    assert_eq!(complete(&gcs, "key", &upload, &[(2, &first)]).failure(), (404, "NoSuchUpload".into()));
}

#[test]
fn a_complete_that_is_wrong_leaves_the_upload_as_it_was() {
    let gcs = Gcs::start();
    let upload = begin(&gcs, "key");
    let (one, two) = (part(&gcs, "key", &upload, 1, "small"), part(&gcs, "key", &upload, 2, "last"));
    assert_eq!(
        complete(&gcs, "key", &upload, &[(1, &one), (2, &two)]).failure(),
        (400, "EntityTooSmall".into())
    );
    assert_eq!(
        complete(&gcs, "key", &upload, &[(2, &two), (1, &one)]).failure(),
        (400, "InvalidPartOrder".into())
    );
    assert_eq!(complete(&gcs, "key", &upload, &[(1, &two)]).failure(), (400, "InvalidPart".into()));
    assert_eq!(complete(&gcs, "other", &upload, &[(1, &one)]).failure(), (404, "NoSuchUpload".into()));
    assert_eq!(complete(&gcs, "key", &upload, &[]).failure(), (400, "MalformedXML".into()));
    assert_eq!(gcs.fake.uploads("bucket"), 1);
    assert_eq!(complete(&gcs, "key", &upload, &[(1, &one)]).status, 200);
}

#[test]
fn uploads_know_neither_preconditions_nor_copied_parts() {
    let gcs = Gcs::start();
    gcs.put("/bucket/source", "x");
    let upload = begin(&gcs, "key");
    let targets = [
        ("POST", "/bucket/key?uploads".to_owned()),
        ("PUT", format!("/bucket/key?partNumber=1&uploadId={upload}")),
        ("POST", format!("/bucket/key?uploadId={upload}")),
    ];
    for (method, target) in &targets {
        let refused = gcs.request(method, target).unsigned_header("x-goog-if-generation-match", "0").send();
        assert_eq!(refused.failure(), (400, "NotImplemented".into()), "{method} {target}");
    }
    let copied =
        gcs.request("PUT", &targets[1].1).unsigned_header("x-goog-copy-source", "bucket/source").send();
    assert_eq!(copied.failure(), (501, "NotImplemented".into()));
}

#[test]
fn parts_and_uploads_are_listed_page_by_page_until_they_end() {
    let gcs = Gcs::start();
    let (second, first) = (begin(&gcs, "b"), begin(&gcs, "a"));
    for number in [1, 5, 9] {
        part(&gcs, "b", &second, number, "x");
    }
    let page = gcs.get(&format!("/bucket/b?uploadId={second}&max-parts=2"));
    assert_eq!(
        (elements(&page, "PartNumber"), page.element("NextPartNumberMarker").as_deref()),
        (vec!["1".into(), "5".into()], Some("5"))
    );
    let rest = gcs.get(&format!("/bucket/b?uploadId={second}&part-number-marker=5"));
    assert_eq!(
        (elements(&rest, "PartNumber"), rest.element("IsTruncated").as_deref()),
        (vec!["9".to_owned()], Some("false"))
    );

    let page = gcs.get("/bucket?uploads&max-uploads=1");
    assert_eq!(
        (elements(&page, "Key"), elements(&page, "UploadId")),
        (vec!["a".to_owned()], vec![first.clone()])
    );
    let rest = gcs.get(&format!("/bucket?uploads&key-marker=a&upload-id-marker={first}"));
    assert_eq!(elements(&rest, "UploadId"), [second.as_str()]);
    assert_eq!(gcs.request("DELETE", &format!("/bucket/b?uploadId={second}")).send().status, 204);
    assert_eq!(elements(&gcs.get("/bucket?uploads"), "UploadId"), [first.as_str()]);
    assert_eq!(gcs.get(&format!("/bucket/b?uploadId={second}")).failure(), (404, "NoSuchUpload".into()));
}
