//! UploadPartCopy: a part from an object, or from a range of one.

use crate::{
    model::ByteRange,
    s3::{About, ErrorCode, HeaderMapExt, ObjectCall, Response, S3Error, Service, gate, headers, keep_alive, multipart, reply},
    store::{CopyPartRequest, CopySource, error::StoreErrorKind},
};
use http::HeaderMap;

pub(in crate::s3) async fn handle(service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let ObjectCall { request, bucket, key } = call;
    let upload = multipart::upload_id(&request.query)?;
    let number = multipart::part_number(&request.query)?;
    let range = range(&request.headers)?;
    let (source_bucket, source_key) = headers::copy_source(&request)?;
    let source = service.buckets().get(&source_bucket).await;
    let source = source.map_err(|error| S3Error::from(error).detail("BucketName", source_bucket.as_str()))?;
    headers::expected_owner(&request.headers, "x-amz-source-expected-bucket-owner", &source)?;
    gate::authorize(&request.principal, gate::Need::ReadObject, &source, Some(&source_key)).await?;
    let conditions = headers::source_conditions(&request.headers)?;
    let source = CopySource { store: source.store().clone(), key: source_key, conditions };
    let (about, store) = (About::of(&request), bucket.store().clone());
    keep_alive::answer(about, async move {
        // The key that is missing can only be the source's: the target of a part need not exist.
        let missing = source.key.to_string();
        let named = move |error: crate::store::error::StoreError| match error.kind() {
            StoreErrorKind::NoSuchKey => S3Error::from(error).detail("Key", missing.clone()),
            _ => error.into(),
        };
        limit(range, &source).await.map_err(&named)??;
        let written = store.copy_part(&key, &upload, number, CopyPartRequest { source, range }).await.map_err(&named)?;
        Ok(reply::document("CopyPartResult", |w| {
            w.text("LastModified", written.last_modified.iso8601());
            w.text("ETag", written.etag.quoted());
            multipart::checksum(w, written.checksum.as_ref());
        }))
    })
    .await
}

/// Both ends must be given, and it is an error to say it otherwise: unlike a GET's, it is never ignored.
fn range(headers: &HeaderMap) -> Result<Option<ByteRange>, S3Error> {
    let header = "x-amz-copy-source-range";
    let Some(text) = headers.amz(header)? else { return Ok(None) };
    match ByteRange::parse(text) {
        Some(range @ ByteRange::FromTo(..)) => Ok(Some(range)),
        _ => {
            let message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
                           zero-based offsets of the first and last bytes to copy";
            Err(S3Error::argument(header, text, message))
        }
    }
}

/// A part holds 5 GiB, however it comes.
async fn limit(range: Option<ByteRange>, source: &CopySource) -> crate::store::Result<Result<(), S3Error>> {
    let length = match range {
        Some(ByteRange::FromTo(first, last)) => (last - first).saturating_add(1),
        _ => source.store.head(&source.key, &Default::default()).await?.size,
    };
    let max = multipart::MAX_PART_BYTES;
    Ok(if length > max {
        let message = format!("The specified copy source is larger than the maximum allowable size for a copy source: {max}");
        Err(S3Error::new(ErrorCode::InvalidRequest, message))
    } else {
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::tests::request;

    #[test]
    fn a_copy_range_names_both_ends() {
        let read = |text| range(&request(&[("x-amz-copy-source-range", text)]).headers).map_err(|error| error.code);
        assert_eq!(read("bytes=0-2"), Ok(Some(ByteRange::FromTo(0, 2))));
        for text in
            ["0-2", "bytes=0", "bytes=hello-world", "bytes=0-bar", "bytes=hello-", "bytes=0-2,3-5", "bytes=0-", "bytes=-2", "bytes=2-1"]
        {
            assert_eq!(read(text), Err(ErrorCode::InvalidArgument), "{text}");
        }
        assert_eq!(range(&HeaderMap::new()).expect("nothing asked"), None);
    }
}
