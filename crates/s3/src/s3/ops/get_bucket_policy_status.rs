//! GetBucketPolicyStatus: whether the policy is public. ACLs are not part of it.

use crate::s3::{BucketCall, Response, S3Error, Service, bucket_policy, reply};

pub(in crate::s3) async fn handle(_service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let policy = bucket_policy::current(&call.bucket)?;
    Ok(reply::document("PolicyStatus", |w| w.boolean("IsPublic", policy.is_public())))
}
