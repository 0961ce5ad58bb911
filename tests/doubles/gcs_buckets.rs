//! Buckets and listings of the fake of Google Cloud Storage.

use crate::{gcs_objects::Gcs, support::raw::RawReply};

/// The texts of all elements of this name.
pub fn elements(reply: &RawReply, name: &str) -> Vec<String> {
    let (text, start, end) = (reply.text(), format!("<{name}>"), format!("</{name}>"));
    text.split(&start).skip(1).map(|piece| piece.split(&end).next().unwrap_or_default().to_owned()).collect()
}

fn filled(keys: &[&str]) -> Gcs {
    let gcs = Gcs::start();
    for key in keys {
        let target = format!(
            "/bucket/{}",
            percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC)
        );
        assert_eq!(gcs.put(&target, "x").status, 200, "{key}");
    }
    gcs
}

#[test]
fn a_bucket_is_made_found_and_removed_once_it_is_empty() {
    let gcs = Gcs::start();
    let make = |name: &str| gcs.request("PUT", name).unsigned_header("x-goog-project-id", "project");
    assert_eq!(gcs.request("PUT", "/other").send().failure(), (400, "InvalidArgument".into()));
    let made =
        make("/other").body("<CreateBucketConfiguration><LocationConstraint>eu</LocationConstraint></CreateBucketConfiguration>").send();
    assert_eq!(made.status, 200);
    assert_eq!(make("/other").send().failure(), (409, "BucketAlreadyOwnedByYou".into()));
    assert_eq!(gcs.get("/other?location").element("LocationConstraint").as_deref(), Some("EU"));
    assert_eq!(elements(&gcs.get("/"), "Name"), ["bucket", "other"]);
    gcs.put("/other/key", "x");
    assert_eq!(gcs.request("DELETE", "/other").send().failure(), (409, "BucketNotEmpty".into()));
    assert_eq!(gcs.request("DELETE", "/other/key").send().status, 204);
    assert_eq!(gcs.request("DELETE", "/other").send().status, 204);
    assert_eq!(
        (gcs.request("HEAD", "/other").send().status, gcs.request("HEAD", "/bucket").send().status),
        (404, 200)
    );
    assert_eq!(gcs.put("/other/key", "x").failure(), (404, "NoSuchBucket".into()));
}

#[test]
fn both_listings_go_page_by_page_in_byte_order() {
    let keys = ["Z", "a", "a-b", "a/b", "a/c/d", "b/x", "z", "é", "日本"];
    let gcs = filled(&keys);
    for (first, next, field) in [
        ("list-type=2&max-keys=2", "continuation-token", "NextContinuationToken"),
        ("max-keys=2", "marker", "NextMarker"),
    ] {
        let (mut found, mut target) = (Vec::new(), format!("/bucket?{first}&encoding-type=url"));
        loop {
            let page = gcs.get(&target);
            found.extend(elements(&page, "Key"));
            let Some(token) = page.element(field) else { break };
            assert_eq!(page.element("IsTruncated").as_deref(), Some("true"));
            // Tokens are Base64 for URLs, and markers are encoded already. Both are sent back unchanged,
            // except for the padding.
            target = format!("/bucket?{first}&encoding-type=url&{next}={}", token.replace('=', "%3D"));
        }
        let found: Vec<_> =
            found.iter().map(|key| percent_encoding::percent_decode_str(key).decode_utf8_lossy()).collect();
        assert_eq!(found, keys, "{first}");
    }
}

#[test]
fn a_delimiter_rolls_up_and_pages_may_end_on_a_prefix() {
    let gcs = filled(&["a", "a/b", "a/c", "b/x", "c"]);
    let whole = gcs.get("/bucket?delimiter=/");
    assert_eq!(
        (elements(&whole, "Key"), elements(&whole, "Prefix")),
        (vec!["a".into(), "c".into()], vec![String::new(), "a/".into(), "b/".into()])
    );
    let page = gcs.get("/bucket?list-type=2&delimiter=/&max-keys=2");
    assert_eq!(
        (elements(&page, "Key"), elements(&page, "Prefix").last().cloned()),
        (vec!["a".to_owned()], Some("a/".to_owned()))
    );
    let token = page.element("NextContinuationToken").expect("more").replace('=', "%3D");
    let rest = gcs.get(&format!("/bucket?list-type=2&delimiter=/&continuation-token={token}"));
    assert_eq!(
        (elements(&rest, "Key"), elements(&rest, "Prefix").last().cloned()),
        (vec!["c".to_owned()], Some("b/".to_owned()))
    );
    assert_eq!(elements(&gcs.get("/bucket?list-type=2&prefix=a/&start-after=a/b"), "Key"), ["a/c"]);
}

#[test]
fn an_entry_says_generation_etag_and_size_and_odd_keys_need_the_encoding() {
    let gcs = filled(&["a&b", "a\u{1}b"]);
    let plain = gcs.get("/bucket");
    assert_eq!(elements(&plain, "Key"), ["a&#x1;b", "a&amp;b"]);
    let encoded = gcs.get("/bucket?encoding-type=url");
    assert_eq!(
        (elements(&encoded, "Key"), elements(&encoded, "EncodingType")),
        (vec!["a%01b".into(), "a%26b".into()], vec!["url".to_owned()])
    );
    let generations: Vec<_> = ["/bucket/a%01b", "/bucket/a%26b"]
        .map(|target| crate::gcs_objects::generation(&gcs.get(target)))
        .into();
    assert_eq!(
        (elements(&plain, "Generation"), elements(&plain, "Size")),
        (generations, vec!["1".to_owned(); 2])
    );
}

#[test]
fn the_json_listing_begins_with_a_name_and_shows_metadata() {
    let gcs = filled(&["a/1", "a/2", "c"]);
    let put = gcs.request("PUT", "/bucket/b").unsigned_header("x-goog-meta-colour", "blue").body("x").send();
    let page = |query: &str| -> serde_json::Value {
        let reply = gcs.get(&format!("/storage/v1/b/bucket/o?{query}"));
        assert_eq!(reply.status, 200, "{query}");
        serde_json::from_str(&reply.text()).expect("JSON")
    };
    let names = |page: &serde_json::Value| -> Vec<String> {
        let items = page["items"].as_array().into_iter().flatten();
        items.map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
    };
    let first = page("delimiter=%2F&maxResults=2");
    assert_eq!((names(&first), &first["prefixes"]), (vec!["b".to_owned()], &serde_json::json!(["a/"])));
    let token = first["nextPageToken"].as_str().expect("there is more");
    assert_eq!(names(&page(&format!("delimiter=%2F&pageToken={token}"))), ["c"]);
    assert_eq!(names(&page("startOffset=a%2F2")), ["a/2", "b", "c"]);
    let item = &page("prefix=b")["items"][0];
    assert_eq!(
        (&item["metadata"], &item["size"]),
        (&serde_json::json!({ "colour": "blue" }), &serde_json::json!("1"))
    );
    assert_eq!(item["generation"].as_str(), Some(crate::gcs_objects::generation(&put).as_str()));
    assert_eq!(gcs.get("/storage/v1/b/absent/o").status, 404);
}

#[test]
fn more_than_8_kib_of_metadata_are_refused() {
    let gcs = Gcs::start();
    let put = |length: usize| {
        gcs.request("PUT", "/bucket/key")
            .unsigned_header("x-goog-meta-m", "v".repeat(length))
            .body("x")
            .send()
    };
    assert_eq!(put(8191).status, 200);
    assert_eq!(put(8192).failure(), (400, "MetadataTooLarge".into()));
}
