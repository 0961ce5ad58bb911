//! The five checksums that S3 has since April 2026, through every operation with checksums. Few clients
//! compute them, so the requests are raw, and the values come from the reference implementations.

use crate::support::{Server, get, is, raw::RawReply};

struct Known {
    name: &'static str,
    /// The checksum of `hello`.
    sum: &'static str,
    /// The checksum of the empty body.
    other: &'static str,
    /// The composite checksum of an upload whose only part is `hello`.
    composite: &'static str,
}

const KNOWN: [Known; 5] = [
    Known {
        name: "SHA512",
        sum: "m3HSJL1i83hdltRq0+o9czGb+8KJDKra4t/3JRlnPKcjI8PZm6XBHXx6zG4UuMXaDEZjR1wuXDre9G9zvN7AQw==",
        other: "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
        composite: "BZKhBYT/q/llOfPXgNd2goxn2hq1sWnp6K7YOKrsye021J/xQjxV8BngUMZsYyT1NYi+iIlP703P/bdLmOKyAA==",
    },
    Known {
        name: "MD5",
        sum: "XUFAKrxLKna5cZ2REBfFkg==",
        other: "1B2M2Y8AsgTpgAmY7PhCfg==",
        composite: "YhCSBogNOKQBCpjhEkOSSg==",
    },
    Known { name: "XXHASH64", sum: "JseCfYifbaM=", other: "70bbN1HY6Zk=", composite: "wHwQM4qCWl0=" },
    Known { name: "XXHASH3", sum: "lVXoVVxi3P0=", other: "LQaABTjTlMI=", composite: "TgHCJrIzOAk=" },
    Known {
        name: "XXHASH128",
        sum: "tenBrQcbPn/Hec+qXlI4GA==",
        other: "maoG0wFHmNhgAcMkRo1Jfw==",
        composite: "+R+iwBIUelCUt9Gj6395bQ==",
    },
];

fn header(name: &str) -> String {
    format!("x-amz-checksum-{}", name.to_lowercase())
}

async fn started() -> (Server, String) {
    let server = Server::start();
    let bucket = server.bucket(&server.client()).await;
    (server, bucket)
}

/// The value and the type that HEAD shows to a client that asks for checksums.
fn shown(server: &Server, bucket: &str, name: &str) -> (Option<String>, Option<String>) {
    let reply =
        server.raw().request("HEAD", format!("/{bucket}/k")).header("x-amz-checksum-mode", "ENABLED").send();
    told(&reply, name)
}

/// The value and the type of the checksum in the headers of a reply.
fn told(reply: &RawReply, name: &str) -> (Option<String>, Option<String>) {
    (reply.header(&header(name)).map(str::to_owned), reply.header("x-amz-checksum-type").map(str::to_owned))
}

fn full(sum: &str) -> (Option<String>, Option<String>) {
    (Some(sum.to_owned()), Some("FULL_OBJECT".to_owned()))
}

#[tokio::test]
async fn a_value_in_a_header_is_compared_and_shown_wherever_the_object_is() {
    let (server, bucket) = started().await;
    let raw = server.raw();
    for Known { name, sum, other, .. } in KNOWN {
        let put = |value: &str| raw.put(format!("/{bucket}/k"), "hello").header(&header(name), value).send();
        assert_eq!(put(other).failure(), is(400, "BadDigest"), "{name}");
        assert_eq!(put("AAAA").failure(), is(400, "InvalidRequest"), "{name}");
        assert_eq!(get(&server.client(), &bucket, "k").await, None, "{name}");
        assert_eq!(told(&put(sum), name), full(sum));
        assert_eq!(shown(&server, &bucket, name), full(sum));
        let read = raw.get(format!("/{bucket}/k")).header("x-amz-checksum-mode", "ENABLED").send();
        assert_eq!(told(&read, name), full(sum));
        let attributes =
            raw.get(format!("/{bucket}/k?attributes")).header("x-amz-object-attributes", "Checksum").send();
        assert_eq!(attributes.element(&format!("Checksum{name}")).as_deref(), Some(sum));
        let list = raw.get(format!("/{bucket}?list-type=2")).send();
        assert_eq!(list.element("ChecksumAlgorithm").as_deref(), Some(name));
        assert_eq!(raw.request("DELETE", format!("/{bucket}/k")).send().status, 204);
    }
}

#[tokio::test]
async fn a_value_behind_the_body_is_compared_and_an_algorithm_alone_is_computed() {
    let (server, bucket) = started().await;
    let raw = server.raw();
    for Known { name, sum, other, .. } in KNOWN {
        let trailing = |value: &str| {
            let body = format!("5\r\nhello\r\n0\r\n{}:{value}\r\n\r\n", header(name));
            let put =
                raw.put(format!("/{bucket}/k"), body).framed().header("x-amz-decoded-content-length", "5");
            put.header("x-amz-trailer", header(name)).header("x-amz-sdk-checksum-algorithm", name).send()
        };
        assert_eq!(trailing(other).failure(), is(400, "BadDigest"), "{name}");
        assert_eq!(get(&server.client(), &bucket, "k").await, None, "{name}");
        assert_eq!(told(&trailing(sum), name), full(sum));
        let computed =
            raw.put(format!("/{bucket}/k"), "hello").header("x-amz-sdk-checksum-algorithm", name).send();
        assert_eq!(told(&computed, name), full(sum));
        assert_eq!(raw.request("DELETE", format!("/{bucket}/k")).send().status, 204);
    }
}

#[tokio::test]
async fn a_copy_has_the_algorithm_that_it_is_asked_for_and_else_that_of_its_source() {
    let (server, bucket) = started().await;
    let raw = server.raw();
    assert_eq!(raw.put(format!("/{bucket}/source"), "hello").send().status, 200);
    for Known { name, sum, .. } in KNOWN {
        let copy = |from: &str| {
            raw.request("PUT", format!("/{bucket}/k"))
                .header("x-amz-copy-source", format!("/{bucket}/{from}"))
        };
        let copied = copy("source").header("x-amz-checksum-algorithm", name).send();
        assert_eq!(copied.element(&format!("Checksum{name}")).as_deref(), Some(sum));
        assert_eq!(shown(&server, &bucket, name), full(sum));
        let again = raw
            .request("PUT", format!("/{bucket}/again"))
            .header("x-amz-copy-source", format!("/{bucket}/k"))
            .send();
        assert_eq!(again.element(&format!("Checksum{name}")).as_deref(), Some(sum));
    }
}

/// S3 has no checksum of the whole object for these algorithms: it cannot be computed from the parts.
#[tokio::test]
async fn an_upload_has_the_checksum_of_its_parts_checksums_and_no_other() {
    let (server, bucket) = started().await;
    let raw = server.raw();
    for Known { name, sum, other, composite } in KNOWN {
        let element = format!("Checksum{name}");
        let begin = || raw.post(format!("/{bucket}/k?uploads"), "").header("x-amz-checksum-algorithm", name);
        let refused = begin().header("x-amz-checksum-type", "FULL_OBJECT").send();
        assert_eq!(refused.failure(), is(400, "InvalidRequest"));
        assert!(refused.text().contains(&name.to_lowercase()), "{}", refused.text());
        let begun = begin().send();
        assert_eq!(
            (begun.header("x-amz-checksum-algorithm"), begun.header("x-amz-checksum-type")),
            (Some(name), Some("COMPOSITE"))
        );
        let upload = begun.element("UploadId").expect("an id");
        let part = |value: &str| {
            raw.put(format!("/{bucket}/k?partNumber=1&uploadId={upload}"), "hello")
                .header(&header(name), value)
                .send()
        };
        assert_eq!(part(other).failure(), is(400, "BadDigest"), "{name}");
        let sent = part(sum);
        assert_eq!(sent.header(&header(name)), Some(sum));
        let listed = raw.get(format!("/{bucket}/k?uploadId={upload}")).send();
        assert_eq!(
            (
                listed.element("ChecksumAlgorithm").as_deref(),
                listed.element("ChecksumType").as_deref(),
                listed.element(&element).as_deref()
            ),
            (Some(name), Some("COMPOSITE"), Some(sum))
        );
        let complete = |of_part: &str, of_all: String| {
            let etag = sent.header("etag").expect("an ETag");
            let part =
                format!("<PartNumber>1</PartNumber><ETag>{etag}</ETag><{element}>{of_part}</{element}>");
            let document = format!("<CompleteMultipartUpload><Part>{part}</Part></CompleteMultipartUpload>");
            raw.post(format!("/{bucket}/k?uploadId={upload}"), document).header(&header(name), of_all).send()
        };
        assert_eq!(complete(other, format!("{composite}-1")).failure(), is(400, "InvalidPart"), "{name}");
        assert_eq!(complete(sum, format!("{composite}-2")).failure(), is(400, "BadDigest"), "{name}");
        let completed = complete(sum, format!("{composite}-1"));
        assert_eq!(completed.element(&element), Some(format!("{composite}-1")), "{}", completed.text());
        assert_eq!(
            shown(&server, &bucket, name),
            (Some(format!("{composite}-1")), Some("COMPOSITE".to_owned()))
        );
        let attributes = raw
            .get(format!("/{bucket}/k?attributes"))
            .header("x-amz-object-attributes", "ObjectParts")
            .send();
        assert_eq!(attributes.element(&element).as_deref(), Some(sum), "{}", attributes.text());
    }
}
