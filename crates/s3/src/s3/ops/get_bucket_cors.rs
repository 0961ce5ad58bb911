//! GetBucketCors: the rules that a client has set. Those of the configuration are not the bucket's.

use crate::{
    buckets::settings::Cors,
    s3::{BucketCall, ErrorCode, Response, S3Error, Service, cors},
};

pub(in crate::s3) async fn handle(_service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let settings = call.bucket.settings();
    let rules = settings.get::<Cors>();
    if rules.is_empty() { Err(ErrorCode::NoSuchCORSConfiguration.into()) } else { Ok(cors::document(rules)) }
}
