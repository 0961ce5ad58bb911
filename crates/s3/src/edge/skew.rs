//! How far the clocks of client and server may be apart.

use crate::{
    model::Timestamp,
    s3::{ErrorCode, S3Error},
};

/// How far the clocks of client and server may be apart, in milliseconds.
pub(super) const MAX_SKEW: i64 = 15 * 60 * 1000;

/// `text` is `at` as the client wrote it.
pub(super) fn check_skew(at: Timestamp, text: &str, now: Timestamp) -> Result<(), S3Error> {
    if (now.millis() - at.millis()).abs() <= MAX_SKEW {
        return Ok(());
    }
    Err(S3Error::from(ErrorCode::RequestTimeTooSkewed)
        .detail("RequestTime", text)
        .detail("ServerTime", now.iso8601())
        .detail("MaxAllowedSkewMilliseconds", MAX_SKEW.to_string()))
}
