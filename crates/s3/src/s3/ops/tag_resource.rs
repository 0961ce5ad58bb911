//! TagResource: adds tags to a bucket, and replaces those of the same keys.

use crate::{
    buckets::settings::Tagging,
    s3::{
        BucketCall, Operation, Request, Response, S3Error, Service,
        asker::{Asker, BodyFacts},
        gate::{self, Addressed},
        headers, reply, tagging,
    },
};
use http::StatusCode;

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let BucketCall { request, bucket } = call;
    let Request { context, query, headers, payload, .. } = request;
    let tags = tagging::read_of_resource(&payload.collect(tagging::MAX_DOCUMENT).await?)?;
    // Policies may decide about the tags, which were unknown until now.
    let asker = Asker::new(&context, &query, &headers).knowing(BodyFacts::BucketTags(&tags));
    gate::admit(&asker, Operation::TagResource, Addressed::bucket(&bucket))?;
    service
        .buckets()
        .change::<Tagging, S3Error>(&bucket, |known| known.with(&tags).map_err(headers::tag_error))
        .await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}
