//! ListTagsForResource: the tags of a bucket. One without tags has an empty list.

use crate::{
    buckets::settings::Tagging,
    s3::{BucketCall, Response, S3Error, Service, reply, tagging},
};

pub(in crate::s3) async fn handle(_service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let settings = call.bucket.settings();
    let tags = settings.get::<Tagging>();
    Ok(reply::control_document("ListTagsForResourceResult", |w| {
        w.element("Tags", |w| tagging::write(w, tags.iter()));
    }))
}
