//! PutBucketRequestPayment: who pays for requests. `payment` enforces it.

use crate::{
    buckets::settings::{Payer, RequestPayment},
    s3::{BucketCall, Response, S3Error, Service, headers, reply, word},
};
use http::StatusCode;

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    headers::require_integrity(&call.request)?;
    let bucket = call.bucket.clone();
    let payer = word::read(call, "RequestPaymentConfiguration", "Payer", Payer::parse).await?;
    service.buckets().set::<RequestPayment>(&bucket, &payer).await?;
    Ok(reply::empty(StatusCode::OK))
}
