//! PutPublicAccessBlock.

use crate::{
    buckets::settings::PublicAccessBlock,
    s3::{BucketCall, Response, S3Error, Service, public_access, reply},
};
use http::StatusCode;

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let access = public_access::read(&call.request.payload.collect(public_access::MAX_DOCUMENT).await?)?;
    service.buckets().set::<PublicAccessBlock>(&call.bucket, &Some(access)).await?;
    Ok(reply::empty(StatusCode::OK))
}
