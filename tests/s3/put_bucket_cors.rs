//! PutBucketCors, GetBucketCors and DeleteBucketCors over the wire. What rules do to requests is in
//! `cross_origin`.

use crate::support::{ADMIN, BOB, READER, Server, failure, is};
use aws_sdk_s3::types::{CorsConfiguration, CorsRule};

fn rule(method: &str) -> aws_sdk_s3::types::builders::CorsRuleBuilder {
    CorsRule::builder().allowed_methods(method).allowed_origins("https://*.example.com")
}

fn rules(rules: impl IntoIterator<Item = CorsRule>) -> CorsConfiguration {
    CorsConfiguration::builder().set_cors_rules(Some(rules.into_iter().collect())).build().expect("rules")
}

#[tokio::test]
async fn rules_are_returned_as_they_were_set_until_they_are_deleted_and_survive_a_restart() {
    let mut server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let missing = is(404, "NoSuchCORSConfiguration");
    assert_eq!(failure(client.get_bucket_cors().bucket(&bucket).send().await), missing);
    let full = rule("PUT").id("full").allowed_headers("*").expose_headers("ETag").max_age_seconds(3000);
    let set = rules([full.build().expect("a rule"), rule("GET").build().expect("a rule")]);
    client.put_bucket_cors().bucket(&bucket).cors_configuration(set.clone()).send().await.expect("set");
    let found = client.get_bucket_cors().bucket(&bucket).send().await.expect("rules");
    assert_eq!(found.cors_rules(), set.cors_rules());
    server.restart();
    let client = server.client();
    let found = client.get_bucket_cors().bucket(&bucket).send().await.expect("rules");
    assert_eq!(found.cors_rules(), set.cors_rules());
    for _ in 0..2 {
        client.delete_bucket_cors().bucket(&bucket).send().await.expect("deleted");
        assert_eq!(failure(client.get_bucket_cors().bucket(&bucket).send().await), missing);
    }
}

#[tokio::test]
async fn rules_that_s3_refuses_are_refused_and_change_nothing() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let put = |document: &str| server.raw().put(format!("/{bucket}?cors"), document).send();
    let wrapped = |content: &str| format!("<CORSConfiguration>{content}</CORSConfiguration>");
    let least = "<AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>";
    let one = format!("<CORSRule>{least}</CORSRule>");
    assert_eq!(put(&wrapped(&one)).status, 200);
    for (content, (status, code)) in [
        (one.replace("GET", "PATCH"), (400, "InvalidRequest")),
        (one.replace('*', "https://*.*"), (400, "InvalidRequest")),
        (one.repeat(101), (400, "InvalidRequest")),
        (String::new(), (400, "MalformedXML")),
        ("<CORSRule/>".to_owned(), (400, "MalformedXML")),
        (one.replace("GET", &"x".repeat(64 << 10)), (400, "MaxMessageLengthExceeded")),
    ] {
        assert_eq!(put(&wrapped(&content)).failure(), is(status, code), "{content:.200}");
    }
    let unchecked = server.raw().put(format!("/{bucket}?cors"), wrapped(&one)).unsigned_payload().send();
    assert_eq!(unchecked.failure(), is(400, "InvalidRequest"));
    let found = client.get_bucket_cors().bucket(&bucket).send().await.expect("rules");
    assert_eq!(found.cors_rules().len(), 1);
}

#[tokio::test]
async fn only_the_owner_of_a_bucket_and_administrators_see_and_change_its_rules() {
    let server = Server::start();
    let bucket = server.bucket(&server.client()).await;
    let set = rules([rule("GET").build().expect("a rule")]);
    for who in [BOB, READER] {
        let client = server.client_of(who);
        let put = client.put_bucket_cors().bucket(&bucket).cors_configuration(set.clone());
        assert_eq!(failure(put.send().await), is(403, "AccessDenied"));
        assert_eq!(failure(client.get_bucket_cors().bucket(&bucket).send().await), is(403, "AccessDenied"));
        let delete = client.delete_bucket_cors().bucket(&bucket);
        assert_eq!(failure(delete.send().await), is(403, "AccessDenied"));
    }
    let admin = server.client_of(ADMIN);
    admin.put_bucket_cors().bucket(&bucket).cors_configuration(set).send().await.expect("set");
}
