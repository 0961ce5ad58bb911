//! How replies identify a bucket: by its region and its ARN.

use super::region;
use crate::model::BucketName;
use http::{HeaderMap, HeaderName, HeaderValue};

const REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");
const ARN: HeaderName = HeaderName::from_static("x-amz-bucket-arn");

/// The prefix of the Amazon Resource Names of buckets and objects: they have neither a region nor an account.
pub(super) const ARN_PREFIX: &str = "arn:aws:s3:::";

/// The Amazon Resource Name of a bucket.
pub(super) fn arn(bucket: &BucketName) -> String {
    format!("{ARN_PREFIX}{bucket}")
}

/// Makes the headers that CreateBucket and HeadBucket answer with. `default_region` is that of buckets
/// without a location of their own.
pub(super) fn headers(bucket: &BucketName, location: &str, default_region: &str) -> HeaderMap {
    let said = [(REGION, region::of(location, default_region).to_owned()), (ARN, arn(bucket))];
    said.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?))).collect()
}
