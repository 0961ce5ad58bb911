//! Promises about the documents of buckets.

use super::sample::{bucket, name, new_bucket};
use causeway::catalog::{
    BucketsQuery, Catalog, CatalogErrorKind, Document, Documents, Expected, NewDocument, NewReplica, Revision,
};
use std::sync::Arc;

pub fn document(kind: &str, body: &str) -> NewDocument {
    NewDocument { kind: kind.into(), body: body.into() }
}

fn stored(kind: &str, body: &str, revision: Revision) -> Document {
    Document { kind: kind.into(), body: body.into(), revision }
}

pub async fn documents_are_found_as_they_were_set_and_move_one_revision(catalog: Arc<dyn Catalog>) {
    let (id, other) = (bucket(&*catalog, "photos").await.id, bucket(&*catalog, "others").await.id);
    let of = async |id| catalog.documents(id).await.expect("read").expect("a bucket");
    assert_eq!(of(id).await, Documents::default());
    let mut last = Revision::NONE;
    for (kind, body) in [("policy", "{\"ä\": 1}"), ("acl", "private"), ("policy", "")] {
        let revision = catalog.set_document(id, Expected::Any, document(kind, body)).await.expect("set");
        assert!(revision > last);
        assert_eq!(catalog.document(id, kind).await.expect("read"), Some(stored(kind, body, revision)));
        assert_eq!(catalog.documents_revision(id).await.expect("read"), Some(revision));
        last = revision;
    }
    let all = of(id).await;
    assert_eq!((all.revision, all.all[1].clone()), (last, stored("policy", "", last)));
    assert_eq!(all.all.iter().map(|document| document.kind.as_str()).collect::<Vec<_>>(), ["acl", "policy"]);
    assert_eq!(catalog.delete_document(id, "missing", Expected::Any).await.expect("there is none"), None);
    assert_eq!(catalog.documents_revision(id).await.expect("read"), Some(last));
    let gone =
        catalog.delete_document(id, "policy", Expected::Any).await.expect("deleted").expect("there was one");
    assert!(gone > last);
    assert_eq!(catalog.document(id, "policy").await.expect("read"), None);
    assert_eq!((of(id).await.revision, of(id).await.all.len()), (gone, 1));
    assert_eq!(of(other).await, Documents::default());
}

pub async fn a_document_is_swapped_only_for_what_was_read(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let swap = async |expected, body| {
        catalog.set_document(id, expected, document("acl", body)).await.map_err(|error| error.kind())
    };
    let first = swap(Expected::ABSENT, "one").await.expect("there was none");
    assert_eq!(swap(Expected::ABSENT, "two").await, Err(CatalogErrorKind::Conflict));
    // A change of another document does not change the revision of this one.
    catalog.set_document(id, Expected::ABSENT, document("policy", "{}")).await.expect("set");
    let second = swap(Expected::Exactly(first), "two").await.expect("swapped");
    assert_eq!(swap(Expected::Exactly(first), "three").await, Err(CatalogErrorKind::Conflict));
    let late = catalog.delete_document(id, "acl", Expected::Exactly(first)).await.expect_err("too late");
    assert_eq!(late.kind(), CatalogErrorKind::Conflict);
    let deleted = catalog.delete_document(id, "acl", Expected::Exactly(second)).await.expect("deleted");
    let again = swap(Expected::ABSENT, "two").await.expect("there is none");
    assert!(deleted.is_some_and(|deleted| second < deleted && deleted < again), "no revision comes back");
    catalog.delete_bucket(id).await.expect("deleted");
    for expected in [Expected::Any, Expected::ABSENT, Expected::Exactly(again)] {
        assert_eq!(swap(expected, "late").await, Err(CatalogErrorKind::NoSuchBucket));
    }
}

pub async fn a_bucket_is_made_with_its_first_documents_and_takes_them_with_it(catalog: Arc<dyn Catalog>) {
    let first = vec![document("location", "EU"), document("acl", "public-read")];
    let made = catalog.create_bucket_apart(new_bucket("photos"), first, Vec::new()).await.expect("a bucket");
    let revision = made.documents.revision;
    assert!(revision > Revision::NONE);
    assert_eq!(
        made.documents.all,
        [stored("acl", "public-read", revision), stored("location", "EU", revision)]
    );
    assert_eq!(catalog.bucket(&name("photos")).await.expect("read"), Some(made.clone()));
    let replica = NewReplica { backend: "disk".into(), location: "there".into() };
    let replica = catalog.add_replica(made.id, replica).await.expect("a replica").id;
    assert_eq!(catalog.documents(replica).await.expect("read"), Some(Documents::default()));
    let refused = catalog
        .set_document(replica, Expected::Any, document("acl", "private"))
        .await
        .expect_err("a replica has none");
    assert_eq!(refused.kind(), CatalogErrorKind::NoSuchBucket);
    catalog.delete_bucket(made.id).await.expect("deleted");
    assert_eq!(catalog.documents(made.id).await.expect("read"), None);
    assert_eq!(catalog.document(made.id, "acl").await.expect("read"), None);
    assert_eq!(bucket(&*catalog, "photos").await.documents, Documents::default());
}

pub async fn buckets_are_listed_with_the_documents_that_were_asked_for(catalog: Arc<dyn Catalog>) {
    let plain = bucket(&*catalog, "plain").await;
    let first = vec![document("location", "EU"), document("acl", "public-read")];
    let made = catalog.create_bucket_apart(new_bucket("photos"), first, Vec::new()).await.expect("a bucket");
    let list = async |documents: Vec<&'static str>| {
        catalog
            .buckets(BucketsQuery { documents, limit: 9, ..Default::default() })
            .await
            .expect("a page")
            .buckets
    };
    let kinds = |all: &[Document]| all.iter().map(|document| document.kind.clone()).collect::<Vec<_>>();
    assert_eq!(list(vec!["acl", "location"]).await, [made.clone(), plain.clone()]);
    assert_eq!(kinds(&list(vec!["location", "missing"]).await[0].documents.all), ["location"]);
    let bare = list(Vec::new()).await;
    assert!(bare[0].documents.all.is_empty());
    assert_eq!(bare[0].documents.revision, made.documents.revision);
}
