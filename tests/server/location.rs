//! The URL that the answer of CompleteMultipartUpload names: whom the server believes about TLS.

use super::{
    process::Place,
    support::{Who, raw::Raw},
};

const ROOT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", "root-user"), ("CAUSEWAY_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };

/// The location of an object whose upload is completed by a client that claims to have come over TLS.
fn location(settings: &str) -> (String, String) {
    let place = Place::new();
    place.write("causeway.toml", &format!("[server]\ndata = 'd'\n{settings}"));
    let server = place.serve(&[], &ROOT);
    let raw = Raw::new(server.s3, WHO);
    assert_eq!(raw.put("/photos", "").send().status, 200);
    let upload = raw.post("/photos/a?uploads", "").send().element("UploadId").expect("an upload");
    let part = raw.put(format!("/photos/a?partNumber=1&uploadId={upload}"), "part").send();
    let list = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        part.header("etag").expect("an ETag")
    );
    let complete = raw.post(format!("/photos/a?uploadId={upload}"), list);
    let reply = complete.unsigned_header("x-forwarded-proto", "https").send();
    (reply.element("Location").expect("a location"), format!("{}/photos/a", server.s3))
}

#[test]
fn the_location_of_an_object_is_not_https_because_a_client_says_so() {
    let (location, rest) = location("");
    assert_eq!(location, format!("http://{rest}"));
}

#[test]
fn the_location_of_an_object_is_https_if_a_trusted_proxy_says_so() {
    let (location, rest) = location("trusted_proxies = '127.0.0.0/8'\n");
    assert_eq!(location, format!("https://{rest}"));
}
