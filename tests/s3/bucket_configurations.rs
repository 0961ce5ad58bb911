//! The configurations of which a bucket has many, over the wire: analytics, intelligent tiering, metrics.

use crate::support::{BOB, Server, failure, is};
use aws_sdk_s3::types::{
    AnalyticsConfiguration, AnalyticsFilter, IntelligentTieringAccessTier, IntelligentTieringConfiguration,
    IntelligentTieringStatus, MetricsConfiguration, MetricsFilter, StorageClassAnalysis, Tag, Tiering,
};

#[tokio::test]
async fn each_kind_is_put_read_listed_and_deleted_by_its_id() {
    let mut server = Server::start();
    let bucket = server.bucket(&server.client()).await;
    let client = server.client();
    let tag = Tag::builder().key("k").value("v").build().expect("a tag");
    let analytics = AnalyticsConfiguration::builder().id("a").filter(AnalyticsFilter::Tag(tag));
    let analytics = analytics.storage_class_analysis(StorageClassAnalysis::builder().build());
    let analytics = analytics.build().expect("a configuration");
    let tiering = Tiering::builder().days(90).access_tier(IntelligentTieringAccessTier::ArchiveAccess);
    let tiering = IntelligentTieringConfiguration::builder()
        .id("t")
        .status(IntelligentTieringStatus::Enabled)
        .tierings(tiering.build().expect("a tier"))
        .build()
        .expect("a configuration");
    let filter = MetricsFilter::Prefix("logs/".to_owned());
    let metrics = MetricsConfiguration::builder().id("m").filter(filter).build().expect("a configuration");
    let put = client.put_bucket_analytics_configuration().bucket(&bucket).id("a");
    put.analytics_configuration(analytics.clone()).send().await.expect("put");
    let put = client.put_bucket_intelligent_tiering_configuration().bucket(&bucket).id("t");
    put.intelligent_tiering_configuration(tiering.clone()).send().await.expect("put");
    let put = client.put_bucket_metrics_configuration().bucket(&bucket).id("m");
    put.metrics_configuration(metrics.clone()).send().await.expect("put");

    server.restart();
    let client = server.client();
    let found =
        client.get_bucket_analytics_configuration().bucket(&bucket).id("a").send().await.expect("one");
    assert_eq!(found.analytics_configuration(), Some(&analytics));
    let found = client.list_bucket_analytics_configurations().bucket(&bucket).send().await.expect("a list");
    assert_eq!(found.analytics_configuration_list(), [analytics]);
    let found = client.get_bucket_intelligent_tiering_configuration().bucket(&bucket).id("t").send().await;
    assert_eq!(found.expect("one").intelligent_tiering_configuration(), Some(&tiering));
    let found = client.list_bucket_intelligent_tiering_configurations().bucket(&bucket).send().await;
    assert_eq!(found.expect("a list").intelligent_tiering_configuration_list(), [tiering]);
    let found = client.get_bucket_metrics_configuration().bucket(&bucket).id("m").send().await.expect("one");
    assert_eq!(found.metrics_configuration(), Some(&metrics));
    let found = client.list_bucket_metrics_configurations().bucket(&bucket).send().await.expect("a list");
    assert_eq!(found.metrics_configuration_list(), [metrics]);

    for (kind, id) in [("analytics", "a"), ("intelligent-tiering", "t"), ("metrics", "m")] {
        let target = format!("/{bucket}?{kind}&id={id}");
        assert_eq!(server.raw_of(BOB).get(&target).send().failure(), is(403, "AccessDenied"));
        assert_eq!(server.raw().request("DELETE", &target).send().status, 204);
        for method in ["GET", "DELETE"] {
            let again = server.raw().request(method, &target).send();
            assert_eq!(again.failure(), is(404, "NoSuchConfiguration"), "{kind}");
        }
    }
}

#[tokio::test]
async fn a_configuration_of_another_shape_or_another_id_is_refused() {
    let server = Server::start();
    let bucket = server.bucket(&server.client()).await;
    let put = |id: &str, document: &str| {
        server.raw().put(format!("/{bucket}?metrics&id={id}"), document).send().failure()
    };
    let of = |content: &str| format!("<MetricsConfiguration>{content}</MetricsConfiguration>");
    assert_eq!(put("a", &of("<Id>b</Id>")), is(400, "IdMismatch"));
    assert_eq!(put("a", &of("")), is(400, "MalformedXML"));
    assert_eq!(put("a", &of("<Id>a</Id><Filter><Suffix>x</Suffix></Filter>")), is(400, "MalformedXML"));
    assert_eq!(put("a%20b", &of("<Id>a b</Id>")), is(400, "InvalidArgument"));
    assert_eq!(put("", &of("<Id></Id>")), is(400, "InvalidArgument"));
    let list = server.client().list_bucket_metrics_configurations().bucket(&bucket).send().await;
    assert!(list.expect("a list").metrics_configuration_list().is_empty());
}

#[tokio::test]
async fn a_list_has_a_hundred_on_a_page_and_continues() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    for n in 0..101 {
        let id = format!("id-{n:03}");
        let document = format!("<MetricsConfiguration><Id>{id}</Id></MetricsConfiguration>");
        assert_eq!(server.raw().put(format!("/{bucket}?metrics&id={id}"), document).send().status, 200);
    }
    let first = client.list_bucket_metrics_configurations().bucket(&bucket).send().await.expect("a list");
    assert_eq!((first.metrics_configuration_list().len(), first.is_truncated()), (100, Some(true)));
    let token = first.next_continuation_token().expect("a token");
    let next = client.list_bucket_metrics_configurations().bucket(&bucket).continuation_token(token);
    let next = next.send().await.expect("a list");
    let ids: Vec<_> = next.metrics_configuration_list().iter().map(MetricsConfiguration::id).collect();
    assert_eq!((ids.as_slice(), next.is_truncated()), (&["id-100"][..], Some(false)));
    assert_eq!((next.continuation_token(), next.next_continuation_token()), (Some(token), None));
}

#[tokio::test]
async fn configurations_that_would_fill_memory_are_refused() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let tags =
        format!("<Tag><Key>{}</Key><Value>{}</Value></Tag>", "k".repeat(400), "v".repeat(1000)).repeat(10);
    let put = |n: usize| {
        let document = format!(
            "<MetricsConfiguration><Id>{n}</Id><Filter><And>{tags}</And></Filter></MetricsConfiguration>"
        );
        server.raw().put(format!("/{bucket}?metrics&id={n}"), document).send()
    };
    let refused = (0..200).map(put).find(|reply| reply.status != 200).expect("a limit");
    assert_eq!(refused.failure(), is(400, "TooManyConfigurations"));
    let long = "x".repeat((16 << 10) + 1);
    let reply = server.raw().put(format!("/{bucket}?metrics&id=long"), long).send();
    assert_eq!(reply.failure(), is(400, "MaxMessageLengthExceeded"));
    assert_eq!(failure(client.list_bucket_metrics_configurations().bucket(&bucket).send().await).0, 200);
}
