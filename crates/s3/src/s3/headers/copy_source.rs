//! `x-amz-copy-source`: which object a copy reads.

use super::demands::version;
use crate::{
    model::{BucketName, ObjectKey, VersionId},
    s3::{ErrorCode, HeaderMapExt, Request, S3Error},
};
use percent_encoding::percent_decode_str;

/// Bucket, key and version of the source. The version is part of the header, and not a parameter of the
/// request.
pub(in crate::s3) fn copy_source(
    request: &Request,
) -> Result<(BucketName, ObjectKey, Option<VersionId>), S3Error> {
    let header = request.headers.amz("x-amz-copy-source")?.unwrap_or_default();
    let invalid = || {
        let message = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";
        S3Error::argument("x-amz-copy-source", header, message)
    };
    // The version stands behind the encoded path: a `?` of the key itself travels as %3F.
    let (path, version_id) = match header.split_once("?versionId=") {
        Some((path, version_id)) => (path, Some(version_id)),
        None => (header, None),
    };
    // Like in a query, a `+` is a blank, and a plus is written as %2B.
    let path = path.replace('+', " ");
    let path = percent_decode_str(&path).decode_utf8().map_err(|_| invalid())?;
    if path.starts_with("arn:") {
        return Err(S3Error::not_implemented("A copy source named by an ARN"));
    }
    let (bucket, key) = path.strip_prefix('/').unwrap_or(&path).split_once('/').ok_or_else(invalid)?;
    if key.is_empty() {
        return Err(invalid());
    }
    let key = ObjectKey::new(key)?;
    let version = version(version_id)?;
    // A name that no bucket can have is the name of no bucket.
    let bucket = BucketName::parse(bucket)
        .map_err(|_| S3Error::from(ErrorCode::NoSuchBucket).detail("BucketName", bucket))?;
    Ok((bucket, key, version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::tests::request;

    fn parse(header: &str) -> Result<(String, String), ErrorCode> {
        copy_source(&request(&[("x-amz-copy-source", header)]))
            .map(|(bucket, key, _)| (bucket.to_string(), key.to_string()))
            .map_err(|error| error.code)
    }

    #[test]
    fn a_source_is_decoded_once_and_as_a_query_is() {
        for (header, key) in [
            ("bucket/a/b", "a/b"),
            ("/bucket/a", "a"),
            ("bucket/%3FversionId", "?versionId"),
            ("bucket/a%2520b", "a%20b"),
            ("bucket/a+b%20c", "a b c"),
            ("bucket/a%2Bb%2bc", "a+b+c"),
            ("bucket%2Fa%2Fb", "a/b"),
            ("bucket/%20", " "),
            ("bucket//a", "/a"),
            ("bucket/a?versionId=null", "a"),
            ("bucket/a%", "a%"),
        ] {
            assert_eq!(parse(header), Ok(("bucket".into(), key.into())), "{header}");
        }
    }

    #[test]
    fn a_source_may_be_a_version() {
        let id = "v5n1PPUjOCMHLyyfq0ayjoZ5RZLfVQKA";
        for (header, expected) in [
            ("bucket/a".to_owned(), None),
            ("bucket/a?versionId=null".to_owned(), Some(VersionId::NULL)),
            (format!("bucket/a?versionId={id}"), VersionId::parse(id)),
        ] {
            let source = copy_source(&request(&[("x-amz-copy-source", &header)])).expect("a source");
            assert_eq!((source.1.as_str(), source.2), ("a", expected));
        }
    }

    #[test]
    fn sources_that_name_no_object_are_refused() {
        assert_eq!(parse("bucket"), Err(ErrorCode::InvalidArgument));
        assert_eq!(parse("bucket/"), Err(ErrorCode::InvalidArgument));
        assert_eq!(parse("bucket/%ff"), Err(ErrorCode::InvalidArgument));
        assert_eq!(parse("bucket/a?versionId=3L4"), Err(ErrorCode::InvalidArgument));
        assert_eq!(parse("Bucket_/a"), Err(ErrorCode::NoSuchBucket));
        assert_eq!(parse(&format!("bucket/{}", "a".repeat(1025))), Err(ErrorCode::KeyTooLongError));
    }
}
