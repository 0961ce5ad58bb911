//! ListObjectsV2 over the wire.

use crate::support::{Server, failure, is, put};
use aws_sdk_s3::{Client, operation::list_objects_v2::ListObjectsV2Output, types::BucketCannedAcl};

const KEYS: [&str; 9] = ["a", "a/b", "a/b/c", "a//d", "b", "b+c d", "b/é", "c/", "c/x"];

async fn filled(server: &Server) -> (Client, String) {
    let client = server.client();
    let bucket = server.bucket(&client).await;
    for key in KEYS {
        put(&client, &bucket, key, key).await;
    }
    (client, bucket)
}

fn keys(page: &ListObjectsV2Output) -> Vec<&str> {
    page.contents().iter().filter_map(|object| object.key()).collect()
}

fn prefixes(page: &ListObjectsV2Output) -> Vec<&str> {
    page.common_prefixes().iter().filter_map(|prefix| prefix.prefix()).collect()
}

#[tokio::test]
async fn objects_are_listed_in_byte_order_with_what_they_are() {
    let server = Server::start();
    let (client, bucket) = filled(&server).await;
    let page = client.list_objects_v2().bucket(&bucket).send().await.expect("a page");
    let mut sorted = KEYS;
    sorted.sort_unstable();
    assert_eq!(keys(&page), sorted);
    assert_eq!((page.name(), page.prefix(), page.delimiter()), (Some(bucket.as_str()), Some(""), None));
    assert_eq!((page.max_keys(), page.key_count(), page.is_truncated()), (Some(1000), Some(9), Some(false)));
    let first = &page.contents()[0];
    let head = client.head_object().bucket(&bucket).key("a").send().await.expect("head");
    assert_eq!((first.size(), first.e_tag()), (Some(1), head.e_tag()));
    assert_eq!(first.last_modified().map(|time| time.secs()), head.last_modified().map(|time| time.secs()));
    assert_eq!(first.storage_class().map(|class| class.as_str()), Some("STANDARD"));
    // The SDK adds this checksum by default.
    assert_eq!(
        first.checksum_algorithm().iter().map(|algorithm| algorithm.as_str()).collect::<Vec<_>>(),
        ["CRC32"]
    );
    assert_eq!(first.checksum_type().map(|kind| kind.as_str()), Some("FULL_OBJECT"));
    assert!(first.owner().is_none());
    let owned = client.list_objects_v2().bucket(&bucket).fetch_owner(true).send().await.expect("a page");
    assert!(owned.contents().iter().all(|object| object.owner().is_some_and(|owner| owner.id().is_some())));
}

#[tokio::test]
async fn keys_are_grouped_by_any_delimiter() {
    let server = Server::start();
    let (client, bucket) = filled(&server).await;
    for (prefix, delimiter, expected_keys, expected_prefixes) in [
        ("", "/", vec!["a", "b", "b+c d"], vec!["a/", "b/", "c/"]),
        ("a/", "/", vec!["a/b"], vec!["a//", "a/b/"]),
        ("c/", "/", vec!["c/", "c/x"], vec![]),
        ("", "b/", vec!["a", "a/b", "b", "b+c d", "c/", "c/x", "a//d"], vec!["a/b/", "b/"]),
        ("", "+c", vec!["a", "a//d", "a/b", "a/b/c", "b", "b/é", "c/", "c/x"], vec!["b+c"]),
        ("z", "/", vec![], vec![]),
    ] {
        let page = client
            .list_objects_v2()
            .bucket(&bucket)
            .prefix(prefix)
            .delimiter(delimiter)
            .send()
            .await
            .expect("a page");
        let mut sorted = expected_keys;
        sorted.sort_unstable();
        assert_eq!((keys(&page), prefixes(&page)), (sorted, expected_prefixes), "{prefix} {delimiter}");
        assert_eq!(page.key_count(), Some((page.contents().len() + page.common_prefixes().len()) as i32));
        assert_eq!((page.prefix(), page.delimiter()), (Some(prefix), Some(delimiter)));
    }
    let none = client.list_objects_v2().bucket(&bucket).delimiter("").send().await.expect("a page");
    assert_eq!((none.contents().len(), none.delimiter()), (9, None));
}

#[tokio::test]
async fn pages_of_any_size_add_up_to_the_whole() {
    let server = Server::start();
    let (client, bucket) = filled(&server).await;
    for delimiter in [None, Some("/"), Some("b")] {
        let list = |limit: i32, token: Option<String>| {
            let request =
                client.list_objects_v2().bucket(&bucket).set_delimiter(delimiter.map(str::to_owned));
            request.max_keys(limit).set_continuation_token(token).send()
        };
        let whole = list(1000, None).await.expect("a page");
        for limit in 1..=10 {
            let (mut found_keys, mut found_prefixes, mut token) = (Vec::new(), Vec::new(), None);
            loop {
                let page = list(limit, token.clone()).await.expect("a page");
                assert_eq!(page.continuation_token().map(str::to_owned), token);
                let count = page.contents().len() + page.common_prefixes().len();
                assert!(count <= limit as usize);
                found_keys.extend(keys(&page).into_iter().map(str::to_owned));
                found_prefixes.extend(prefixes(&page).into_iter().map(str::to_owned));
                token = page.next_continuation_token().map(str::to_owned);
                assert_eq!(page.is_truncated(), Some(token.is_some()));
                if token.is_none() {
                    break;
                }
                assert_eq!(count, limit as usize, "only the last page is short");
            }
            assert_eq!(found_keys, keys(&whole), "{delimiter:?} {limit}");
            assert_eq!(found_prefixes, prefixes(&whole), "{delimiter:?} {limit}");
        }
    }
}

#[tokio::test]
async fn a_token_survives_a_restart_and_deletes_in_between() {
    let mut server = Server::start();
    let (client, bucket) = filled(&server).await;
    let page = client.list_objects_v2().bucket(&bucket).max_keys(3).send().await.expect("a page");
    assert_eq!(keys(&page), ["a", "a//d", "a/b"]);
    for gone in ["a/b", "a/b/c"] {
        client.delete_object().bucket(&bucket).key(gone).send().await.expect("deleted");
    }
    server.restart();
    let token = page.next_continuation_token().expect("there is more");
    let rest = server
        .client()
        .list_objects_v2()
        .bucket(&bucket)
        .continuation_token(token)
        .send()
        .await
        .expect("a page");
    assert_eq!(keys(&rest), ["b", "b+c d", "b/é", "c/", "c/x"]);
}

#[tokio::test]
async fn a_listing_starts_after_any_name_and_a_token_overrides_it() {
    let server = Server::start();
    let (client, bucket) = filled(&server).await;
    let list = || client.list_objects_v2().bucket(&bucket);
    for (after, first) in [("b", Some("b+c d")), ("blah", Some("c/")), ("\n", Some("a")), ("zzz", None)] {
        let page = list().start_after(after).send().await.expect("a page");
        assert_eq!((page.start_after(), keys(&page).first().copied()), (Some(after), first));
    }
    let page = list().start_after("b").max_keys(1).send().await.expect("a page");
    let token = page.next_continuation_token().expect("there is more");
    let both = list().start_after("a").continuation_token(token).send().await.expect("a page");
    assert_eq!((both.start_after(), both.continuation_token()), (Some("a"), Some(token)));
    assert_eq!(keys(&both), ["b/é", "c/", "c/x"]);
    let empty = server.raw().get(format!("/{bucket}?list-type=2&continuation-token=")).send();
    assert_eq!((empty.status, empty.element("ContinuationToken").as_deref()), (200, Some("")));
}

#[tokio::test]
async fn names_that_xml_cannot_hold_are_encoded_when_asked() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "d\u{1}+/x y", "x").await;
    let list = |query: &str| server.raw().get(format!("/{bucket}?list-type=2{query}")).send();
    let encoded = list("&encoding-type=url&prefix=d%01&start-after=%01");
    assert_eq!(encoded.element("Key").as_deref(), Some("d%01%2B/x%20y"));
    assert_eq!(encoded.element("EncodingType").as_deref(), Some("url"));
    assert_eq!(encoded.element("StartAfter").as_deref(), Some("%01"));
    assert!(encoded.text().contains("<Prefix>d%01</Prefix>"));
    let grouped = list("&encoding-type=url&delimiter=%2B");
    assert_eq!(grouped.element("Delimiter").as_deref(), Some("%2B"));
    assert!(grouped.text().contains("<CommonPrefixes><Prefix>d%01%2B</Prefix></CommonPrefixes>"));
    assert_eq!(list("").element("Key").as_deref(), Some("d&#x1;+/x y"));
    assert_eq!(list("&encoding-type=xml").failure(), is(400, "InvalidArgument"));
}

#[tokio::test]
async fn page_sizes_are_cut_to_a_thousand_and_nonsense_refused() {
    let server = Server::start();
    let (client, bucket) = filled(&server).await;
    let none = client.list_objects_v2().bucket(&bucket).max_keys(0).send().await.expect("a page");
    assert_eq!(
        (none.key_count(), none.is_truncated(), none.next_continuation_token()),
        (Some(0), Some(false), None)
    );
    let many = client.list_objects_v2().bucket(&bucket).max_keys(5000).send().await.expect("a page");
    assert_eq!(many.max_keys(), Some(1000));
    for query in ["max-keys=-1", "max-keys=blah", "max-keys=99999999999"] {
        assert_eq!(
            server.raw().get(format!("/{bucket}?list-type=2&{query}")).send().failure(),
            is(400, "InvalidArgument"),
            "{query}"
        );
    }
    for token in ["garbage", "AA", "%20", "AYA"] {
        let reply = server.raw().get(format!("/{bucket}?list-type=2&continuation-token={token}")).send();
        assert_eq!(reply.failure(), is(400, "InvalidArgument"), "{token}");
        assert_eq!(reply.element("Message").as_deref(), Some("The continuation token provided is incorrect"));
    }
}

/// Listed objects were never restored, so they have no restore status.
#[tokio::test]
async fn optional_attributes_are_honoured_or_refused_by_name() {
    let server = Server::start();
    let (_, bucket) = filled(&server).await;
    let list = |attributes: &str| {
        server
            .raw()
            .get(format!("/{bucket}?list-type=2"))
            .header("x-amz-optional-object-attributes", attributes)
            .send()
    };
    let honoured = list("RestoreStatus");
    assert_eq!((honoured.status, honoured.element("RestoreStatus")), (200, None));
    let refused = list("Colour");
    assert_eq!(refused.failure(), is(501, "NotImplemented"));
    assert!(
        refused
            .element("Message")
            .is_some_and(|message| message.contains("x-amz-optional-object-attributes"))
    );
}

#[tokio::test]
async fn a_bucket_is_listed_by_whom_its_acl_lets() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let anonymous = || server.raw().get(format!("/{bucket}?list-type=2")).anonymous().send();
    assert_eq!(anonymous().failure(), is(403, "AccessDenied"));
    client.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::PublicRead).send().await.expect("set");
    assert_eq!(anonymous().status, 200);
    assert_eq!(
        failure(client.list_objects_v2().bucket("no-such-bucket").send().await),
        is(404, "NoSuchBucket")
    );
}
