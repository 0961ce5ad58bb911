//! GetBucketIntelligentTieringConfiguration: the one with an id.

use crate::{
    buckets::settings::IntelligentTiering,
    s3::{BucketCall, Response, S3Error, Service, configurations},
};

pub(in crate::s3) async fn handle(_service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    configurations::get::<IntelligentTiering>(&call, configurations::TIERING)
}
