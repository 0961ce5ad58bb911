//! PutBucketAcl over the wire.

use crate::support::{ADMIN, ALICE, BOB, READER, Server, failure, is, put};
use aws_sdk_s3::types::BucketCannedAcl;

#[tokio::test]
async fn an_acl_takes_effect_at_once_and_survives_a_restart() {
    let mut server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let anonymous = |server: &Server| server.raw().get(format!("/{bucket}")).anonymous().send().status;
    assert_eq!(anonymous(&server), 403);
    client.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::PublicRead).send().await.expect("set");
    assert_eq!(anonymous(&server), 200);
    assert_eq!(
        server.raw().put(format!("/{bucket}/k"), "x").anonymous().send().failure(),
        is(403, "AccessDenied")
    );
    server.restart();
    assert_eq!(anonymous(&server), 200);
    let client = server.client();
    client.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::Private).send().await.expect("set");
    assert_eq!(anonymous(&server), 403);
}

#[tokio::test]
async fn each_canned_acl_lets_in_whom_it_names() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "x").await;
    for (acl, users, anyone, writes) in [
        (BucketCannedAcl::Private, false, false, false),
        (BucketCannedAcl::AuthenticatedRead, true, false, false),
        (BucketCannedAcl::PublicRead, true, true, false),
        (BucketCannedAcl::PublicReadWrite, true, true, true),
    ] {
        client.put_bucket_acl().bucket(&bucket).acl(acl.clone()).send().await.expect("set");
        let status = |allowed: bool| if allowed { 200 } else { 403 };
        assert_eq!(server.raw_of(BOB).get(format!("/{bucket}")).send().status, status(users), "{acl}");
        assert_eq!(server.raw().get(format!("/{bucket}")).anonymous().send().status, status(anyone), "{acl}");
        assert_eq!(
            server.raw().put(format!("/{bucket}/other"), "y").anonymous().send().status,
            status(writes),
            "{acl}"
        );
        // The ACL of a bucket gives no right on the objects in it.
        assert_eq!(server.raw().get(format!("/{bucket}/k")).anonymous().send().status, 403, "{acl}");
    }
}

#[tokio::test]
async fn a_document_that_amounts_to_a_canned_acl_is_taken() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let acl = || server.raw().get(format!("/{bucket}?acl")).send();
    client.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::PublicRead).send().await.expect("set");
    let public = acl().body;
    client.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::Private).send().await.expect("set");
    assert_eq!(server.raw().put(format!("/{bucket}?acl"), &public).send().status, 200);
    assert_eq!(acl().body, public);
    let owner = acl().element("ID").expect("an owner");
    let document = |grants: &str| {
        format!(
            "<AccessControlPolicy><Owner><ID>{owner}</ID></Owner><AccessControlList>{grants}</AccessControlList></AccessControlPolicy>"
        )
    };
    let named = document("<Grant><Grantee><ID>somebody</ID></Grantee><Permission>READ</Permission></Grant>");
    for (body, (status, code)) in [
        (named, (400, "InvalidArgument")),
        ("<AccessControlPolicy/>".to_owned(), (400, "MalformedACLError")),
        (
            document("<Grant><Grantee><ID>a</ID></Grantee></Grant>").replace(&owner, "somebody"),
            (400, "MalformedACLError"),
        ),
        (document("").replace(&owner, "somebody"), (403, "AccessDenied")),
        (String::new(), (400, "MissingSecurityHeader")),
    ] {
        assert_eq!(
            server.raw().put(format!("/{bucket}?acl"), &body).send().failure(),
            is(status, code),
            "{body}"
        );
    }
    let both = server.raw().put(format!("/{bucket}?acl"), &public).header("x-amz-acl", "private").send();
    assert_eq!(both.failure(), is(400, "UnexpectedContent"));
    assert_eq!(acl().body, public);
}

#[tokio::test]
async fn only_its_owner_opens_a_bucket() {
    let server = Server::start();
    let client = server.client();
    client
        .create_bucket()
        .bucket("shared")
        .acl(BucketCannedAcl::PublicReadWrite)
        .send()
        .await
        .expect("a bucket");
    let put = server.client_of(BOB).put_bucket_acl().bucket("shared").acl(BucketCannedAcl::Private);
    assert_eq!(failure(put.send().await), is(403, "AccessDenied"));
}

#[tokio::test]
async fn a_grant_on_a_bucket_lets_one_account_do_one_thing() {
    let server = Server::start();
    let client = server.client_of(ALICE);
    let bucket = server.bucket(&client).await;
    let bob = server.canonical_id(BOB);
    let (list, acl) = (format!("/{bucket}"), format!("/{bucket}?acl"));
    // What bob may do: list, write, delete, see the ACL, set the ACL.
    for (header, expected) in [
        ("x-amz-grant-read", [200, 403, 403, 403, 403]),
        ("x-amz-grant-write", [403, 200, 204, 403, 403]),
        ("x-amz-grant-read-acp", [403, 403, 403, 200, 403]),
        ("x-amz-grant-write-acp", [403, 403, 403, 403, 200]),
        ("x-amz-grant-full-control", [200, 200, 204, 200, 200]),
    ] {
        for key in ["k", "other", "alices"] {
            put(&client, &bucket, key, "x").await;
        }
        let grant = format!("id=\"{bob}\"");
        assert_eq!(server.raw_of(ALICE).put(&acl, "").header(header, &grant).send().status, 200, "{header}");
        let raw = server.raw_of(BOB);
        let statuses = [
            raw.get(&list).send().status,
            raw.put(format!("/{bucket}/other"), "y").send().status,
            raw.request("DELETE", format!("/{bucket}/k")).send().status,
            raw.get(&acl).send().status,
            raw.put(&acl, "").header(header, &grant).send().status,
        ];
        assert_eq!(statuses, expected, "{header}");
        // Objects have ACLs of their own, and the bucket is its owner's.
        assert_eq!(raw.get(format!("/{bucket}/alices")).send().status, 403, "{header}");
        assert_eq!(raw.get(format!("/{bucket}?policy")).send().status, 403, "{header}");
        assert_eq!(raw.request("DELETE", &list).send().status, 403, "{header}");
        for target in [&list, &acl] {
            assert_eq!(server.raw_of(READER).get(target).send().status, 403, "{header}");
            assert_eq!(server.raw().get(target).anonymous().send().status, 403, "{header}");
        }
    }
}

#[tokio::test]
async fn grants_are_shown_as_they_were_given_and_can_be_put_back() {
    let mut server = Server::start();
    let client = server.client_of(ALICE);
    let bucket = server.bucket(&client).await;
    let target = format!("/{bucket}?acl");
    let (alice, bob) = (server.canonical_id(ALICE), server.canonical_id(BOB));
    let set = server.raw_of(ALICE).put(&target, "");
    let set = set.header("x-amz-grant-full-control", format!("id={alice}"));
    let groups = "uri=\"http://acs.amazonaws.com/groups/global/AuthenticatedUsers\", \
                  uri=\"http://acs.amazonaws.com/groups/s3/LogDelivery\"";
    let set = set.header("x-amz-grant-read", format!("id=\"{bob}\",{groups}"));
    assert_eq!(set.header("x-amz-grant-write-acp", format!("id=\"{bob}\"")).send().status, 200);
    server.restart();
    let client = server.client_of(ALICE);
    let acl = client.get_bucket_acl().bucket(&bucket).send().await.expect("an ACL");
    let shown: Vec<_> = acl
        .grants()
        .iter()
        .map(|grant| {
            let grantee = grant.grantee().expect("a grantee");
            let named = grantee.id().or(grantee.uri()).expect("a name").to_owned();
            (named, grant.permission().expect("a permission").as_str().to_owned())
        })
        .collect();
    let expected = [
        (&*bob, "READ"),
        ("http://acs.amazonaws.com/groups/global/AuthenticatedUsers", "READ"),
        ("http://acs.amazonaws.com/groups/s3/LogDelivery", "READ"),
        (&*bob, "WRITE_ACP"),
        (&*alice, "FULL_CONTROL"),
    ]
    .map(|(grantee, permission)| (grantee.to_owned(), permission.to_owned()));
    assert_eq!(shown, expected);
    assert_eq!(server.raw_of(READER).get(format!("/{bucket}")).send().status, 200, "an authenticated user");
    let document = server.raw_of(ALICE).get(&target).send().body;
    client.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::Private).send().await.expect("set");
    assert_eq!(server.raw_of(BOB).put(&target, &document).send().status, 403);
    assert_eq!(server.raw_of(ALICE).put(&target, &document).send().status, 200);
    assert_eq!(server.raw_of(ALICE).get(&target).send().body, document);
    // Nothing at all may be granted, and the owner's account loses nothing by it.
    let nothing = format!(
        "<AccessControlPolicy><Owner><ID>{alice}</ID></Owner><AccessControlList/></AccessControlPolicy>"
    );
    assert_eq!(server.raw_of(ALICE).put(&target, nothing).send().status, 200);
    let acl = client.get_bucket_acl().bucket(&bucket).send().await.expect("an ACL");
    assert_eq!(acl.grants().len(), 0);
    put(&client, &bucket, "k", "x").await;
}

#[tokio::test]
async fn grants_that_mean_nobody_are_refused_and_change_nothing() {
    let server = Server::start();
    let bucket = server.bucket(&server.client()).await;
    let target = format!("/{bucket}?acl");
    let before = server.raw().get(&target).send().body;
    let owner = server.raw().get(&target).send().element("ID").expect("an owner");
    let known = format!("id={owner}");
    for (name, value, refusal) in [
        ("x-amz-grant-read", "id=somebody", is(400, "InvalidArgument")),
        ("x-amz-grant-read", "id=_foo", is(400, "InvalidArgument")),
        ("x-amz-grant-read", "uri=http://example.com/group", is(400, "InvalidArgument")),
        ("x-amz-grant-read", "somebody", is(400, "InvalidArgument")),
        ("x-amz-grant-read", "emailAddress=a@example.com", is(400, "UnresolvableGrantByEmailAddress")),
        ("x-amz-grant-list", &*known, is(501, "NotImplemented")),
    ] {
        let reply = server.raw().put(&target, "").header(name, value).send();
        assert_eq!(reply.failure(), refusal, "{name}: {value}");
    }
    let both =
        server.raw().put(&target, "").header("x-amz-acl", "private").header("x-amz-grant-read", &known);
    assert_eq!(both.send().failure(), is(400, "InvalidRequest"));
    let elsewhere = server.raw().put(format!("/{bucket}?tagging"), "").header("x-amz-grant-read", &known);
    assert_eq!(elsewhere.send().failure(), is(501, "NotImplemented"));
    let email = "<Grant><Grantee><EmailAddress>a@example.com</EmailAddress></Grantee><Permission>READ</Permission></Grant>";
    let document = format!(
        "<AccessControlPolicy><Owner><ID>{owner}</ID></Owner><AccessControlList>{email}</AccessControlList></AccessControlPolicy>"
    );
    let by_mail = server.raw().put(&target, document).send();
    assert_eq!(by_mail.failure(), is(400, "UnresolvableGrantByEmailAddress"));
    assert_eq!(server.raw().get(&target).send().body, before);
}

#[tokio::test]
async fn a_read_only_account_changes_nothing_whatever_it_is_granted() {
    let server = Server::start();
    let client = server.client_of(ALICE);
    let bucket = server.bucket(&client).await;
    let grant = format!("id={}", server.canonical_id(READER));
    let (list, acl) = (format!("/{bucket}"), format!("/{bucket}?acl"));
    let set = server.raw_of(ALICE).put(&acl, "").header("x-amz-grant-full-control", &grant).send();
    assert_eq!(set.status, 200);
    let reader = server.raw_of(READER);
    assert_eq!((reader.get(&list).send().status, reader.get(&acl).send().status), (200, 200));
    assert_eq!(reader.put(format!("/{bucket}/k"), "x").send().failure(), is(403, "AccessDenied"));
    let private = reader.put(&acl, "").header("x-amz-acl", "private").send();
    assert_eq!(private.failure(), is(403, "AccessDenied"));
}

#[tokio::test]
async fn names_of_accounts_are_shown_to_accounts_only() {
    let server = Server::start();
    let bucket = server.bucket(&server.client_of(ALICE)).await;
    let acl = format!("/{bucket}?acl");
    let set = server.raw_of(ALICE).put(&acl, "");
    let set = set.header("x-amz-grant-read-acp", "uri=http://acs.amazonaws.com/groups/global/AllUsers");
    assert_eq!(set.send().status, 200);
    assert!(server.raw_of(ADMIN).get(&acl).send().text().contains("DisplayName"));
    let anybody = server.raw().get(&acl).anonymous().send();
    assert_eq!((anybody.status, anybody.text().contains("DisplayName")), (200, false));
}
