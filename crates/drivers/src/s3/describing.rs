//! Reads the attributes of an object that S3 does not report in headers: tags, and the parts it was made of.

use super::{bucket::S3Store, refusal::RequestSubject};
use crate::{
    backend::{pages::Pages, wire::Again},
    model::{Checksum, ChecksumAlgorithm, ObjectPart, PartNumber, Tag, TagSet},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
    xml,
};
use http::Method;

impl S3Store {
    pub(super) async fn tags(&self, name: &str) -> Result<TagSet> {
        let reply = self.call(Method::GET, name).query(&[("tagging", None)]).send(Again::Harmless).await?;
        let document = self.document(reply, RequestSubject::Object).await?;
        let unexpected = || StoreError::new(StoreErrorKind::Internal, "the storage's reply is no tag set");
        let root = xml::parse_reply(&document).map_err(|_| unexpected())?;
        let tag = |element: &xml::Element| Tag {
            key: element.value("Key").unwrap_or_default().to_owned(),
            value: element.value("Value").unwrap_or_default().to_owned(),
        };
        let tags = root.child("TagSet").ok_or_else(unexpected)?.all("Tag").map(tag).collect();
        TagSet::new(tags).map_err(|_| unexpected())
    }

    /// Reads the parts by GetObjectAttributes, page by page.
    pub(super) async fn parts(&self, name: &str) -> Result<Vec<ObjectPart>> {
        let mut parts: Vec<ObjectPart> = Vec::new();
        let mut pages = Pages::of("listing the parts of an object");
        loop {
            let marker = parts.last().map_or(0, |part| part.number).to_string();
            let call = self.call(Method::GET, name).query(&[("attributes", None)]);
            let call = call
                .vendor("object-attributes", "ObjectParts")
                .vendor("part-number-marker", &marker)
                .vendor("max-parts", "1000");
            let document = self.document(call.send(Again::Harmless).await?, RequestSubject::Object).await?;
            let unexpected =
                || StoreError::new(StoreErrorKind::Internal, "the storage's reply has no object attributes");
            let root = xml::parse_reply(&document).map_err(|_| unexpected())?;
            let Some(list) = root.child("ObjectParts") else { return Ok(parts) };
            let before = parts.len();
            for element in list.all("Part") {
                let number = element
                    .value("PartNumber")
                    .and_then(|text| PartNumber::new(text.trim().parse().ok()?))
                    .ok_or_else(unexpected)?;
                let number = number.get();
                // Part numbers have to rise, so that the loop ends.
                pages.beyond(parts.last().map(|part| &part.number), Some(&number))?;
                let size = element.value("Size").and_then(|text| text.parse().ok()).ok_or_else(unexpected)?;
                parts.push(ObjectPart { number, size, checksum: checksum_of(element) });
            }
            if list.value("IsTruncated") != Some("true") || parts.len() == before {
                return Ok(parts);
            }
        }
    }
}

pub(super) fn tagging_document(tags: &TagSet) -> bytes::Bytes {
    let mut document = xml::Writer::document();
    document.root("Tagging", |w| {
        w.element("TagSet", |w| {
            for tag in tags.iter() {
                w.element("Tag", |w| {
                    w.text("Key", &tag.key);
                    w.text("Value", &tag.value);
                });
            }
        });
    });
    document.finish()
}

/// Returns the checksum in the element of a part.
pub(super) fn checksum_of(element: &xml::Element) -> Option<Checksum> {
    ChecksumAlgorithm::ALL
        .into_iter()
        .find_map(|algorithm| Checksum::from_base64(algorithm, element.value(algorithm.element())?))
}

pub(super) fn no_acls() -> StoreError {
    StoreError::new(StoreErrorKind::AclNotSupported, "an object's ACL cannot be changed on this storage")
}

pub(super) fn no_tags() -> StoreError {
    StoreError::new(StoreErrorKind::NotImplemented, "The storage behind this bucket keeps no tags")
}
