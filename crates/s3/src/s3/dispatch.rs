//! The life of a request: its query is checked, what it addresses is resolved, the gate decides, and the
//! operation's handler answers.
//!
//! The match over operations is generated from the table in `operations`: an operation without a handler is
//! refused by name, and an operation without a row does not exist.

use super::{
    about::About,
    asker::Asker,
    body::Response,
    call::{AccountCall, BucketCall, ObjectCall, ReadCall, ServiceCall},
    control,
    error::{ErrorCode, S3Error},
    gate::{self, Addressed, Decision},
    headers,
    operation::{On, Operation},
    operations::each_operation,
    ops::*,
    payment::Requester,
    preflight::Preflight,
    reader::Reader,
    request::{Request, Target},
    routing,
    service::Service,
};
use crate::{
    buckets::Bucket,
    model::{BucketName, ObjectAddress, ObjectKey, account_id},
};
use futures_util::future::BoxFuture;
use std::{future::ready, sync::Arc};

/// Calls the handler of an operation by its kind: each kind resolves and decides as much as its handlers
/// need. Each operation has a future of its own size: a small request does not pay for the state of a large one.
macro_rules! dispatch {
    ($service:ident $operation:ident $request:ident
        $($name:ident $facts:tt => $kind:ident $($handler:ident)? $($refusal:literal)?;)+) => {
        match $operation {
            $(Operation::$name => dispatch!(@$kind $service Operation::$name, $request $($handler)?),)+
        }
    };
    (@service $service:ident $operation:expr, $request:ident $handler:ident) => {
        Box::pin(async move {
            let call = $service.on_service($operation, $request)?;
            $handler::handle($service, call).await
        })
    };
    (@account $service:ident $operation:expr, $request:ident $handler:ident) => {
        Box::pin(async move {
            let call = $service.on_account($operation, $request)?;
            $handler::handle($service, call).await
        })
    };
    (@tagged $service:ident $operation:expr, $request:ident $handler:ident) => {
        Box::pin(async move {
            let call = $service.on_tagged($operation, $request).await?;
            $handler::handle($service, call).await
        })
    };
    (@bucket $service:ident $operation:expr, $request:ident $handler:ident) => {
        Box::pin(async move {
            let bucket = $service.bucket_of(&$request.target).await?;
            let call = $service.on_bucket($operation, $request, bucket)?;
            $handler::handle($service, call).await
        })
    };
    (@reads $service:ident $operation:expr, $request:ident $handler:ident) => {
        Box::pin(async move {
            let bucket = $service.bucket_of(&$request.target).await?;
            let call = $service.on_read($operation, $request, bucket)?;
            $handler::handle(call).await
        })
    };
    (@object $service:ident $operation:expr, $request:ident $handler:ident) => {
        Box::pin(async move {
            let call = $service.on_object($operation, $request).await?;
            $handler::handle($service, call).await
        })
    };
    (@form $service:ident $operation:expr, $request:ident $handler:ident) => {
        Box::pin(async move {
            let call = $service.on_form($operation, $request).await?;
            $handler::handle($service, call).await
        })
    };
    (@refused $service:ident $operation:expr, $request:ident) => {
        Box::pin(ready(Err(routing::refused($operation))))
    };
}

impl Service {
    /// Answers any request. The error, if it is one, is left in the reply's extensions, for the log.
    pub async fn handle(&self, mut request: Request) -> Response {
        request.context.gateway = Some(self.gateway().clone());
        let about = About::of(&request);
        let answered = match routing::check(&request).and_then(|operation| Ok((operation, payer(&request)?)))
        {
            Ok((operation, payer)) => {
                self.operate(operation, request).await.map(|response| self.charged(payer, response))
            }
            Err(error) => Err(error),
        };
        answered.unwrap_or_else(|error| about.error(error))
    }

    /// Answers a preflight, which is not authenticated.
    pub async fn preflight(&self, preflight: Preflight) -> Response {
        let rules = self.cors(preflight.target.bucket.as_deref()).await;
        preflight.answer(&rules)
    }

    /// Says in the reply that a requester pays, where it does.
    fn charged(&self, payer: Option<(Requester, String)>, mut response: Response) -> Response {
        if let Some((requester, name)) = payer
            && let Ok(name) = BucketName::parse(&name)
            && let Some(bucket) = self.buckets().opened(&name)
        {
            requester.mark(&bucket, &mut response);
        }
        response
    }

    fn operate(&self, operation: Operation, request: Request) -> BoxFuture<'_, Result<Response, S3Error>> {
        each_operation!(dispatch { self operation request })
    }

    /// For operations that need no bucket, or make one.
    fn on_service(&self, operation: Operation, request: Request) -> Result<ServiceCall, S3Error> {
        let name = request.target.bucket.as_deref().unwrap_or_default();
        // What depends on the body is asked again by the handler.
        gate::admit(&Asker::of(&request), operation, Addressed::new_bucket(name))?;
        headers::refuse_unsupported(operation, &request, None)?;
        Ok(ServiceCall { request })
    }

    /// For operations of the control plane on an account. Nobody acts as another account.
    fn on_account(&self, operation: Operation, request: Request) -> Result<AccountCall, S3Error> {
        let account = control::account(&request)?;
        gate::admit(&Asker::of(&request), operation, Addressed::account(account))?;
        headers::refuse_unsupported(operation, &request, None)?;
        let owner = request.context.principal.identity().map(|identity| identity.owner.id.clone());
        match owner.filter(|owner| *account_id(owner) == *account) {
            Some(owner) => Ok(AccountCall { request, owner }),
            None => Err(ErrorCode::AccessDenied.into()),
        }
    }

    /// For operations of the control plane on a bucket.
    async fn on_tagged(&self, operation: Operation, request: Request) -> Result<BucketCall, S3Error> {
        let missing = |error: S3Error| match error.code {
            ErrorCode::NoSuchBucket => ErrorCode::NoSuchResource.into(),
            _ => error,
        };
        let bucket = self.bucket_of(&request.target).await.map_err(missing)?;
        control::require_owner(&request, &bucket)?;
        // What depends on the tags in the body is asked again by the handler.
        gate::admit(&Asker::of(&request), operation, Addressed::bucket(&bucket))?;
        headers::admit(operation, &request, &bucket, &**self.accounts())?;
        Ok(BucketCall { request, bucket })
    }

    fn on_bucket(
        &self,
        operation: Operation,
        request: Request,
        bucket: Arc<Bucket>,
    ) -> Result<BucketCall, S3Error> {
        // What depends on the keys in the body is asked again by the handler.
        gate::admit(&Asker::of(&request), operation, Addressed::bucket(&bucket))?;
        headers::admit(operation, &request, &bucket, &**self.accounts())?;
        Ok(BucketCall { request, bucket })
    }

    /// Decides nothing about an object that was not opened: the call's reader does that.
    pub(super) fn on_read(
        &self,
        operation: Operation,
        request: Request,
        bucket: Arc<Bucket>,
    ) -> Result<ReadCall, S3Error> {
        let key = key_of(&request.target)?;
        let version = headers::admit(operation, &request, &bucket, &**self.accounts())?;
        Ok(ReadCall::new(operation, request, bucket, key, version, self.accounts().clone()))
    }

    async fn on_object(&self, operation: Operation, request: Request) -> Result<ObjectCall, S3Error> {
        let bucket = self.bucket_of(&request.target).await?;
        let key = key_of(&request.target)?;
        let version = headers::version_of(operation, &request)?;
        let address = ObjectAddress::new(&key, version.as_ref());
        let asker = Asker::of(&request);
        let addressed = Addressed { name: "", bucket: Some(&bucket), object: Some(address) };
        if gate::admit(&asker, operation, addressed)? == Decision::Depends {
            // Needs on new tags are asked again by the handler, those on the object are decided here.
            let is_on_object = operation.facts().needs.iter().any(|need| need.on == On::Object);
            if is_on_object {
                let reader = Reader::new(asker, operation, On::Object, &bucket, address);
                // Boxed: most requests are decided without the object, and need no place for this.
                Box::pin(reader.allow()).await?;
            }
        }
        headers::admit(operation, &request, &bucket, &**self.accounts())?;
        Ok(ObjectCall { request, bucket, key, version })
    }

    /// For uploads by form, whose key is a field.
    async fn on_form(&self, operation: Operation, request: Request) -> Result<ObjectCall, S3Error> {
        if request.form.is_none() {
            let condition = "Bucket POST must be of the enclosure-type multipart/form-data";
            return Err(S3Error::from(ErrorCode::PreconditionFailed).detail("Condition", condition));
        }
        self.on_object(operation, request).await
    }

    pub(super) async fn bucket_of(&self, target: &Target) -> Result<Arc<Bucket>, S3Error> {
        let name = BucketName::parse(target.bucket.as_deref().unwrap_or_default());
        let name = name.map_err(|_| ErrorCode::NoSuchBucket)?;
        match self.buckets().opened(&name) {
            Some(bucket) => Ok(bucket),
            // Boxed: a bucket is opened once, and requests come often.
            None => Ok(Box::pin(self.buckets().get(&name)).await?),
        }
    }
}

/// The requester who says that it pays, and the bucket that it addresses.
fn payer(request: &Request) -> Result<Option<(Requester, String)>, S3Error> {
    let requester = Requester::of(request)?;
    Ok(requester.and_then(|requester| Some((requester, request.target.bucket.clone()?))))
}

fn key_of(target: &Target) -> Result<ObjectKey, S3Error> {
    Ok(ObjectKey::new(target.key.as_deref().unwrap_or_default())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backend::{Backend, memory::MemoryBackend},
        buckets::{Buckets, CreateBucket},
        catalog::sqlite::SqliteCatalog,
        model::{AccessKey, CannedAcl, Identity, ObjectOwnership, Owner, Principal, Role},
        s3::{
            FormReply, Query, Settings, Spool,
            operation::{Need, Scope},
            tests::request_for,
        },
        store::{Durability, payload::Payload},
    };
    use std::collections::HashMap;

    fn identity(name: &str, role: Role) -> Principal {
        let owner = Owner { id: name.into(), display_name: name.into() };
        Principal::Identity(Identity::account(AccessKey(name.into()), role, owner).into())
    }

    /// A service with buckets of alice: a private one, named as in every request of these tests, and one that
    /// anybody writes to.
    async fn service(dir: &tempfile::TempDir) -> Service {
        let catalog = Arc::new(SqliteCatalog::open(dir.path(), Durability::Relaxed).expect("a catalog"));
        let backends =
            HashMap::from([("memory".to_owned(), Arc::new(MemoryBackend::new()) as Arc<dyn Backend>)]);
        let buckets = Arc::new(Buckets::new(catalog, backends, "memory".to_owned()));
        let owner = Owner { id: "alice".into(), display_name: "alice".into() };
        for (name, acl) in [("bucket", CannedAcl::Private), ("public", CannedAcl::PublicReadWrite)] {
            let name = BucketName::parse(name).expect("a name");
            let create = CreateBucket {
                name,
                owner: owner.clone(),
                acl: acl.into(),
                ownership: None,
                location: String::new(),
            };
            buckets.create(create).await.expect("a bucket");
        }
        let spool = Spool::new(dir.path().join("spool"), 1 << 20);
        Service::new(
            buckets,
            Settings {
                region: "r".to_owned(),
                any_region: true,
                object_ownership: ObjectOwnership::ObjectWriter,
            },
            spool,
        )
    }

    async fn status(service: &Service, operation: Operation, principal: Principal, bucket: &str) -> u16 {
        let facts = operation.facts();
        let mut request = request_for(facts);
        request.context.principal = principal;
        if !matches!(facts.scope, Scope::Service | Scope::Account) {
            request.target.bucket = Some(bucket.to_owned());
        }
        // Requests of the control plane name an account: that of the bucket, or their own.
        let account = match (facts.scope, request.context.principal.identity()) {
            (Scope::Account, Some(identity)) => account_id(&identity.owner.id),
            _ => account_id("alice"),
        };
        let account = http::HeaderValue::from_str(&account).expect("digits");
        request.headers.insert("x-amz-account-id", account);
        if operation == Operation::PostObject {
            request.target.key = Some("key".to_owned());
            request.form = Some(FormReply::default());
        }
        // Without them requests are malformed, whoever sends them.
        request.headers.insert("x-amz-object-attributes", http::HeaderValue::from_static("ETag"));
        if operation == Operation::PutObjectTagging {
            let digest = http::HeaderValue::from_static("1B2M2Y8AsgTpgAmY7PhCfg==");
            request.headers.insert("content-md5", digest);
            request.payload = Payload::from_bytes("<Tagging><TagSet></TagSet></Tagging>");
        }
        service.handle(request).await.status().as_u16()
    }

    fn served() -> impl Iterator<Item = Operation> {
        Operation::ALL.iter().copied().filter(|operation| operation.facts().is_served())
    }

    #[tokio::test]
    async fn every_operation_that_is_served_is_denied_to_whoever_may_do_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let service = service(&dir).await;
        assert!(served().count() >= 30);
        for operation in served() {
            assert_eq!(
                status(&service, operation, Principal::Anonymous, "bucket").await,
                403,
                "{operation:?}"
            );
            // An identity may ask for its own buckets, and make new ones.
            let is_on_bucket = |need: &Need| !matches!(need.on, On::Service | On::NewBucket | On::Account);
            if operation.facts().needs.iter().all(is_on_bucket) {
                let stranger = identity("bob", Role::ReadWrite);
                assert_eq!(status(&service, operation, stranger, "bucket").await, 403, "{operation:?}");
            }
        }
    }

    #[tokio::test]
    async fn no_operation_that_is_served_is_denied_to_an_administrator() {
        for operation in served() {
            let dir = tempfile::tempdir().expect("a directory");
            let service = service(&dir).await;
            let status = status(&service, operation, identity("root", Role::Admin), "bucket").await;
            assert!(!matches!(status, 403 | 501 | 500), "{operation:?}: {status}");
        }
    }

    #[tokio::test]
    async fn a_copy_is_denied_to_whoever_may_not_read_its_source() {
        let dir = tempfile::tempdir().expect("a directory");
        let service = service(&dir).await;
        let copies =
            served().filter(|operation| operation.facts().needs.iter().any(|need| need.on == On::Source));
        for operation in copies {
            // The source is in the private bucket. Whoever may read it gets 404: there is nothing.
            for (principal, expected) in
                [(identity("bob", Role::ReadWrite), 403), (identity("alice", Role::ReadWrite), 404)]
            {
                let mut request = request_for(operation.facts());
                request.context.principal = principal;
                request.target.bucket = Some("public".to_owned());
                if operation == Operation::UploadPartCopy {
                    let query = [("partNumber", "1"), ("uploadId", "upload")];
                    request.query =
                        Query::new(query.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
                }
                assert_eq!(service.handle(request).await.status().as_u16(), expected, "{operation:?}");
            }
        }
    }

    #[test]
    fn every_need_is_about_something_that_requests_of_its_operation_address() {
        for operation in Operation::ALL {
            let facts = operation.facts();
            // Operations that read decide with the object, and about nothing else.
            assert!(facts.also.is_empty() || !facts.verb.is_safe(), "{operation:?}");
            for need in facts.needs {
                let is_addressed = match need.on {
                    On::Service => facts.scope == Scope::Service,
                    On::Account => facts.scope == Scope::Account,
                    On::NewBucket | On::EachKey => facts.scope == Scope::Bucket,
                    On::Bucket => matches!(facts.scope, Scope::Bucket | Scope::Resource),
                    // The key of a form is one of its fields.
                    On::Object => facts.scope == Scope::Object || *operation == Operation::PostObject,
                    On::Tagged | On::Source => facts.scope == Scope::Object,
                };
                assert!(is_addressed, "{operation:?} {need:?}");
            }
        }
    }

    /// Bounds for builds without optimizations, in which futures are larger.
    #[tokio::test]
    async fn the_state_of_a_read_is_small() {
        let dir = tempfile::tempdir().expect("a directory");
        let service = service(&dir).await;
        let read = || request_for(Operation::GetObject.facts());
        assert!(size_of_val(&service.handle(read())) <= 1536);
        for operation in [Operation::GetObject, Operation::HeadObject] {
            assert!(size_of_val(&*service.operate(operation, read())) <= 3328, "{operation:?}");
        }
    }
}
