//! ListParts.

use crate::{
    model::MAX_PART_NUMBER,
    s3::{ObjectCall, Query, Response, S3Error, Service, acl, listing, multipart, object_owner, reply},
};

pub(in crate::s3) async fn handle(service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let query = &call.request.query;
    let upload = multipart::upload_id(query)?;
    let (marker, limit) = (marker(query)?, listing::limit(query, "max-parts")?);
    let page = call.bucket.store().list_parts(&call.key, &upload, marker, limit).await?;
    let owner = object_owner::shown(page.upload.owner.as_ref(), &call.bucket, &**service.accounts());
    Ok(reply::document("ListPartsResult", |w| {
        w.text("Bucket", call.bucket.name().as_str());
        w.text("Key", call.key.as_str());
        w.text("UploadId", upload.as_str());
        w.element("Initiator", |w| acl::identify(w, &page.upload.initiator));
        w.element("Owner", |w| acl::identify(w, &owner));
        w.text("StorageClass", "STANDARD");
        w.number("PartNumberMarker", marker);
        w.number("NextPartNumberMarker", page.parts.last().map_or(0, |part| part.number.get()));
        w.number("MaxParts", limit as u64);
        w.boolean("IsTruncated", page.truncated && !page.parts.is_empty());
        if page.upload.explicit_checksum {
            listing::checksum_spec(w, page.upload.checksum);
        }
        for part in &page.parts {
            w.element("Part", |w| {
                w.number("PartNumber", part.number.get());
                w.text("LastModified", part.last_modified.iso8601());
                w.text("ETag", part.etag.quoted());
                w.number("Size", part.size);
                multipart::checksum(w, part.checksum.as_ref());
            });
        }
    }))
}

/// Any number is a marker; none is above the last part there can be.
fn marker(query: &Query) -> Result<u16, S3Error> {
    let name = "part-number-marker";
    let Some(text) = query.get(name).filter(|text| !text.is_empty()) else { return Ok(0) };
    let number: i32 = text.parse().map_err(|_| {
        S3Error::argument(name, text, format!("Provided {name} not an integer or within integer range"))
    })?;
    u16::try_from(number.min(MAX_PART_NUMBER.into())).map_err(|_| {
        S3Error::argument(
            name,
            text,
            format!("Argument {name} must be an integer between 0 and {}", i32::MAX),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::ErrorCode;

    #[test]
    fn any_number_is_a_marker() {
        let read = |value: &str| {
            marker(&Query::new(vec![("part-number-marker".into(), value.into())])).map_err(|error| error.code)
        };
        assert_eq!(read(""), Ok(0));
        assert_eq!(read("7"), Ok(7));
        assert_eq!(read("2147483647"), Ok(MAX_PART_NUMBER));
        for text in ["-1", "x", "2147483648"] {
            assert_eq!(read(text), Err(ErrorCode::InvalidArgument), "{text}");
        }
        assert_eq!(marker(&Query::default()).expect("none"), 0);
    }
}
