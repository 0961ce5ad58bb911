//! ListMultipartUploads.

use crate::{
    model::UploadId,
    s3::{BucketCall, Response, S3Error, Service, listing, reply},
    store::{ListUploadsRequest, UploadEntry},
};

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let query = &call.request.query;
    let page = listing::ListParameters::read(query, "max-uploads")?;
    let key_marker = query.get("key-marker").unwrap_or_default();
    // S3 API reference: without a key marker, the upload marker is ignored.
    let upload_marker = query.get("upload-id-marker").filter(|_| !key_marker.is_empty()).unwrap_or_default();
    let after = Some(upload_marker).filter(|marker| !marker.is_empty()).map(|marker| {
        UploadId::parse(marker)
            .ok_or_else(|| S3Error::argument("upload-id-marker", marker, "Invalid uploadId marker"))
    });
    let request = ListUploadsRequest {
        prefix: page.prefix.to_owned(),
        delimiter: page.delimiter.map(str::to_owned),
        key_marker: Some(key_marker.to_owned()).filter(|marker| !marker.is_empty()),
        upload_marker: after.transpose()?,
        limit: page.limit,
    };
    let found = call.bucket.store().list_uploads(request).await?;
    let owners = listing::ShownOwners::of(&call, &**service.accounts());
    let last = found.entries.last().filter(|_| found.truncated);
    let (mut uploads, mut prefixes) = (Vec::new(), Vec::new());
    for entry in &found.entries {
        match entry {
            UploadEntry::Upload(info) => uploads.push(info),
            UploadEntry::CommonPrefix(prefix) => prefixes.push(prefix.as_str()),
        }
    }
    Ok(reply::document("ListMultipartUploadsResult", |w| {
        w.text("Bucket", call.bucket.name().as_str());
        w.text("KeyMarker", page.encoding.name(key_marker));
        w.text("UploadIdMarker", upload_marker);
        match last {
            Some(UploadEntry::Upload(info)) => {
                w.text("NextKeyMarker", page.encoding.name(info.key.as_str()));
                w.text("NextUploadIdMarker", info.upload.as_str());
            }
            Some(UploadEntry::CommonPrefix(prefix)) => w.text("NextKeyMarker", page.encoding.name(prefix)),
            None => {}
        }
        page.describe(w, "MaxUploads", last.is_some());
        for info in uploads {
            w.element("Upload", |w| {
                w.text("Key", page.encoding.name(info.key.as_str()));
                w.text("UploadId", info.upload.as_str());
                owners.write_as(w, "Initiator", &info.initiator);
                owners.write(w, info.owner.as_ref());
                w.text("StorageClass", "STANDARD");
                w.text("Initiated", info.initiated.iso8601());
                if info.explicit_checksum {
                    listing::checksum_spec(w, info.checksum);
                }
            });
        }
        page.common_prefixes(w, prefixes.into_iter());
    }))
}
