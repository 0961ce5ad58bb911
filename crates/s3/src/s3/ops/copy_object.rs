//! CopyObject.

use crate::{
    model::{Attributes, ObjectAddress, TagSet},
    s3::{
        About, Action, ErrorCode, HeaderMapExt, ObjectCall, Operation, Request, Response, S3Error, Service,
        asker::Asker, copying, gate, headers, keep_alive, limits, object_owner, reply, resource::Resource,
    },
    store::{
        CopyAttributes, CopyRequest,
        error::{StoreError, StoreErrorKind},
    },
};
use http::HeaderMap;
use std::time::Duration;

/// How long a copy waits for copies in the other direction.
const PATIENCE: Duration = Duration::from_secs(30);

pub(in crate::s3) async fn handle(service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let request = &call.request;
    let replaces_metadata =
        replaces(&request.headers, "x-amz-metadata-directive", "Unknown metadata directive.")?;
    let replaces_tags = replaces(&request.headers, "x-amz-tagging-directive", "Unknown tagging directive.")?;
    let given = headers::attributes(request)?;
    let owner = object_owner::of_new(&request.context, &given.acl, &call.bucket)?;
    let checksum = headers::checksum_spec(request)?.map(|spec| spec.algorithm);
    let conditions = headers::write_conditions(&request.headers)?;
    let source = copying::source(service, Operation::CopyObject, request).await?;
    // Tags that are copied are set as those of a header are.
    let asker = Asker::of(request);
    let target = Resource::Object(&call.bucket, ObjectAddress::new(&call.key, None));
    let sets_tags = gate::decide_further(&asker, Operation::CopyObject, Action::PutObjectTagging, target);
    // An older version becomes the current one by a copy onto its own key.
    let is_older = source.object.version.as_ref().is_some_and(|id| !id.is_null());
    let to_itself = source.bucket.id() == call.bucket.id() && source.object.key == call.key && !is_older;
    if to_itself && !replaces_metadata && !changes_more(request) {
        return Err(S3Error::new(
            ErrorCode::InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, \
             storage class, website redirect location or encryption attributes.",
        ));
    }
    let ends = ((source.bucket.id(), source.object.key.clone()), (call.bucket.id(), call.key.clone()));
    let (about, store, key, copies) =
        (About::of(request), call.bucket.store().clone(), call.key, service.copies().clone());
    keep_alive::answer(about, async move {
        let crossing = tokio::time::timeout(PATIENCE, copies.enter(ends.0, ends.1)).await;
        let _crossing = crossing
            .map_err(|_| StoreError::new(StoreErrorKind::Busy, "copies in the other direction take long"))?;
        let info = source.head().await?;
        limits::copied(info.size)?;
        let copies_tags = source.shows_tags && sets_tags;
        if !replaces_tags && !copies_tags && info.tag_count > 0 {
            return Err(ErrorCode::AccessDenied.into());
        }
        let metadata = if replaces_metadata {
            Some(given.clone())
        } else if given.website_redirect.is_some() {
            // The one header that never travels with a copy, and may come with it all the same.
            Some(Attributes { website_redirect: given.website_redirect, ..info.attributes })
        } else {
            None
        };
        let encryption = given.encryption;
        let attributes = CopyAttributes {
            metadata,
            tags: match (replaces_tags, copies_tags) {
                (true, _) => Some(given.tags),
                (false, true) => None,
                // The client may not copy the tags that the source gets before the copy.
                (false, false) => Some(TagSet::default()),
            },
            acl: given.acl,
            owner,
            storage_class: given.storage_class,
            encryption: encryption.clone(),
        };
        let copy = CopyRequest { source: source.object.clone(), attributes, conditions, checksum };
        let written = match store.copy(&key, copy).await {
            Ok(written) => written,
            Err(error) => return Err(source.name_condition(error.into()).await),
        };
        let mut response = reply::document("CopyObjectResult", |w| {
            w.text("LastModified", written.last_modified.iso8601());
            w.text("ETag", written.etag.quoted());
            if let Some(checksum) = &written.checksum {
                w.text("ChecksumType", checksum.kind.as_str());
                w.text(checksum.algorithm().element(), checksum.text());
            }
        });
        response.headers_mut().extend(headers::encryption_headers(encryption.as_ref()));
        response.headers_mut().extend(headers::version_header(written.version.as_ref()));
        Ok(response)
    })
    .await
}

/// Whether a directive says REPLACE; COPY is the default.
fn replaces(headers: &HeaderMap, directive: &'static str, message: &str) -> Result<bool, S3Error> {
    match headers.amz(directive)? {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(S3Error::argument(directive, other, message)),
    }
}

/// Whether the request changes more than the metadata of an object that is copied onto itself.
fn changes_more(request: &Request) -> bool {
    [
        headers::STORAGE_CLASS,
        headers::ENCRYPTION,
        "x-amz-website-redirect-location",
        "x-amz-checksum-algorithm",
    ]
    .iter()
    .any(|header| request.headers.contains_key(*header))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::tests::request;

    #[test]
    fn directives_have_two_values() {
        let directive = |value: &str| {
            replaces(&request(&[("x-amz-metadata-directive", value)]).headers, "x-amz-metadata-directive", "")
        };
        assert!(directive("REPLACE").is_ok_and(|replaces| replaces));
        assert!(directive("COPY").is_ok_and(|replaces| !replaces));
        assert_eq!(directive("REPLACED").err().map(|error| error.code), Some(ErrorCode::InvalidArgument));
    }
}
