//! A service with buckets of alice, and clients that may do what a test says.

use crate::{
    access::PrincipalIds,
    backend::{Backend, memory::MemoryBackend},
    buckets::{
        Buckets, CreateBucket,
        settings::{BucketPolicy, PolicyDocument, Registered},
    },
    catalog::sqlite::SqliteCatalog,
    model::{
        AccessKey, Acl, Attributes, BucketName, CanonicalId, Identity, ObjectKey, ObjectOwnership, Owner,
        Principal, Role, Tag, TagSet, account_id,
    },
    policy::{Member, MemberKind, NamedPolicy, Policy},
    s3::{Body, FormReply, Operation, Query, Request, Service, Settings, Spool, Target, tests},
    store::{Durability, PutRequest, payload::Payload},
};
use http::{HeaderName, HeaderValue};
use http_body_util::BodyExt;
use std::{collections::HashMap, sync::Arc};
use tempfile::TempDir;

pub(super) const CAROL: &str = "arn:aws:iam::000000000001:user/carol";

/// The users that policies of the fixture may name.
#[derive(Debug)]
struct Users;

impl PrincipalIds for Users {
    fn id(&self, arn: &str) -> Option<String> {
        (arn == CAROL).then(|| "AIDACAROL".to_owned())
    }
}

pub(super) struct Fixture {
    pub(super) service: Service,
    buckets: Arc<Buckets>,
    _dir: TempDir,
}

pub(super) fn owner(name: &str) -> Owner {
    Owner { id: name.into(), display_name: name.into() }
}

pub(super) fn account(name: &str, role: Role) -> Principal {
    Principal::Identity(Identity::account(AccessKey(name.into()), role, owner(name)).into())
}

/// A user of an account, with one identity policy.
pub(super) fn user(of: &str, policy: &str) -> Member {
    let account = account_id(of);
    let arn = if of == "carols" { CAROL.into() } else { format!("arn:aws:iam::{account}:user/dan").into() };
    Member {
        kind: MemberKind::User,
        canonical_id: of.into(),
        account,
        arn,
        id: if of == "carols" { "AIDACAROL".into() } else { "AIDADAN".into() },
        name: "dan".into(),
        role_arn: "".into(),
        provider: "".into(),
        tags: Vec::new(),
        policies: vec![named("own", policy)],
        boundary: None,
        session: None,
    }
}

pub(super) fn named(name: &str, policy: &str) -> NamedPolicy {
    NamedPolicy { name: name.into(), policy: Arc::new(Policy::identity(policy).expect("an identity policy")) }
}

pub(super) fn member(member: Member) -> Principal {
    let identity = Identity {
        access_key: AccessKey("member".into()),
        role: Role::ReadWrite,
        owner: owner(&member.canonical_id),
        member: Some(Arc::new(member)),
        issued: None,
        signature_v2: None,
    };
    Principal::Identity(Arc::new(identity))
}

/// A statement that allows actions on everything.
pub(super) fn allowing(actions: &[&str]) -> String {
    let actions = if actions.is_empty() { vec!["none:Nothing"] } else { actions.to_vec() };
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":{},"Resource":"*"}}}}"#,
        serde_json::json!(actions)
    )
}

/// A policy of the fixture's first bucket, with one statement.
pub(super) fn statement(effect: &str, principal: &str, action: &str, resource: &str, more: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"only","Effect":"{effect}","Principal":{principal},
        "Action":{action},"Resource":{resource}{more}}}]}}"#
    )
}

pub(super) const EVERYTHING: &str = r#"["arn:aws:s3:::bucket","arn:aws:s3:::bucket/*"]"#;

impl Fixture {
    /// Two private buckets of alice; each has the object `key`, with the tag `team=red`.
    pub(super) async fn new() -> Self {
        let dir = TempDir::new().expect("a directory");
        let catalog = Arc::new(SqliteCatalog::open(dir.path(), Durability::Relaxed).expect("a catalog"));
        let backends =
            HashMap::from([("memory".to_owned(), Arc::new(MemoryBackend::new()) as Arc<dyn Backend>)]);
        let buckets = Arc::new(Buckets::new(catalog, backends, "memory".to_owned()));
        for name in ["bucket", "other"] {
            let name = BucketName::parse(name).expect("a name");
            let create = CreateBucket {
                name,
                owner: owner("alice"),
                acl: Acl::default(),
                ownership: None,
                location: String::new(),
            };
            buckets.create(create).await.expect("a bucket");
        }
        let settings = Settings {
            region: "r".to_owned(),
            any_region: true,
            object_ownership: ObjectOwnership::ObjectWriter,
        };
        let spool = Spool::new(dir.path().join("spool"), 1 << 20);
        let service = Service::new(buckets.clone(), settings, spool).with_principals(Arc::new(Users));
        let fixture = Self { service, buckets, _dir: dir };
        for bucket in ["bucket", "other"] {
            fixture.put(bucket, "key", &[("team", "red")], Acl::default()).await;
        }
        fixture
    }

    pub(super) async fn put(&self, bucket: &str, key: &str, tags: &[(&str, &str)], acl: impl Into<Acl>) {
        self.put_as(None, bucket, key, tags, acl).await;
    }

    /// Puts an object that belongs to an account. `None`: to the owner of the bucket.
    pub(super) async fn put_as(
        &self,
        owner: Option<&str>,
        bucket: &str,
        key: &str,
        tags: &[(&str, &str)],
        acl: impl Into<Acl>,
    ) {
        let tags = tags.iter().map(|(key, value)| Tag { key: (*key).into(), value: (*value).into() });
        let attributes = Attributes {
            tags: TagSet::new(tags.collect()).expect("tags"),
            acl: acl.into(),
            owner: owner.and_then(CanonicalId::parse),
            ..Attributes::default()
        };
        let key = ObjectKey::new(key).expect("a key");
        let request =
            PutRequest { attributes, conditions: Default::default(), payload: Payload::from_bytes("hello") };
        self.bucket(bucket).await.store().put(&key, request).await.expect("an object");
    }

    pub(super) async fn bucket(&self, name: &str) -> Arc<crate::buckets::Bucket> {
        self.buckets.get(&BucketName::parse(name).expect("a name")).await.expect("a bucket")
    }

    pub(super) async fn set<K: Registered>(&self, value: &K::Value) {
        self.buckets.set::<K>(&*self.bucket("bucket").await, value).await.expect("set");
    }

    /// Puts a policy in force without asking whether it may be set.
    pub(super) async fn policy(&self, text: &str) {
        let policy = BucketPolicy::accept(text, "bucket", |arn| Users.id(arn)).expect("a bucket policy");
        self.set::<PolicyDocument>(&Some(Arc::new(policy))).await;
    }

    pub(super) async fn status(&self, request: Request) -> u16 {
        self.service.handle(request).await.status().as_u16()
    }

    pub(super) async fn reply(&self, request: Request) -> (u16, String) {
        let reply = self.service.handle(request).await;
        let status = reply.status().as_u16();
        let body: Body = reply.into_body();
        let body = body.collect().await.expect("a body").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("UTF-8"))
    }
}

/// A request of someone for an operation, on `key` of the first bucket, as the table names it.
pub(super) fn ask(operation: Operation, who: &Principal) -> Request {
    let mut request = tests::request_for(operation.facts());
    request.context.principal = who.clone();
    // Without them requests are malformed, whoever sends them.
    request.headers.insert("x-amz-object-attributes", HeaderValue::from_static("ETag"));
    let account = HeaderValue::from_str(&account_id("alice")).expect("digits");
    request.headers.insert("x-amz-account-id", account);
    if request.headers.contains_key("x-amz-copy-source") {
        request.headers.insert("x-amz-copy-source", HeaderValue::from_static("/other/key"));
    }
    if matches!(operation, Operation::UploadPart | Operation::UploadPartCopy) {
        request = with_query(request, &[("partNumber", "1"), ("uploadId", "upload")]);
    }
    if operation == Operation::PostObject {
        request.target.key = Some("key".to_owned());
        request.form = Some(FormReply::default());
    }
    request
}

pub(super) fn on_key(mut request: Request, key: &str) -> Request {
    request.target.key = Some(key.to_owned());
    request
}

pub(super) fn on_bucket(mut request: Request, bucket: &str) -> Request {
    request.target = Target { bucket: Some(bucket.to_owned()), ..request.target };
    request
}

pub(super) fn with_header(mut request: Request, name: &'static str, value: &str) -> Request {
    request
        .headers
        .insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header value"));
    request
}

pub(super) fn with_query(mut request: Request, pairs: &[(&str, &str)]) -> Request {
    let all = request.query.iter().filter(|(name, _)| pairs.iter().all(|(other, _)| other != name));
    let all = all.chain(pairs.iter().copied());
    request.query = Query::new(all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
    request
}

pub(super) fn with_body(mut request: Request, body: &str) -> Request {
    // The document of a DELETE of many and of tags needs a digest, which a signed payload is.
    request.headers.insert("content-md5", HeaderValue::from_static("1B2M2Y8AsgTpgAmY7PhCfg=="));
    request.payload = Payload::from_bytes(body.to_owned());
    request
}
