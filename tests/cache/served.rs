//! Caches through a server: settings, headers, metrics.

use super::support::{Server, get, put};
use std::io::{Read, Write};

fn metrics(server: &Server) -> String {
    let mut stream = std::net::TcpStream::connect(server.admin()).expect("connects");
    stream.write_all(b"GET /-/metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("is sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("a reply");
    text
}

#[tokio::test]
async fn replies_say_how_they_were_had() {
    let server = Server::configured("", "[backend.disk]\ntype = 'memory'\nmetadata_ttl = '1m'\n");
    let client = server.client();
    let (bucket, raw) = (server.bucket(&client).await, server.raw());
    let used = |method: &str, target: String| {
        raw.request(method, target).send().header("x-cache").map(str::to_owned)
    };
    let twice = |method: &str, target: String| (used(method, target.clone()), used(method, target));
    let (miss, hit) = (Some("miss".to_owned()), Some("hit".to_owned()));
    put(&client, &bucket, "a", "bytes").await;
    assert_eq!(twice("HEAD", format!("/{bucket}/a")), (miss.clone(), hit.clone()));
    assert_eq!(twice("GET", format!("/{bucket}/a")), (miss.clone(), miss.clone()));
    // Three forms of the request, two of which send the same request to the storage.
    assert_eq!(twice("GET", format!("/{bucket}?list-type=2")), (miss.clone(), hit.clone()));
    assert_eq!(twice("GET", format!("/{bucket}?max-keys=7")), (miss.clone(), hit.clone()));
    assert_eq!(used("GET", format!("/{bucket}?versions")), hit);
    put(&client, &bucket, "a", "other").await;
    assert_eq!(get(&client, &bucket, "a").await, Some(b"other".to_vec()));
    let etag = raw.request("HEAD", format!("/{bucket}/a")).send().header("etag").expect("an etag").to_owned();
    let again = raw.get(format!("/{bucket}/a")).header("if-none-match", etag.clone()).send();
    assert_eq!(
        (again.status, again.header("x-cache"), again.header("etag")),
        (304, Some("hit"), Some(etag.as_str()))
    );

    let text = metrics(&server);
    let count = format!(
        "causeway_cache_requests_total{{backend=\"disk\",bucket=\"{bucket}\",kind=\"list\",outcome=\"hit\"}} "
    );
    assert!(text.lines().any(|line| line.starts_with(&count)), "{text}");
    assert!(text.contains("causeway_cache_size_bytes{what=\"metadata\"} "), "{text}");
    client.delete_object().bucket(&bucket).key("a").send().await.expect("is deleted");
    client.delete_bucket().bucket(&bucket).send().await.expect("is deleted");
    assert!(!metrics(&server).contains(&format!("bucket=\"{bucket}\"")), "the rows of a bucket go with it");
}

#[tokio::test]
async fn bytes_are_kept_where_the_settings_say() {
    let server = Server::configured(
        "data_cache_disk = '64MiB'\ndata_cache_memory = '4MiB'",
        "[backend.disk]\ntype = 'memory'\ndata_cache = true\n",
    );
    let client = server.client();
    let (bucket, raw) = (server.bucket(&client).await, server.raw());
    put(&client, &bucket, "a", "0123456789").await;
    let read = |range: &str| {
        let reply = raw.get(format!("/{bucket}/a")).header("range", range).send();
        (reply.text(), reply.header("x-cache").map(str::to_owned))
    };
    assert_eq!(read("bytes=2-3"), ("23".to_owned(), Some("miss".to_owned())));
    assert_eq!(read("bytes=-3"), ("789".to_owned(), Some("hit".to_owned())));
    put(&client, &bucket, "a", "abc").await;
    assert_eq!(read("bytes=1-"), ("bc".to_owned(), Some("miss".to_owned())));
    let text = metrics(&server);
    let count = format!(
        "causeway_cache_requests_total{{backend=\"disk\",bucket=\"{bucket}\",kind=\"data\",outcome=\"hit\"}} 1"
    );
    assert!(text.lines().any(|line| line == count), "{text}");
    assert!(text.contains("causeway_cache_size_bytes{what=\"data in memory\"} "), "{text}");
    assert!(server.data().join(".causeway/cache/blocks-1").is_dir());
}

#[tokio::test]
async fn without_settings_nothing_is_kept() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "a", "bytes").await;
    for _ in 0..2 {
        assert_eq!(server.raw().request("HEAD", format!("/{bucket}/a")).send().header("x-cache"), None);
        assert_eq!(server.raw().get(format!("/{bucket}?list-type=2")).send().header("x-cache"), None);
    }
    assert!(!metrics(&server).contains("causeway_cache"));
}
