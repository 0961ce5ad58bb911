//! PutBucketPolicy.

use crate::{
    buckets::settings::{BucketPolicy, PolicyDocument, PolicyRefused},
    s3::{
        BucketCall, ErrorCode, HeaderMapExt, Request, Response, S3Error, Service, asker::Asker,
        bucket_policy, gate, reply,
    },
};
use http::{HeaderMap, StatusCode};
use std::sync::Arc;

/// More than the longest policy, so that one that is too long is refused by name.
const MAX_BODY: usize = 64 * 1024;

const CONFIRMED: &str = "x-amz-confirm-remove-self-bucket-access";

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    bucket_policy::require_owner(&call)?;
    let BucketCall { request, bucket } = call;
    let is_confirmed = is_confirmed(&request.headers)?;
    let Request { context, query, headers, payload, .. } = request;
    let body = payload.collect(MAX_BODY).await?;
    let text = std::str::from_utf8(&body).map_err(|_| malformed("the policy is not UTF-8"))?;
    let policy = BucketPolicy::accept(text, bucket.name().as_str(), |arn| service.principals().id(arn))
        .map_err(refused)?;
    if bucket.public_access().block_public_policy && policy.is_public() {
        return Err(ErrorCode::AccessDenied.into());
    }
    if !is_confirmed && !gate::could_undo(&Asker::new(&context, &query, &headers), &bucket, &policy) {
        let message = "The policy would take away your own permission to change it. Send the request again with \
                       x-amz-confirm-remove-self-bucket-access: true to confirm this.";
        return Err(S3Error::new(ErrorCode::AccessDenied, message));
    }
    service.buckets().set::<PolicyDocument>(&bucket, &Some(Arc::new(policy))).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

fn is_confirmed(headers: &HeaderMap) -> Result<bool, S3Error> {
    match headers.amz(CONFIRMED)? {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(other) => Err(S3Error::argument(CONFIRMED, other, "The value must be true or false")),
    }
}

fn refused(refused: PolicyRefused) -> S3Error {
    malformed(&refused.to_string())
}

fn malformed(why: &str) -> S3Error {
    S3Error::new(ErrorCode::MalformedPolicy, why)
}
