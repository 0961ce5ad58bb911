//! PutObjectTagging.

use crate::{
    model::ObjectAddress,
    s3::{
        ObjectCall, On, Operation, Request, Response, S3Error, Service,
        asker::{Asker, BodyFacts},
        headers,
        reader::Reader,
        reply, tagging,
    },
    store::Change,
};
use http::StatusCode;

pub(in crate::s3) async fn handle(_service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let ObjectCall { request, bucket, key, version } = call;
    headers::require_integrity(&request)?;
    let Request { context, query, headers, payload, .. } = request;
    let tags = tagging::read(&payload.collect(tagging::MAX_DOCUMENT).await?)?;
    let address = ObjectAddress::new(&key, version.as_ref());
    // Policies may decide about the tags, which were unknown until now.
    let asker = Asker::new(&context, &query, &headers).knowing(BodyFacts::Tags(&tags));
    Reader::new(asker, Operation::PutObjectTagging, On::Tagged, &bucket, address).allow().await?;
    bucket.store().update(address, Change::Tags(tags.clone())).await?;
    Ok(reply::empty(StatusCode::OK))
}
