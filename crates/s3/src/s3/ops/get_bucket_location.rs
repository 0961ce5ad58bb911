//! GetBucketLocation. The one document whose root holds the value itself.

use crate::s3::{BucketCall, Response, S3Error, Service, region, reply};

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let location = call.bucket.location();
    let constraint = region::constraint(&location, &service.settings().region);
    Ok(reply::document("LocationConstraint", |w| w.content(constraint)))
}
