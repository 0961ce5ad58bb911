//! PutObjectAcl over the wire.

use crate::support::{ALICE, BOB, READER, Server, failure, form::Form, is, put};
use aws_sdk_s3::types::ObjectCannedAcl;

#[tokio::test]
async fn an_acl_opens_and_closes_an_object() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "x").await;
    let before = client.head_object().bucket(&bucket).key("k").send().await.expect("head");
    let read = || server.raw().get(format!("/{bucket}/k")).anonymous().send().status;
    assert_eq!(read(), 403);
    client
        .put_object_acl()
        .bucket(&bucket)
        .key("k")
        .acl(ObjectCannedAcl::PublicRead)
        .send()
        .await
        .expect("acl");
    assert_eq!(read(), 200);
    client.put_object_acl().bucket(&bucket).key("k").acl(ObjectCannedAcl::Private).send().await.expect("acl");
    assert_eq!(read(), 403);
    let after = client.head_object().bucket(&bucket).key("k").send().await.expect("head");
    assert_eq!((after.e_tag(), after.last_modified()), (before.e_tag(), before.last_modified()));
}

#[tokio::test]
async fn the_policy_that_is_shown_can_be_put_back() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    client.put_object().bucket(&bucket).key("k").acl(ObjectCannedAcl::PublicRead).send().await.expect("put");
    let raw = server.raw();
    let policy = raw.get(format!("/{bucket}/k?acl")).send().body;
    client.put_object_acl().bucket(&bucket).key("k").acl(ObjectCannedAcl::Private).send().await.expect("acl");
    assert_eq!(raw.put(format!("/{bucket}/k?acl"), &policy).send().status, 200);
    assert_eq!(raw.get(format!("/{bucket}/k")).anonymous().send().status, 200);
}

#[tokio::test]
async fn grants_that_we_do_not_understand_are_refused() {
    let server = Server::start();
    let (alice, bob) = (server.client_of(ALICE), server.client_of(BOB));
    let bucket = server.bucket(&alice).await;
    put(&alice, &bucket, "k", "x").await;
    let granted = alice.put_object_acl().bucket(&bucket).key("k").grant_read("id=\"somebody\"").send().await;
    assert_eq!(failure(granted), is(400, "InvalidArgument"));
    assert_eq!(
        server.raw().put(format!("/{bucket}/k?acl"), "").send().failure(),
        is(400, "MissingSecurityHeader")
    );
    let theirs = bob.put_object_acl().bucket(&bucket).key("k").acl(ObjectCannedAcl::PublicRead).send().await;
    assert_eq!(failure(theirs), is(403, "AccessDenied"));
    assert_eq!(server.raw().get(format!("/{bucket}/k")).anonymous().send().status, 403);
}

#[tokio::test]
async fn a_grant_on_an_object_lets_one_account_do_one_thing() {
    let server = Server::start();
    let client = server.client_of(ALICE);
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "x").await;
    let (alice, bob) = (server.canonical_id(ALICE), server.canonical_id(BOB));
    let (object, acl) = (format!("/{bucket}/k"), format!("/{bucket}/k?acl"));
    // What bob may do: read, see the ACL, set the ACL.
    for (header, expected) in [
        ("x-amz-grant-read", [200, 403, 403]),
        ("x-amz-grant-write", [403, 403, 403]),
        ("x-amz-grant-read-acp", [403, 200, 403]),
        ("x-amz-grant-write-acp", [403, 403, 200]),
        ("x-amz-grant-full-control", [200, 200, 200]),
    ] {
        let grant = format!("id=\"{bob}\"");
        let set = server.raw_of(ALICE).put(&acl, "").header(header, &grant).send();
        assert_eq!(set.status, 200, "{header}: {}", set.text());
        let raw = server.raw_of(BOB);
        let statuses = [
            raw.get(&object).send().status,
            raw.get(&acl).send().status,
            raw.put(&acl, "").header(header, &grant).send().status,
        ];
        assert_eq!(statuses, expected, "{header}");
        assert_eq!(raw.put(&object, "y").send().failure(), is(403, "AccessDenied"), "{header}");
        for target in [&object, &acl] {
            assert_eq!(server.raw_of(READER).get(target).send().status, 403, "{header}");
            assert_eq!(server.raw().get(target).anonymous().send().status, 403, "{header}");
        }
    }
    // Whoever changes the ACL of an object does not become its owner.
    let opened = server.raw_of(BOB).put(&acl, "").header("x-amz-acl", "public-read").send();
    assert_eq!(opened.status, 200);
    assert_eq!(server.raw().get(&object).anonymous().send().text(), "x");
    assert_eq!(server.raw_of(ALICE).get(&acl).send().element("ID"), Some(alice));
    assert_eq!(server.raw_of(BOB).put(&acl, "").header("x-amz-acl", "private").send().status, 403);
}

#[tokio::test]
async fn whoever_may_change_no_acl_learns_nothing_of_a_missing_object() {
    let server = Server::start();
    let bucket = server.bucket(&server.client_of(ALICE)).await;
    let bob = server.raw_of(BOB);
    let acl = format!("/{bucket}/missing?acl");
    assert_eq!(bob.get(&acl).send().failure(), is(403, "AccessDenied"));
    assert_eq!(bob.put(&acl, "").header("x-amz-acl", "private").send().failure(), is(403, "AccessDenied"));
    let alice = server.raw_of(ALICE);
    assert_eq!(alice.put(&acl, "").header("x-amz-acl", "private").send().failure(), is(404, "NoSuchKey"));
}

#[tokio::test]
async fn every_write_of_an_object_takes_grants_which_survive_a_restart() {
    let mut server = Server::start();
    let client = server.client_of(ALICE);
    let bucket = server.bucket(&client).await;
    let grant = format!("id={}", server.canonical_id(BOB));
    let put = client.put_object().bucket(&bucket).key("put").grant_read(&grant);
    put.body(b"hello".to_vec().into()).send().await.expect("put");
    let copy = client.copy_object().bucket(&bucket).key("copied").copy_source(format!("{bucket}/put"));
    copy.grant_read(&grant).send().await.expect("copied");
    let bare = client.copy_object().bucket(&bucket).key("bare").copy_source(format!("{bucket}/put"));
    bare.send().await.expect("copied");
    let begin = client.create_multipart_upload().bucket(&bucket).key("parts").grant_read(&grant);
    let upload = begin.send().await.expect("begun").upload_id.expect("an id");
    let part = client.upload_part().bucket(&bucket).key("parts").upload_id(&upload).part_number(1);
    let part = part.body(b"hello".to_vec().into()).send().await.expect("uploaded").e_tag.expect("an ETag");
    let body = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        part.replace('"', "&quot;")
    );
    let completed = server.raw_of(ALICE).post(format!("/{bucket}/parts?uploadId={upload}"), body).send();
    assert_eq!(completed.status, 200, "{}", completed.text());
    let fields = [("key", "form"), ("x-amz-grant-read", &*grant)];
    let form = Form::signed(ALICE, &bucket, &fields, &[]).send(&server.raw(), &bucket);
    assert_eq!(form.status, 204, "{}", form.text());
    server.restart();
    for (key, status) in [("put", 200), ("copied", 200), ("parts", 200), ("form", 200), ("bare", 403)] {
        assert_eq!(server.raw_of(BOB).get(format!("/{bucket}/{key}")).send().status, status, "{key}");
        assert_eq!(server.raw().get(format!("/{bucket}/{key}")).anonymous().send().status, 403, "{key}");
    }
}
