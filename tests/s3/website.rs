//! Websites over the wire: what browsers are shown of a bucket, by host. Each is read as an anonymous client
//! reads it.

use super::put_bucket_policy::policy;
use crate::support::{
    Server, put,
    raw::{Raw, RawReply, RawRequest},
};
use aws_sdk_s3::{Client, types::ObjectCannedAcl};
use std::time::Duration;

const DOMAIN: &str = "web.example.com";
const PAGE: &str = "https://page.example.com";

const INDEX: &str = "<IndexDocument><Suffix>index.html</Suffix></IndexDocument>";
const ERROR: &str = "<ErrorDocument><Key>404.html</Key></ErrorDocument>";

/// A bucket with a website, and how it is asked for pages.
struct Site {
    server: Server,
    client: Client,
    bucket: String,
}

impl Site {
    /// A website whose objects everybody may read.
    async fn public(configuration: &str) -> Self {
        let site = Self::private(configuration).await;
        site.set_policy(&policy(&site.bucket, "Allow", "s3:GetObject", ""));
        site
    }

    async fn private(configuration: &str) -> Self {
        Self::on(start(), configuration).await
    }

    async fn on(server: Server, configuration: &str) -> Self {
        let client = server.client();
        let bucket = server.bucket(&client).await;
        let site = Self { server, client, bucket };
        site.configure(configuration);
        site
    }

    fn configure(&self, content: &str) {
        let document = format!("<WebsiteConfiguration>{content}</WebsiteConfiguration>");
        let set = self.server.raw().put(format!("/{}?website", self.bucket), document).send();
        assert_eq!(set.status, 200, "{}", set.text());
    }

    fn set_policy(&self, policy: &str) {
        let set = self.server.raw().put(format!("/{}?policy", self.bucket), policy).send();
        assert_eq!(set.status, 204, "{}", set.text());
    }

    async fn put(&self, key: &str, body: &str) {
        put(&self.client, &self.bucket, key, body).await;
    }

    fn host(&self) -> String {
        format!("{}.{DOMAIN}", self.bucket)
    }

    fn ask(&self, method: &str, target: &str) -> RawRequest {
        let raw = Raw::new(self.server.website(), crate::support::ALICE);
        raw.request(method, target).anonymous().host(self.host())
    }

    fn get(&self, target: &str) -> RawReply {
        self.ask("GET", target).send()
    }
}

fn start() -> Server {
    Server::configured("", &format!("[website]\nlisten = \"127.0.0.1:0\"\ndomain = \"{DOMAIN}\"\n"))
}

/// Status and `Location`.
fn sent_to(reply: &RawReply) -> (u16, Option<&str>) {
    (reply.status, reply.header("location"))
}

/// Asserts that a reply is a page of ours for an error.
fn assert_page(reply: &RawReply, status: u16, code: &str) {
    assert_eq!((reply.status, reply.header("content-type")), (status, Some("text/html; charset=utf-8")));
    assert_eq!(reply.header("x-amz-error-code"), Some(code));
    let id = reply.header("x-amz-request-id").expect("an id");
    let text = reply.text();
    assert!(text.contains(&format!("<li>Code: {code}</li>")), "{text}");
    assert!(text.contains(&format!("<li>RequestId: {id}</li>")), "{text}");
}

#[tokio::test]
async fn the_root_and_every_folder_show_their_index_and_other_paths_are_keys() {
    let site = Site::public(INDEX).await;
    site.put("index.html", "root").await;
    site.put("a/b/index.html", "folder").await;
    site.put("a b/ü?.txt", "odd").await;
    for (target, body) in
        [("/", "root"), ("/?x=1", "root"), ("/a/b/", "folder"), ("/a%20b/%C3%BC%3F.txt", "odd")]
    {
        let reply = site.get(target);
        assert_eq!((reply.status, reply.text().as_str()), (200, body), "{target}");
        assert!(reply.header("etag").is_some() && reply.header("last-modified").is_some());
        assert_eq!(reply.header("server"), Some("Causeway"));
        let head = site.ask("HEAD", target).send();
        let length = body.len().to_string();
        assert_eq!((head.status, head.header("content-length")), (200, Some(length.as_str())), "{target}");
        assert!(head.body.is_empty());
    }
    // S3 itself is asked for keys alone.
    assert_eq!(site.server.raw().get(format!("/{}/a/b/", site.bucket)).send().status, 404);
}

#[tokio::test]
async fn a_path_without_its_slash_is_redirected_to_its_folder_if_that_has_an_index() {
    let site = Site::public(INDEX).await;
    site.put("a/index.html", "folder").await;
    site.put("both", "object").await;
    site.put("both/index.html", "folder").await;
    site.put("empty/other.html", "x").await;
    site.put("/evil.example/index.html", "x").await;
    assert_eq!(sent_to(&site.get("/a")), (302, Some("/a/")));
    assert_eq!(sent_to(&site.ask("HEAD", "/a?x=1").send()), (302, Some("/a/?x=1")));
    assert_eq!(site.get("/both").text(), "object");
    assert_eq!(sent_to(&site.get("/empty")), (403, None));
    // Browsers would take `//evil.example/` for another host.
    assert_eq!(sent_to(&site.get("//evil.example")), (302, Some("/%2Fevil.example/")));
    assert_eq!(site.get("/%2Fevil.example/").status, 200);
}

#[tokio::test]
async fn nobody_is_shown_what_an_anonymous_client_may_not_read_nor_that_it_exists() {
    let site = Site::private(INDEX).await;
    site.put("index.html", "secret").await;
    site.put("folder/index.html", "secret").await;
    for target in ["/", "/index.html", "/folder", "/folder/", "/missing"] {
        let reply = site.get(target);
        assert_page(&reply, 403, "AccessDenied");
        assert!(!reply.text().contains("secret"));
    }
    // Not even to those that could prove who they are.
    let signed = Raw::new(site.server.website(), crate::support::ALICE);
    let signed = signed.get("/").host(site.host());
    assert_page(&signed.clone().send(), 403, "AccessDenied");
    assert_page(&signed.presigned(Duration::from_secs(60)).send(), 403, "AccessDenied");

    let open = site.client.put_object_acl().bucket(&site.bucket).key("index.html");
    open.acl(ObjectCannedAcl::PublicRead).send().await.expect("an ACL");
    assert_eq!(site.get("/").text(), "secret", "the ACL of the object decides");
    let block = "<PublicAccessBlockConfiguration><IgnorePublicAcls>true</IgnorePublicAcls></PublicAccessBlockConfiguration>";
    assert_eq!(
        site.server.raw().put(format!("/{}?publicAccessBlock", site.bucket), block).send().status,
        200
    );
    assert_page(&site.get("/"), 403, "AccessDenied");
}

#[tokio::test]
async fn wrong_credentials_are_ignored_like_right_ones() {
    let site = Site::public(INDEX).await;
    site.put("index.html", "root").await;
    let wrong = site.ask("GET", "/?X-Amz-Signature=0&X-Amz-Algorithm=AWS4-HMAC-SHA256&versionId=none");
    let wrong = wrong.unsigned_header("authorization", "AWS4-HMAC-SHA256 Credential=nobody");
    let wrong = wrong.unsigned_header("x-amz-server-side-encryption-customer-algorithm", "AES256");
    assert_eq!(wrong.send().text(), "root");
}

#[tokio::test]
async fn policies_see_who_asks_for_a_page_and_from_where() {
    let site = Site::private(INDEX).await;
    site.put("index.html", "root").await;
    let from = |condition: &str| {
        policy(&site.bucket, "Allow", "s3:GetObject", &format!(r#", "Condition": {condition}"#))
    };
    for (condition, status) in [
        (r#"{"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}"#, 200),
        (r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#, 403),
        (r#"{"Bool": {"aws:SecureTransport": "true"}}"#, 403),
        (r#"{"StringLike": {"aws:Referer": "https://ours/*"}}"#, 200),
    ] {
        site.set_policy(&from(condition));
        let asked = site.ask("GET", "/").unsigned_header("referer", "https://ours/page");
        let forged = asked
            .unsigned_header("x-forwarded-for", "10.0.0.1")
            .unsigned_header("x-forwarded-proto", "https");
        assert_eq!(forged.send().status, status, "{condition}");
    }
}

#[tokio::test]
async fn missing_objects_are_404_only_where_everybody_may_list() {
    let site = Site::public(INDEX).await;
    assert_page(&site.get("/missing"), 403, "AccessDenied");
    site.set_policy(&policy(&site.bucket, "Allow", "s3:*", ""));
    let reply = site.get("/a%3Cscript%3E");
    assert_page(&reply, 404, "NoSuchKey");
    assert!(reply.text().contains("<li>Key: a&lt;script&gt;</li>"), "{}", reply.text());
    assert!(site.get("/").text().contains("<li>Key: index.html</li>"));
}

#[tokio::test]
async fn an_error_document_is_shown_with_the_status_of_the_error() {
    let site = Site::public(&format!("{INDEX}{ERROR}")).await;
    let missing = site.get("/missing");
    assert_page(&missing, 403, "AccessDenied");
    assert!(missing.text().contains("Attempting to Retrieve a Custom Error Document"), "{}", missing.text());
    let document = site.client.put_object().bucket(&site.bucket).key("404.html");
    let document =
        document.content_type("text/html").cache_control("no-store").website_redirect_location("/x");
    document.body(b"not here".to_vec().into()).send().await.expect("a document");
    for asked in [
        site.ask("GET", "/missing"),
        site.ask("GET", "/missing").unsigned_header("range", "bytes=0-1"),
        site.ask("GET", "/missing").unsigned_header("if-none-match", "*"),
    ] {
        let reply = asked.send();
        assert_eq!((reply.status, reply.text().as_str()), (403, "not here"));
        assert_eq!(reply.header("content-type"), Some("text/html"));
        assert_eq!(reply.header("x-amz-error-code"), Some("AccessDenied"));
        assert_eq!((reply.header("etag"), reply.header("location")), (None, None));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }
    let head = site.ask("HEAD", "/missing").send();
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (403, Some("8"), 0));
    // It is a page of its own, too.
    assert_eq!(sent_to(&site.get("/404.html")), (301, Some("/x")));
}

#[tokio::test]
async fn rules_redirect_before_an_object_is_read_and_after_it_failed() {
    let rules = "<RoutingRules>\
        <RoutingRule><Condition><KeyPrefixEquals>docs/</KeyPrefixEquals></Condition>\
        <Redirect><ReplaceKeyPrefixWith>documents/</ReplaceKeyPrefixWith></Redirect></RoutingRule>\
        <RoutingRule><Condition><HttpErrorCodeReturnedEquals>403</HttpErrorCodeReturnedEquals>\
        <KeyPrefixEquals>old/</KeyPrefixEquals></Condition><Redirect><Protocol>https</Protocol>\
        <HostName>archive.example.com</HostName><HttpRedirectCode>307</HttpRedirectCode></Redirect></RoutingRule>\
        <RoutingRule><Condition><HttpErrorCodeReturnedEquals>403</HttpErrorCodeReturnedEquals></Condition>\
        <Redirect><ReplaceKeyWith>#!/lost</ReplaceKeyWith></Redirect></RoutingRule></RoutingRules>";
    let site = Site::public(&format!("{INDEX}{ERROR}{rules}")).await;
    for key in ["index.html", "docs/a", "old/here", "404.html"] {
        site.put(key, key).await;
    }
    let own = format!("http://{}", site.host());
    let reply = site.get("/docs/a%20%22b?x=%20y");
    assert_eq!(sent_to(&reply), (301, Some(&*format!("{own}/documents/a%20%22b?x=%20y"))));
    assert_eq!(reply.body.len(), 0);
    assert_eq!(site.get("/old/here").text(), "old/here");
    let archive = Some("https://archive.example.com/old/gone");
    assert_eq!(sent_to(&site.get("/old/gone")), (307, archive));
    assert_eq!(sent_to(&site.ask("HEAD", "/old/gone").send()), (307, archive));
    assert_eq!(sent_to(&site.get("/lost")), (301, Some(&*format!("{own}/#!/lost"))));
    // The port is part of the host that was asked for.
    let host = format!("{}:8080", site.host());
    let reply = site.ask("GET", "/docs/").host(host.clone()).send();
    assert_eq!(sent_to(&reply), (301, Some(&*format!("http://{host}/documents/"))));
}

#[tokio::test]
async fn a_redirect_is_one_header_whatever_a_client_writes_into_its_path() {
    let rules = "<RoutingRules><RoutingRule><Condition><KeyPrefixEquals>d/</KeyPrefixEquals></Condition>\
        <Redirect><ReplaceKeyPrefixWith></ReplaceKeyPrefixWith></Redirect></RoutingRule></RoutingRules>";
    let site = Site::public(&format!("{INDEX}{rules}")).await;
    let own = format!("http://{}", site.host());
    for (target, path) in [
        ("/d/%0D%0ASet-Cookie:%20a=b", "/%0D%0ASet-Cookie%3A%20a%3Db"),
        ("/d//evil.example/", "//evil.example/"),
        ("/d/%5C%5Cevil.example", "/%5C%5Cevil.example"),
        ("/d/@evil.example", "/%40evil.example"),
    ] {
        let reply = site.get(target);
        assert_eq!(sent_to(&reply), (301, Some(&*format!("{own}{path}"))), "{target}");
        assert_eq!(reply.header("set-cookie"), None);
    }
}

#[tokio::test]
async fn a_bucket_may_send_every_request_elsewhere() {
    let all = "<RedirectAllRequestsTo><HostName>www.example.com</HostName><Protocol>https</Protocol></RedirectAllRequestsTo>";
    let site = Site::private(all).await;
    for (target, location) in
        [("/", "https://www.example.com/"), ("/a/b?c=d", "https://www.example.com/a/b?c=d")]
    {
        assert_eq!(sent_to(&site.get(target)), (301, Some(location)));
        assert_eq!(sent_to(&site.ask("HEAD", target).send()), (301, Some(location)));
    }
}

#[tokio::test]
async fn an_object_may_redirect_its_visitors_and_is_itself_for_clients_of_s3() {
    let site = Site::public(INDEX).await;
    for (key, location) in [("a", "/b/c?d#e"), ("folder/index.html", "https://example.com/ü")] {
        let put = site.client.put_object().bucket(&site.bucket).key(key);
        put.website_redirect_location(location).send().await.expect("an object");
    }
    assert_eq!(sent_to(&site.get("/a")), (301, Some("/b/c?d#e")));
    assert_eq!(sent_to(&site.get("/folder/")), (301, Some("https://example.com/%C3%BC")));
    let ranged = site.ask("GET", "/a").unsigned_header("range", "bytes=0-9").send();
    assert_eq!(sent_to(&ranged), (301, Some("/b/c?d#e")));
    let direct = site.server.raw().get(format!("/{}/a", site.bucket)).send();
    assert_eq!((direct.status, direct.header("x-amz-website-redirect-location")), (200, Some("/b/c?d#e")));
}

#[tokio::test]
async fn parts_and_conditions_of_a_page_are_those_of_its_object() {
    let site = Site::public(INDEX).await;
    site.put("index.html", "0123456789").await;
    let etag = site.get("/").header("etag").expect("an ETag").to_owned();
    let with = |name: &str, value: &str| site.ask("GET", "/").unsigned_header(name, value).send();
    let part = with("range", "bytes=2-4");
    assert_eq!((part.status, part.text().as_str()), (206, "234"));
    assert_eq!(part.header("content-range"), Some("bytes 2-4/10"));
    let unchanged = with("if-none-match", &etag);
    assert_eq!((unchanged.status, unchanged.header("etag")), (304, Some(&*etag)));
    assert_page(&with("if-match", "\"other\""), 412, "PreconditionFailed");
    let beyond = with("range", "bytes=10-");
    assert_page(&beyond, 416, "InvalidRange");
    assert_eq!(beyond.header("content-range"), Some("bytes */10"));
    let modified = site.get("/").header("last-modified").expect("a time").to_owned();
    assert_eq!(with("if-modified-since", &modified).status, 304);
}

#[tokio::test]
async fn only_get_and_head_are_answered_and_nothing_is_written() {
    let site = Site::public(INDEX).await;
    site.set_policy(&policy(&site.bucket, "Allow", "s3:*", ""));
    for method in ["PUT", "POST", "DELETE", "PATCH", "OPTIONS"] {
        let reply = site.ask(method, "/a").body("x").send();
        assert_page(&reply, 405, "MethodNotAllowed");
        assert_eq!(reply.header("allow"), Some("GET, HEAD, OPTIONS"));
        assert!(reply.text().contains(&format!("<li>Method: {method}</li>")), "{}", reply.text());
    }
    assert_eq!(crate::support::get(&site.client, &site.bucket, "a").await, None);
}

#[tokio::test]
async fn cors_rules_of_the_bucket_are_those_of_its_pages() {
    let site = Site::public(INDEX).await;
    site.put("index.html", "root").await;
    let from_page = |asked: RawRequest| asked.unsigned_header("origin", PAGE);
    let origin = |reply: &RawReply| reply.header("access-control-allow-origin").map(str::to_owned);
    assert_eq!(origin(&from_page(site.ask("GET", "/")).send()), None);
    let rules = "<CORSConfiguration><CORSRule><AllowedOrigin>https://page.*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>\
        <AllowedHeader>x-own</AllowedHeader></CORSRule></CORSConfiguration>";
    assert_eq!(site.server.raw().put(format!("/{}?cors", site.bucket), rules).send().status, 200);
    for target in ["/", "/missing"] {
        assert_eq!(origin(&from_page(site.ask("GET", target)).send()).as_deref(), Some(PAGE), "{target}");
    }
    let preflight = |headers: &str| {
        let asked =
            from_page(site.ask("OPTIONS", "/a")).unsigned_header("access-control-request-method", "GET");
        asked.unsigned_header("access-control-request-headers", headers).send()
    };
    let allowed = preflight("x-own");
    assert_eq!((allowed.status, origin(&allowed).as_deref()), (200, Some(PAGE)));
    assert_eq!(preflight("x-other").status, 403);
}

#[tokio::test]
async fn hosts_name_buckets_below_the_domain_and_on_the_own_listener_by_any_name() {
    let site = Site::public(INDEX).await;
    site.put("index.html", "root").await;
    let whole = site.ask("GET", "/").host(site.bucket.clone()).send();
    assert_eq!(whole.text(), "root", "a domain of the bucket's own");
    let upper = site.ask("GET", "/").host(format!("{}:80", site.host().to_uppercase())).send();
    assert_eq!(upper.text(), "root");
    for host in ["no-such-bucket.web.example.com", "127.0.0.1", "web.example.com", "a/../b", "Bad_Name"] {
        let reply = site.ask("GET", "/").host(host).send();
        assert_page(&reply, 404, "NoSuchBucket");
    }
    // On the listener of S3 the domain of websites alone is one.
    let on_s3 = |host: &str| site.server.raw().get("/").anonymous().host(host).send();
    assert_eq!(on_s3(&site.host()).text(), "root");
    assert_eq!(on_s3(&site.bucket).failure(), (403, "AccessDenied".to_owned()), "the list of buckets");
}

#[tokio::test]
async fn a_bucket_without_a_website_shows_nothing() {
    let site = Site::public(INDEX).await;
    site.put("index.html", "root").await;
    site.client.delete_bucket_website().bucket(&site.bucket).send().await.expect("deleted");
    let reply = site.get("/index.html");
    assert_page(&reply, 404, "NoSuchWebsiteConfiguration");
    assert!(reply.text().contains(&format!("<li>BucketName: {}</li>", site.bucket)), "{}", reply.text());
}

#[tokio::test]
async fn pages_of_a_bucket_whose_requesters_pay_are_not_shown() {
    let site = Site::public(INDEX).await;
    site.put("index.html", "root").await;
    let pays = "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>";
    assert_eq!(site.server.raw().put(format!("/{}?requestPayment", site.bucket), pays).send().status, 200);
    let asked = site.ask("GET", "/").unsigned_header("x-amz-request-payer", "requester");
    assert_page(&asked.send(), 403, "AccessDenied");
}

#[tokio::test]
async fn a_malformed_path_and_a_repeated_host_are_refused_as_pages() {
    let site = Site::public(INDEX).await;
    assert_page(&site.get("/%zz"), 400, "InvalidURI");
    assert_page(&site.get("/%ff"), 400, "InvalidURI");
    assert_page(&site.ask("GET", "/").unsigned_header("host", "another").send(), 400, "BadRequest");
    let long = "x".repeat(2000);
    assert_page(&site.get(&format!("/{long}")), 400, "KeyTooLongError");
}

#[tokio::test]
async fn the_limits_of_a_bucket_are_those_of_its_website() {
    let limited = "[bucket.limited]\nowner = \"test-alice\"\nrequest_rate = 1\n";
    let server = Server::configured(
        "",
        &format!("[website]\nlisten = \"127.0.0.1:0\"\ndomain = \"{DOMAIN}\"\n{limited}"),
    );
    let raw = Raw::new(server.website(), crate::support::ALICE);
    let ask = || raw.get("/").anonymous().host(format!("limited.{DOMAIN}")).send();
    let replies: Vec<RawReply> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..32).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|asked| asked.join().expect("answered")).collect()
    });
    let slowed: Vec<_> = replies.iter().filter(|reply| reply.status == 503).collect();
    assert!(!slowed.is_empty());
    slowed.into_iter().for_each(|reply| assert_page(reply, 503, "SlowDown"));
    assert!(replies.iter().any(|reply| reply.status == 404), "some were let in");
}
