//! Requests of pages from other origins: preflights, and what every reply lets their browsers show.

use crate::support::{
    BOB, Server, put,
    raw::{RawReply, RawRequest},
};
use std::time::Duration;

const PAGE: &str = "https://page.example.com";

const RULES: &str = "<CORSConfiguration>\
    <CORSRule><AllowedOrigin>https://*.example.com</AllowedOrigin><AllowedMethod>GET</AllowedMethod>\
    <AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader><AllowedHeader>content-type</AllowedHeader>\
    <ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>3000</MaxAgeSeconds></CORSRule>\
    <CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>HEAD</AllowedMethod></CORSRule>\
    </CORSConfiguration>";

const DEFAULT: &str =
    "[[cors]]\norigins = \"https://console.example.org\"\nmethods = [\"GET\", \"PUT\"]\nheaders = \"*\"\n";

fn set_rules(server: &Server, bucket: &str) {
    assert_eq!(server.raw().put(format!("/{bucket}?cors"), RULES).send().status, 200);
}

fn preflight(server: &Server, target: &str, origin: &str, method: &str, headers: &str) -> RawReply {
    let mut request = server.raw().request("OPTIONS", target).anonymous();
    request =
        request.unsigned_header("origin", origin).unsigned_header("access-control-request-method", method);
    if !headers.is_empty() {
        request = request.unsigned_header("access-control-request-headers", headers);
    }
    request.send()
}

/// What a browser looks at: origin, methods, exposed headers, credentials.
fn allowed(reply: &RawReply) -> [Option<&str>; 4] {
    ["allow-origin", "allow-methods", "expose-headers", "allow-credentials"]
        .map(|name| reply.header(&format!("access-control-{name}")))
}

const ALLOWED: [Option<&str>; 4] = [Some(PAGE), Some("GET, PUT"), Some("ETag"), Some("true")];
const NOTHING: [Option<&str>; 4] = [None; 4];

fn from_page(request: RawRequest) -> RawReply {
    request.unsigned_header("origin", PAGE).send()
}

#[tokio::test]
async fn a_preflight_is_answered_by_the_rules_of_its_bucket_without_a_signature() {
    let server = Server::start();
    let bucket = server.bucket(&server.client()).await;
    let key = format!("/{bucket}/any/key");
    let refused = preflight(&server, &key, PAGE, "PUT", "");
    assert_eq!(refused.failure(), (403, "AccessForbidden".to_owned()));
    assert!(refused.text().contains("CORS is not enabled for this bucket."));
    set_rules(&server, &bucket);
    let reply = preflight(&server, &key, PAGE, "PUT", "X-Amz-Date, content-type");
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    assert_eq!(allowed(&reply), ALLOWED);
    assert_eq!(reply.header("access-control-allow-headers"), Some("X-Amz-Date, content-type"));
    assert_eq!(reply.header("access-control-max-age"), Some("3000"));
    assert!(reply.header("vary").expect("caches are told").contains("Origin"));
    assert!(reply.header("x-amz-request-id").is_some());
    for (origin, method, headers) in [
        ("https://example.com", "PUT", ""),
        ("http://page.example.com", "PUT", ""),
        (PAGE, "DELETE", ""),
        (PAGE, "PUT", "authorization"),
        (PAGE, "HEAD", "x-amz-date"),
        (PAGE, "PATCH", ""),
    ] {
        let reply = preflight(&server, &key, origin, method, headers);
        assert_eq!(reply.failure(), (403, "AccessForbidden".to_owned()), "{origin} {method} {headers}");
        assert!(reply.text().contains("This CORS request is not allowed."), "{}", reply.text());
        assert_eq!(allowed(&reply), NOTHING);
    }
    let any = preflight(&server, &key, "https://elsewhere", "HEAD", "");
    assert_eq!(allowed(&any), [Some("*"), Some("HEAD"), None, None]);
}

#[tokio::test]
async fn a_preflight_does_not_tell_whether_a_bucket_exists() {
    let server = Server::start();
    let bucket = server.bucket(&server.client()).await;
    let told = |bucket: &str| {
        let reply = preflight(&server, &format!("/{bucket}/k"), PAGE, "GET", "");
        let id = reply.header("x-amz-request-id").expect("an id").to_owned();
        (reply.status, reply.text().replace(&id, "").replace(bucket, ""))
    };
    assert_eq!(told(&bucket), told("no-such-bucket"));
    assert_eq!(told(&bucket), told("No-Such-Name"));
}

#[tokio::test]
async fn every_reply_to_a_page_that_a_rule_allows_may_be_shown_whatever_its_status() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    set_rules(&server, &bucket);
    put(&client, &bucket, "k", "hello").await;
    let (raw, key) = (server.raw(), format!("/{bucket}/k"));
    let missing = format!("/{bucket}/missing");
    for (status, request) in [
        (200, raw.get(&key)),
        (200, raw.get(&key).presigned(Duration::from_secs(60))),
        (200, raw.put(format!("/{bucket}/other"), "x")),
        (304, raw.get(&key).header("if-none-match", "*")),
        (403, raw.get(&key).anonymous()),
        (403, server.raw_of(BOB).get(&key)),
        (403, raw.get(&key).presigned(Duration::ZERO)),
        (404, raw.get(&missing)),
        (412, raw.get(&key).header("if-match", "\"other\"")),
        (416, raw.get(&key).header("range", "bytes=9-")),
        (400, raw.put(&key, "x").header("content-md5", "junk")),
        (400, raw.get(format!("{key}?partNumber=x"))),
        (501, raw.get(format!("/{bucket}?inventory"))),
    ] {
        let reply = from_page(request);
        assert_eq!((reply.status, allowed(&reply)), (status, ALLOWED), "{}", reply.text());
    }
    let denied = from_page(raw.request("DELETE", &key));
    assert_eq!((denied.status, allowed(&denied)), (204, NOTHING), "rules open nothing, and forbid nothing");
    assert!(denied.header("vary").is_some());
    let elsewhere = raw.get(&missing).unsigned_header("origin", "https://elsewhere").send();
    assert_eq!((elsewhere.status, allowed(&elsewhere)), (404, NOTHING));
    let head = raw.request("HEAD", &missing).unsigned_header("origin", "https://elsewhere").send();
    assert_eq!((head.status, allowed(&head)), (404, [Some("*"), Some("HEAD"), None, None]));
    assert_eq!(allowed(&raw.get(&missing).send()), NOTHING, "no page asked");
}

#[tokio::test]
async fn rules_hold_after_a_restart_also_for_a_request_that_is_refused_first() {
    let mut server = Server::start();
    let bucket = server.bucket(&server.client()).await;
    set_rules(&server, &bucket);
    server.restart();
    let refused = server.raw().get(format!("/{bucket}/k")).tamper("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA257");
    let reply = from_page(refused);
    assert_eq!((reply.status / 100, allowed(&reply)), (4, ALLOWED), "{}", reply.text());
    let first = preflight(&server, &format!("/{bucket}/k"), PAGE, "GET", "");
    assert_eq!((first.status, allowed(&first)), (200, ALLOWED));
}

#[tokio::test]
async fn the_rules_of_the_configuration_are_those_of_all_buckets_without_their_own() {
    let server = Server::configured("", DEFAULT);
    let client = server.client();
    let (plain, own) = (server.bucket(&client).await, server.bucket(&client).await);
    set_rules(&server, &own);
    let console = "https://console.example.org";
    let origin = |target: &str| {
        let reply = server.raw().get(target).unsigned_header("origin", console).send();
        reply.header("access-control-allow-origin").map(str::to_owned)
    };
    let expected = Some(console.to_owned());
    assert_eq!(origin("/"), expected, "the list of buckets is of no bucket");
    assert_eq!(origin(&format!("/{plain}/k")), expected);
    assert_eq!(origin("/no-such-bucket/k"), expected);
    assert_eq!(origin(&format!("/{own}/k")), None);
    assert_eq!(preflight(&server, &format!("/{plain}"), console, "PUT", "authorization").status, 200);
    assert_eq!(preflight(&server, &format!("/{own}"), console, "PUT", "").status, 403);
    let cors = server.raw().get(format!("/{plain}?cors")).send();
    assert_eq!(cors.code().as_deref(), Some("NoSuchCORSConfiguration"), "they are not the bucket's");
    client.delete_bucket_cors().bucket(&own).send().await.expect("deleted");
    assert_eq!(origin(&format!("/{own}/k")), expected);
}

#[test]
fn a_request_that_is_refused_for_its_rate_says_so_to_its_page() {
    let busy = format!("{DEFAULT}[bucket.busy]\nowner = \"test-alice\"\nrequest_rate = 1\n");
    let server = Server::configured("", &busy);
    let ask = || {
        let request = server.raw().get("/busy/k").unsigned_header("origin", "https://console.example.org");
        request.send()
    };
    let replies: Vec<RawReply> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..32).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|asked| asked.join().expect("answered")).collect()
    });
    assert!(replies.iter().any(|reply| reply.code().as_deref() == Some("SlowDown")));
    for reply in replies {
        let origin = reply.header("access-control-allow-origin");
        assert_eq!(origin, Some("https://console.example.org"), "{} {}", reply.status, reply.text());
    }
}
