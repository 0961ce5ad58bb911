//! The maximum amount of data of one S3 request (S3 User Guide, "Amazon S3 multipart upload limits"): 5 GiB,
//! as a body or from a source.

use super::{ErrorCode, S3Error};
use crate::store::payload::Payload;

pub const MAX_BODY: u64 = 5 << 30;

/// The body of PutObject or UploadPart, which must also say how long it is.
pub(super) fn sent(payload: &Payload) -> Result<(), S3Error> {
    match payload.length() {
        None => Err(ErrorCode::MissingContentLength.into()),
        Some(length) if length > MAX_BODY => Err(S3Error::from(ErrorCode::EntityTooLarge)
            .detail("ProposedSize", length.to_string())
            .detail("MaxSizeAllowed", MAX_BODY.to_string())),
        Some(_) => Ok(()),
    }
}

/// The bytes that CopyObject or UploadPartCopy read from their source.
pub(super) fn copied(length: u64) -> Result<(), S3Error> {
    if length > MAX_BODY {
        let message = format!(
            "The specified copy source is larger than the maximum allowable size for a copy source: {MAX_BODY}"
        );
        return Err(S3Error::new(ErrorCode::InvalidRequest, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::payload::Announced;

    #[test]
    fn bodies_of_unknown_or_forbidden_length_are_refused_before_they_are_read() {
        let payload = |length| {
            Payload::from_stream(futures_util::stream::empty(), Announced { length, ..Default::default() })
        };
        let code = |length| sent(&payload(length)).err().map(|error| error.code);
        assert_eq!(code(Some(5 << 30)), None);
        assert_eq!(code(Some((5 << 30) + 1)), Some(ErrorCode::EntityTooLarge));
        assert_eq!(code(None), Some(ErrorCode::MissingContentLength));
    }

    #[test]
    fn a_copy_reads_5_gib_at_most() {
        assert!(copied(5 << 30).is_ok());
        assert_eq!(copied((5 << 30) + 1).expect_err("refused").code, ErrorCode::InvalidRequest);
    }
}
