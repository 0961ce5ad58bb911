//! The life of a request: route, resolve, authorize, operate, reply.

use super::{
    about::About,
    body::Body,
    call::{BucketCall, ObjectCall, ReadCall, ServiceCall},
    crossing::Crossings,
    error::{ErrorCode, S3Error},
    gate::{self, Need, Reads},
    headers,
    operation::{Operation, route},
    ops::*,
    reader::Reader,
    request::Request,
};
use crate::{
    buckets::Buckets,
    catalog::BucketId,
    model::{BucketName, ObjectKey},
};
use std::sync::Arc;

pub type Response = http::Response<Body>;

/// S3, over the buckets there are.
#[derive(Debug)]
pub struct Service {
    buckets: Arc<Buckets>,
    settings: Settings,
    copies: Arc<Crossings<(BucketId, ObjectKey)>>,
}

/// What of the configuration S3 itself shows.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Answered by GetBucketLocation and HeadBucket where a bucket has no location of its own.
    pub region: String,
    /// Whether clients may sign for other regions, and so have buckets in them.
    pub any_region: bool,
}

impl Service {
    pub fn new(buckets: Arc<Buckets>, settings: Settings) -> Self {
        Self { buckets, settings, copies: Arc::default() }
    }

    pub(super) fn buckets(&self) -> &Arc<Buckets> {
        &self.buckets
    }

    /// The copies under way.
    pub(super) fn copies(&self) -> &Arc<Crossings<(BucketId, ObjectKey)>> {
        &self.copies
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Answers any request. The operation is left in the reply's extensions, and so is the error for the log.
    pub async fn handle(&self, request: Request) -> Response {
        let about = About::of(&request);
        let (operation, result) = match route(&request) {
            Ok(operation) => (Some(operation), self.operate(operation, request).await),
            Err(error) => (None, Err(error)),
        };
        let mut response = result.unwrap_or_else(|error| about.error(error));
        if let Some(operation) = operation {
            response.extensions_mut().insert(operation);
        }
        response
    }

    async fn operate(&self, operation: Operation, request: Request) -> Result<Response, S3Error> {
        use Operation as Op;
        let need = gate::need(operation);
        if matches!(need, Need::Identity | Need::CreateBucket) {
            gate::authorize_service(&request.principal, need)?;
            headers::refuse_unsupported(operation, &request, None)?;
            let call = ServiceCall { request };
            return match operation {
                Op::CreateBucket => create_bucket::handle(self, call).await,
                _ => list_buckets::handle(self, call).await,
            };
        }
        let name = BucketName::parse(request.target.bucket.as_deref().unwrap_or_default());
        let bucket = self.buckets.get(&name.map_err(|_| ErrorCode::NoSuchBucket)?).await?;
        let Some(key) = request.target.key.as_deref() else {
            gate::authorize(&request.principal, need, &bucket)?;
            headers::admit(operation, &request, &bucket)?;
            let call = BucketCall { request, bucket };
            return match operation {
                Op::HeadBucket => head_bucket::handle(self, call).await,
                Op::DeleteBucket => delete_bucket::handle(self, call).await,
                Op::GetBucketLocation => get_bucket_location::handle(self, call).await,
                Op::GetBucketAcl => get_bucket_acl::handle(self, call).await,
                Op::PutBucketAcl => put_bucket_acl::handle(self, call).await,
                Op::GetBucketVersioning => get_bucket_versioning::handle(self, call).await,
                Op::ListObjects => list_objects::handle(self, call).await,
                Op::ListObjectsV2 => list_objects_v2::handle(self, call).await,
                Op::ListObjectVersions => list_object_versions::handle(self, call).await,
                Op::ListMultipartUploads => list_multipart_uploads::handle(self, call).await,
                Op::DeleteObjects => delete_objects::handle(self, call).await,
                _ => Err(ErrorCode::MethodNotAllowed.into()),
            };
        };
        let key = ObjectKey::new(key)?;
        if need == Need::ReadObject {
            let version = headers::admit(operation, &request, &bucket)?;
            let reads = Reads::of(&request.principal, &bucket);
            let call = ReadCall { request, reader: Reader::new(bucket, key, version, reads) };
            return match operation {
                Op::GetObject => get_object::handle(call).await,
                Op::HeadObject => head_object::handle(call).await,
                Op::GetObjectAttributes => get_object_attributes::handle(call).await,
                _ => Err(ErrorCode::MethodNotAllowed.into()),
            };
        }
        gate::authorize(&request.principal, need, &bucket)?;
        let version = headers::admit(operation, &request, &bucket)?;
        let call = ObjectCall { request, bucket, key, version };
        match operation {
            Op::PutObject => put_object::handle(self, call).await,
            Op::DeleteObject => delete_object::handle(self, call).await,
            Op::CopyObject => copy_object::handle(self, call).await,
            Op::GetObjectAcl => get_object_acl::handle(self, call).await,
            Op::PutObjectAcl => put_object_acl::handle(self, call).await,
            Op::GetObjectTagging => get_object_tagging::handle(self, call).await,
            Op::PutObjectTagging => put_object_tagging::handle(self, call).await,
            Op::DeleteObjectTagging => delete_object_tagging::handle(self, call).await,
            Op::CreateMultipartUpload => create_multipart_upload::handle(self, call).await,
            Op::UploadPart => upload_part::handle(self, call).await,
            Op::UploadPartCopy => upload_part_copy::handle(self, call).await,
            Op::CompleteMultipartUpload => complete_multipart_upload::handle(self, call).await,
            Op::AbortMultipartUpload => abort_multipart_upload::handle(self, call).await,
            Op::ListParts => list_parts::handle(self, call).await,
            _ => Err(ErrorCode::MethodNotAllowed.into()),
        }
    }
}
