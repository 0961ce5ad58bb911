//! DeleteBucketAnalyticsConfiguration: removes the one with an id.

use crate::{
    buckets::settings::Analytics,
    s3::{BucketCall, Response, S3Error, Service, configurations},
};

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    configurations::delete::<Analytics>(service, call).await
}
