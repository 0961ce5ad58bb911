//! ListBucketMetricsConfigurations: a page of them, ordered by id.

use crate::{
    buckets::settings::Metrics,
    s3::{BucketCall, Response, S3Error, Service, configurations},
};

pub(in crate::s3) async fn handle(_service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    Ok(configurations::list::<Metrics>(&call, configurations::METRICS))
}
