//! GetBucketRequestPayment.

use crate::s3::{BucketCall, Response, S3Error, Service, word};

pub(in crate::s3) async fn handle(_service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    Ok(word::document("RequestPaymentConfiguration", "Payer", Some(call.bucket.payer().as_str())))
}
