//! Objects that another account than the bucket's writes: whose they are under each object ownership, and who
//! may do what with them.

use crate::support::{ADMIN, ALICE, BOB, READER, Server, failure, form::Form, get, is, put};
use aws_sdk_s3::{
    Client,
    types::{
        BucketCannedAcl, CompletedMultipartUpload, CompletedPart, ObjectCannedAcl, ObjectOwnership, Owner,
        OwnershipControls, OwnershipControlsRule, Permission,
    },
};

/// A bucket of alice, in which everybody may write and list.
async fn shared(server: &Server, ownership: Option<ObjectOwnership>) -> String {
    let alice = server.client_of(ALICE);
    let bucket = server.bucket(&alice).await;
    if ownership == Some(ObjectOwnership::BucketOwnerEnforced) {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":"*",
            "Action":["s3:PutObject","s3:PutObjectAcl","s3:ListBucket"],"Resource":["arn:aws:s3:::{bucket}","arn:aws:s3:::{bucket}/*"]}}}}"#
        );
        alice.put_bucket_policy().bucket(&bucket).policy(policy).send().await.expect("a policy");
    } else {
        let acl = alice.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::PublicReadWrite);
        acl.send().await.expect("an ACL");
    }
    if let Some(ownership) = ownership {
        set_ownership(&alice, &bucket, ownership).await;
    }
    bucket
}

async fn set_ownership(client: &Client, bucket: &str, ownership: ObjectOwnership) {
    let rule = OwnershipControlsRule::builder().object_ownership(ownership).build().expect("a rule");
    let controls = OwnershipControls::builder().rules(rule).build().expect("controls");
    let set = client.put_bucket_ownership_controls().bucket(bucket).ownership_controls(controls);
    set.send().await.expect("set");
}

fn id(owner: Option<&Owner>) -> String {
    owner.and_then(Owner::id).expect("an owner").to_owned()
}

/// The owner of an object that every listing shows.
async fn listed(client: &Client, bucket: &str, key: &str) -> String {
    let old = client.list_objects().bucket(bucket).prefix(key).send().await.expect("a page");
    let new =
        client.list_objects_v2().bucket(bucket).prefix(key).fetch_owner(true).send().await.expect("a page");
    let versions = client.list_object_versions().bucket(bucket).prefix(key).send().await.expect("a page");
    let shown = id(old.contents()[0].owner());
    assert_eq!(id(new.contents()[0].owner()), shown);
    assert_eq!(id(versions.versions()[0].owner()), shown);
    shown
}

async fn grants(client: &Client, bucket: &str, key: &str) -> (String, Vec<(String, Permission)>) {
    let acl = client.get_object_acl().bucket(bucket).key(key).send().await.expect("an ACL");
    let grants = acl.grants().iter().map(|grant| {
        let grantee = grant.grantee().and_then(|grantee| grantee.id()).expect("an account");
        (grantee.to_owned(), grant.permission().expect("a permission").clone())
    });
    (id(acl.owner()), grants.collect())
}

async fn denied(client: &Client, bucket: &str, key: &str) {
    let denied = is(403, "AccessDenied");
    assert_eq!(failure(client.get_object().bucket(bucket).key(key).send().await), denied);
    assert_eq!(failure(client.get_object_acl().bucket(bucket).key(key).send().await), denied);
    assert_eq!(failure(client.get_object_tagging().bucket(bucket).key(key).send().await), denied);
    let acl = client.put_object_acl().bucket(bucket).key(key).acl(ObjectCannedAcl::PublicRead);
    assert_eq!(failure(acl.send().await), denied);
    let copy = client.copy_object().bucket(bucket).key("stolen").copy_source(format!("{bucket}/{key}"));
    assert_eq!(failure(copy.send().await), denied);
}

#[tokio::test]
async fn an_object_belongs_to_its_writer_where_the_ownership_says_so() {
    use ObjectOwnership::{BucketOwnerEnforced, BucketOwnerPreferred, ObjectWriter};
    let server = Server::start();
    let (alice, bob) = (server.client_of(ALICE), server.client_of(BOB));
    let (alices, bobs) = (server.canonical_id(ALICE), server.canonical_id(BOB));
    let full = ObjectCannedAcl::BucketOwnerFullControl;
    for (ownership, acl, is_bobs) in [
        (None, None, true),
        (None, Some(full.clone()), true),
        (Some(ObjectWriter), None, true),
        (Some(ObjectWriter), Some(full.clone()), true),
        (Some(BucketOwnerPreferred), None, true),
        (Some(BucketOwnerPreferred), Some(full.clone()), false),
        (Some(BucketOwnerEnforced), None, false),
        (Some(BucketOwnerEnforced), Some(full.clone()), false),
    ] {
        let bucket = shared(&server, ownership.clone()).await;
        let case = format!("{ownership:?} {acl:?}");
        let write = bob.put_object().bucket(&bucket).key("k").set_acl(acl.clone());
        write.body(b"hello".to_vec().into()).send().await.expect("put");
        put(&alice, &bucket, "own", "x").await;
        let owner = if is_bobs { &bobs } else { &alices };
        assert_eq!(&listed(&alice, &bucket, "k").await, owner, "{case}");
        assert_eq!(listed(&alice, &bucket, "own").await, alices, "{case}");
        if is_bobs && acl.is_none() {
            denied(&alice, &bucket, "k").await;
            let (shown, all) = grants(&bob, &bucket, "k").await;
            assert_eq!((shown, all), (bobs.clone(), vec![(bobs.clone(), Permission::FullControl)]), "{case}");
        } else {
            assert_eq!(get(&alice, &bucket, "k").await.as_deref(), Some(&b"hello"[..]), "{case}");
            let (shown, all) = grants(&alice, &bucket, "k").await;
            let mut expected = vec![(owner.clone(), Permission::FullControl)];
            expected.extend(is_bobs.then(|| (alices.clone(), Permission::FullControl)));
            assert_eq!((&shown, all), (owner, expected), "{case}");
        }
        // The writer of an object that is not its own has no more rights than anybody.
        let read = failure(bob.get_object().bucket(&bucket).key("k").send().await).0;
        assert_eq!(read, if is_bobs { 200 } else { 403 }, "{case}");
        for (who, expected) in [(READER, 403), (ADMIN, 200)] {
            let read = server.raw_of(who).get(format!("/{bucket}/k")).send().status;
            assert_eq!(read, expected, "{case} {who:?}");
        }
    }
}

#[tokio::test]
async fn the_owner_of_the_bucket_deletes_every_object_and_reads_those_that_are_granted_to_it() {
    let server = Server::start();
    let (alice, bob) = (server.client_of(ALICE), server.client_of(BOB));
    let (alices, bobs) = (server.canonical_id(ALICE), server.canonical_id(BOB));
    let bucket = shared(&server, None).await;
    put(&bob, &bucket, "k", "hello").await;
    denied(&alice, &bucket, "k").await;
    let acl = |acl| bob.put_object_acl().bucket(&bucket).key("k").acl(acl).send();
    acl(ObjectCannedAcl::BucketOwnerRead).await.expect("set");
    assert_eq!(get(&alice, &bucket, "k").await.as_deref(), Some(&b"hello"[..]));
    assert_eq!(
        failure(alice.get_object_acl().bucket(&bucket).key("k").send().await),
        is(403, "AccessDenied")
    );
    let (owner, all) = grants(&bob, &bucket, "k").await;
    let read = (alices.clone(), Permission::Read);
    assert_eq!((&owner, all), (&bobs, vec![(bobs.clone(), Permission::FullControl), read]));
    acl(ObjectCannedAcl::BucketOwnerFullControl).await.expect("set");
    let public = alice.put_object_acl().bucket(&bucket).key("k").acl(ObjectCannedAcl::PublicRead);
    public.send().await.expect("set");
    assert_eq!(server.raw().get(format!("/{bucket}/k")).anonymous().send().text(), "hello");
    assert_eq!(grants_owner(&server, &bucket).await, bobs, "whoever sets an ACL does not become the owner");
    acl(ObjectCannedAcl::Private).await.expect("set");
    denied(&alice, &bucket, "k").await;
    alice.delete_object().bucket(&bucket).key("k").send().await.expect("deleted");
    assert_eq!(get(&bob, &bucket, "k").await, None);
}

async fn grants_owner(server: &Server, bucket: &str) -> String {
    server.raw_of(BOB).get(format!("/{bucket}/k?acl")).send().element("ID").expect("an owner")
}

#[tokio::test]
async fn a_document_of_an_acl_names_the_owner_of_the_object() {
    let server = Server::start();
    let bob = server.client_of(BOB);
    let bucket = shared(&server, None).await;
    put(&bob, &bucket, "k", "hello").await;
    let (raw, target) = (server.raw_of(BOB), format!("/{bucket}/k?acl"));
    let shown = raw.get(&target).send();
    assert_eq!(raw.put(&target, &shown.body).send().status, 200);
    let (alices, bobs) = (server.canonical_id(ALICE), server.canonical_id(BOB));
    let others = shown.text().replacen(&bobs, &alices, 1);
    assert_eq!(raw.put(&target, others).send().failure(), is(403, "AccessDenied"));
    let granted = shown.text().replace(
        "</Grant>",
        &format!(
            "</Grant><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
             xsi:type=\"CanonicalUser\"><ID>{alices}</ID></Grantee><Permission>READ</Permission></Grant>"
        ),
    );
    assert_eq!(raw.put(&target, granted).send().status, 200);
    assert_eq!(server.raw_of(ALICE).get(format!("/{bucket}/k")).send().text(), "hello");
}

#[tokio::test]
async fn everything_belongs_to_the_owner_of_the_bucket_while_acls_are_off() {
    let server = Server::start();
    let (alice, bob) = (server.client_of(ALICE), server.client_of(BOB));
    let bucket = shared(&server, None).await;
    put(&bob, &bucket, "k", "hello").await;
    let acl = alice.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::Private);
    acl.send().await.expect("set");
    set_ownership(&alice, &bucket, ObjectOwnership::BucketOwnerEnforced).await;
    assert_eq!(get(&alice, &bucket, "k").await.as_deref(), Some(&b"hello"[..]));
    let alices = server.canonical_id(ALICE);
    assert_eq!(listed(&alice, &bucket, "k").await, alices);
    assert_eq!(grants(&alice, &bucket, "k").await.0, alices);
    assert_eq!(failure(bob.get_object().bucket(&bucket).key("k").send().await), is(403, "AccessDenied"));
    // What was written before is as it was when ACLs are on again.
    alice.delete_bucket_ownership_controls().bucket(&bucket).send().await.expect("deleted");
    denied(&alice, &bucket, "k").await;
    assert_eq!(get(&bob, &bucket, "k").await.as_deref(), Some(&b"hello"[..]));
}

#[tokio::test]
async fn copies_uploads_and_forms_make_objects_of_their_senders_which_survive_a_restart() {
    let mut server = Server::start();
    let (alice, bob) = (server.client_of(ALICE), server.client_of(BOB));
    let (alices, bobs) = (server.canonical_id(ALICE), server.canonical_id(BOB));
    let bucket = shared(&server, None).await;
    let open = alice.put_object().bucket(&bucket).key("source").acl(ObjectCannedAcl::PublicRead);
    open.body(b"hello".to_vec().into()).send().await.expect("put");
    let copy = bob.copy_object().bucket(&bucket).key("copied").copy_source(format!("{bucket}/source"));
    copy.send().await.expect("copied");
    let begun = bob.create_multipart_upload().bucket(&bucket).key("parts").send().await.expect("begun");
    let upload = begun.upload_id().expect("an id");
    let part = bob.upload_part().bucket(&bucket).key("parts").upload_id(upload).part_number(1);
    let part = part.body(b"hello".to_vec().into()).send().await.expect("a part");
    let uploads = alice.list_multipart_uploads().bucket(&bucket).send().await.expect("a page");
    assert_eq!(id(uploads.uploads()[0].owner()), bobs);
    assert_eq!(uploads.uploads()[0].initiator().and_then(|who| who.id()), Some(&*bobs));
    let parts =
        alice.list_parts().bucket(&bucket).key("parts").upload_id(upload).send().await.expect("a page");
    assert_eq!(id(parts.owner()), bobs);
    let part = CompletedPart::builder().part_number(1).set_e_tag(part.e_tag).build();
    let complete = bob.complete_multipart_upload().bucket(&bucket).key("parts").upload_id(upload);
    let complete = complete.multipart_upload(CompletedMultipartUpload::builder().parts(part).build());
    complete.send().await.expect("completed");
    let form = Form::signed(BOB, &bucket, &[("key", "form")], &[]).file("hello");
    assert_eq!(form.send(&server.raw_of(BOB), &bucket).status, 204);
    let own = alice.copy_object().bucket(&bucket).key("own").copy_source(format!("{bucket}/source"));
    own.send().await.expect("copied");
    server.restart();
    let (alice, bob) = (server.client_of(ALICE), server.client_of(BOB));
    for key in ["copied", "parts", "form"] {
        assert_eq!(listed(&alice, &bucket, key).await, bobs, "{key}");
        assert_eq!(get(&bob, &bucket, key).await.as_deref(), Some(&b"hello"[..]), "{key}");
        denied(&alice, &bucket, key).await;
    }
    assert_eq!(listed(&alice, &bucket, "own").await, alices);
    assert_eq!(failure(bob.get_object().bucket(&bucket).key("own").send().await), is(403, "AccessDenied"));
    // An object that replaces another one belongs to whoever wrote it. What nobody signed belongs to the owner
    // of the bucket.
    put(&alice, &bucket, "copied", "new").await;
    assert_eq!(listed(&alice, &bucket, "copied").await, alices);
    assert_eq!(server.raw().put(format!("/{bucket}/nobodys"), "x").anonymous().send().status, 200);
    assert_eq!(listed(&alice, &bucket, "nobodys").await, alices);
}

#[tokio::test]
async fn a_bucket_policy_opens_the_objects_of_the_bucket_owner_alone_and_closes_all() {
    let server = Server::start();
    let (alice, bob) = (server.client_of(ALICE), server.client_of(BOB));
    let bucket = shared(&server, None).await;
    put(&alice, &bucket, "own", "x").await;
    put(&bob, &bucket, "bobs", "x").await;
    let policy = |effect: &str| {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"{effect}","Principal":"*",
            "Action":"s3:GetObject","Resource":"arn:aws:s3:::{bucket}/*"}}}}"#
        );
        alice.put_bucket_policy().bucket(&bucket).policy(text).send()
    };
    let status = |key: &str, who| {
        let request = server.raw_of(who).get(format!("/{bucket}/{key}"));
        (request.send().status, server.raw().get(format!("/{bucket}/{key}")).anonymous().send().status)
    };
    policy("Allow").await.expect("set");
    assert_eq!((status("own", READER), status("bobs", READER)), ((200, 200), (403, 403)));
    assert_eq!((status("bobs", BOB).0, status("bobs", ALICE).0), (200, 403));
    policy("Deny").await.expect("set");
    assert_eq!((status("bobs", BOB).0, status("own", ALICE).0), (403, 403));
}

#[tokio::test]
async fn whoever_writes_by_a_grant_of_the_configuration_writes_for_the_owner_of_the_bucket() {
    let server = Server::configured(
        "",
        "[bucket.team]\nowner = \"test-alice\"\naccess = { test-bob = \"readwrite\", test-reader = \"readonly\" }\n",
    );
    let (alice, bob) = (server.client_of(ALICE), server.client_of(BOB));
    put(&bob, "team", "k", "hello").await;
    put(&server.client_of(ADMIN), "team", "admins", "hello").await;
    for key in ["k", "admins"] {
        assert_eq!(listed(&alice, "team", key).await, server.canonical_id(ALICE));
        for client in [&alice, &bob, &server.client_of(READER)] {
            assert_eq!(get(client, "team", key).await.as_deref(), Some(&b"hello"[..]));
        }
    }
}
