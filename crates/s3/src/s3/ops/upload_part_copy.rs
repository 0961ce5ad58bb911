//! UploadPartCopy: a part from an object, or from a range of one.

use crate::{
    model::ByteRange,
    s3::{
        About, HeaderMapExt, ObjectCall, Operation, Response, S3Error, Service,
        copying::{self, OpenedSource},
        keep_alive, limits, multipart, reply,
    },
    store::{
        CopyPartRequest,
        error::{StoreError, StoreErrorKind},
    },
};
use http::HeaderMap;

const RANGE: &str = "x-amz-copy-source-range";

pub(in crate::s3) async fn handle(service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let ObjectCall { request, bucket, key, .. } = call;
    let upload = multipart::upload_id(&request.query)?;
    let number = multipart::part_number(&request.query)?;
    let range = range(&request.headers)?;
    let asked = request.headers.amz(RANGE)?.unwrap_or_default().to_owned();
    let source = copying::source(service, Operation::UploadPartCopy, &request).await?;
    let (about, store) = (About::of(&request), bucket.store().clone());
    keep_alive::answer(about, async move {
        limits::copied(match range {
            Some(ByteRange::FromTo(first, last)) => (last - first).saturating_add(1),
            _ => source.head().await?.size,
        })?;
        let request = CopyPartRequest { source: source.object.clone(), range };
        let written = match store.copy_part(&key, &upload, number, request).await {
            Ok(written) => written,
            Err(error) => return Err(failure(&source, &asked, error).await),
        };
        Ok(reply::document("CopyPartResult", |w| {
            w.text("LastModified", written.last_modified.iso8601());
            w.text("ETag", written.etag.quoted());
            multipart::checksum(w, written.checksum.as_ref());
        }))
    })
    .await
}

async fn failure(source: &OpenedSource, range: &str, error: StoreError) -> S3Error {
    match error.kind() {
        // A GET of such a range is answered with 416, a copy of it with 400.
        StoreErrorKind::InvalidRange { size } => S3Error::argument(
            RANGE,
            range,
            format!("Range specified is not valid for source object of size: {size}"),
        )
        .with_source(error),
        _ => source.name_condition(source.failure(error)).await,
    }
}

/// Both ends must be given, and it is an error to say it otherwise: unlike a GET's, it is never ignored.
fn range(headers: &HeaderMap) -> Result<Option<ByteRange>, S3Error> {
    let Some(text) = headers.amz(RANGE)? else { return Ok(None) };
    match ByteRange::parse(text) {
        Some(range @ ByteRange::FromTo(..)) => Ok(Some(range)),
        _ => {
            let message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
                           zero-based offsets of the first and last bytes to copy";
            Err(S3Error::argument(RANGE, text, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::{ErrorCode, tests::request};

    #[test]
    fn a_copy_range_names_both_ends() {
        let read =
            |text| range(&request(&[("x-amz-copy-source-range", text)]).headers).map_err(|error| error.code);
        assert_eq!(read("bytes=0-2"), Ok(Some(ByteRange::FromTo(0, 2))));
        for text in [
            "0-2",
            "bytes=0",
            "bytes=hello-world",
            "bytes=0-bar",
            "bytes=hello-",
            "bytes=0-2,3-5",
            "bytes=0-",
            "bytes=-2",
            "bytes=2-1",
        ] {
            assert_eq!(read(text), Err(ErrorCode::InvalidArgument), "{text}");
        }
        assert_eq!(range(&HeaderMap::new()).expect("nothing asked"), None);
    }
}
