//! PutBucketMetricsConfiguration: adds one, or replaces the one with its id.

use crate::{
    buckets::settings::Metrics,
    s3::{BucketCall, Response, S3Error, Service, configurations},
};

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    configurations::put::<Metrics>(service, call, configurations::METRICS).await
}
