//! ListBucketIntelligentTieringConfigurations: a page of them, ordered by id.

use crate::{
    buckets::settings::IntelligentTiering,
    s3::{BucketCall, Response, S3Error, Service, configurations},
};

pub(in crate::s3) async fn handle(_service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    Ok(configurations::list::<IntelligentTiering>(&call, configurations::TIERING))
}
