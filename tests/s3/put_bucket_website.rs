//! PutBucketWebsite, GetBucketWebsite and DeleteBucketWebsite over the wire. What a website shows is in
//! `website`.

use crate::support::{ADMIN, BOB, READER, Server, failure, is};
use aws_sdk_s3::types::{
    Condition, ErrorDocument, IndexDocument, Protocol, Redirect, RedirectAllRequestsTo, RoutingRule,
    WebsiteConfiguration,
};

fn index() -> IndexDocument {
    IndexDocument::builder().suffix("index.html").build().expect("an index")
}

fn full() -> WebsiteConfiguration {
    let condition =
        Condition::builder().key_prefix_equals("docs/<&>").http_error_code_returned_equals("404").build();
    let redirect = Redirect::builder()
        .host_name("example.com")
        .protocol(Protocol::Https)
        .http_redirect_code("302")
        .replace_key_prefix_with("");
    let rules = [
        RoutingRule::builder().condition(condition).redirect(redirect.build()).build(),
        RoutingRule::builder().redirect(Redirect::builder().replace_key_with("one").build()).build(),
    ];
    let error = ErrorDocument::builder().key("errors/404.html").build().expect("a document");
    let website = WebsiteConfiguration::builder().index_document(index()).error_document(error);
    website.set_routing_rules(Some(rules.into())).build()
}

#[tokio::test]
async fn a_website_is_returned_as_it_was_set_until_it_is_deleted_and_survives_a_restart() {
    let mut server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let missing = is(404, "NoSuchWebsiteConfiguration");
    assert_eq!(failure(client.get_bucket_website().bucket(&bucket).send().await), missing);
    let set = full();
    client.put_bucket_website().bucket(&bucket).website_configuration(set.clone()).send().await.expect("set");
    server.restart();
    let client = server.client();
    let found = client.get_bucket_website().bucket(&bucket).send().await.expect("a website");
    assert_eq!(found.index_document(), set.index_document());
    assert_eq!(found.error_document(), set.error_document());
    assert_eq!(found.routing_rules(), set.routing_rules());
    assert_eq!(found.redirect_all_requests_to(), None);

    let all = RedirectAllRequestsTo::builder().host_name("example.com").build().expect("a redirect");
    let set = WebsiteConfiguration::builder().redirect_all_requests_to(all.clone()).build();
    client.put_bucket_website().bucket(&bucket).website_configuration(set).send().await.expect("replaced");
    let found = client.get_bucket_website().bucket(&bucket).send().await.expect("a website");
    assert_eq!((found.redirect_all_requests_to(), found.index_document()), (Some(&all), None));
    for _ in 0..2 {
        client.delete_bucket_website().bucket(&bucket).send().await.expect("deleted");
        assert_eq!(failure(client.get_bucket_website().bucket(&bucket).send().await), missing);
    }
}

#[tokio::test]
async fn a_website_that_s3_refuses_is_refused_and_changes_nothing() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let put = |content: &str| {
        let document = format!("<WebsiteConfiguration>{content}</WebsiteConfiguration>");
        server.raw().put(format!("/{bucket}?website"), document).send()
    };
    let index = "<IndexDocument><Suffix>i</Suffix></IndexDocument>";
    let rule = "<RoutingRule><Redirect><HostName>h</HostName></Redirect></RoutingRule>";
    let rules = |rules: &str| format!("{index}<RoutingRules>{rules}</RoutingRules>");
    assert_eq!(put(&rules(&rule.repeat(50))).status, 200);
    for (content, (status, code)) in [
        (String::new(), (400, "InvalidArgument")),
        (index.replace("i<", "a/i<"), (400, "InvalidArgument")),
        (format!("{index}<RedirectAllRequestsTo/>"), (400, "InvalidArgument")),
        (rules(&rule.repeat(51)), (400, "InvalidRequest")),
        (rules(&rule.replace(">h<", ">a b<")), (400, "InvalidRequest")),
        (rules(&rule.replace("<Redirect>", "<Condition/><Redirect>")), (400, "InvalidRequest")),
        (rules("<RoutingRule/>"), (400, "MalformedXML")),
        ("<Else/>".to_owned(), (400, "MalformedXML")),
        (index.replace('i', &"x".repeat(128 << 10)), (400, "MaxMessageLengthExceeded")),
    ] {
        assert_eq!(put(&content).failure(), is(status, code), "{content:.200}");
    }
    let found = client.get_bucket_website().bucket(&bucket).send().await.expect("a website");
    assert_eq!(found.routing_rules().len(), 50);
}

#[tokio::test]
async fn only_the_owner_of_a_bucket_and_administrators_see_and_change_its_website() {
    let server = Server::start();
    let bucket = server.bucket(&server.client()).await;
    let set = WebsiteConfiguration::builder().index_document(index()).build();
    for who in [BOB, READER] {
        let client = server.client_of(who);
        let put = client.put_bucket_website().bucket(&bucket).website_configuration(set.clone());
        assert_eq!(failure(put.send().await), is(403, "AccessDenied"));
        assert_eq!(
            failure(client.get_bucket_website().bucket(&bucket).send().await),
            is(403, "AccessDenied")
        );
        let delete = client.delete_bucket_website().bucket(&bucket);
        assert_eq!(failure(delete.send().await), is(403, "AccessDenied"));
    }
    let admin = server.client_of(ADMIN);
    admin.put_bucket_website().bucket(&bucket).website_configuration(set).send().await.expect("set");
}
