//! The `Tagging` document, both ways.

use super::{ErrorCode, Response, S3Error, headers, reply, xml};
use crate::{
    buckets::{
        Bucket,
        settings::{Abac, AbacStatus},
    },
    model::{BucketTags, Tag, TagSet},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Fifty tags of 128 and 256 characters, every one of them escaped, and more.
pub(super) const MAX_DOCUMENT: usize = 128 * 1024;

/// The tags of an object.
pub(super) fn read(document: &[u8]) -> Result<TagSet, S3Error> {
    TagSet::new(tags(document)?).map_err(headers::tag_error)
}

/// The tags of a bucket.
pub(super) fn read_of_bucket(document: &[u8]) -> Result<BucketTags, S3Error> {
    BucketTags::new(tags(document)?).map_err(headers::tag_error)
}

/// The tags that TagResource adds.
pub(super) fn read_of_resource(document: &[u8]) -> Result<BucketTags, S3Error> {
    BucketTags::new(tags_in(document, "TagResourceRequest", "Tags")?).map_err(headers::tag_error)
}

/// Refuses to replace the tags of a bucket as a whole where they control access (Amazon S3 User Guide,
/// "Enabling ABAC in general purpose buckets").
pub(super) fn require_no_abac(bucket: &Bucket) -> Result<(), S3Error> {
    if *bucket.settings().get::<Abac>() == AbacStatus::Disabled {
        return Ok(());
    }
    let message = "The tags of a bucket with access control by tags (ABAC) are changed by TagResource and \
                   UntagResource of the S3 control plane";
    Err(S3Error::new(ErrorCode::MethodNotAllowed, message))
}

fn tags(document: &[u8]) -> Result<Vec<Tag>, S3Error> {
    tags_in(document, "Tagging", "TagSet")
}

fn tags_in(document: &[u8], root: &str, set: &str) -> Result<Vec<Tag>, S3Error> {
    let malformed = || S3Error::from(ErrorCode::MalformedXML);
    let root = xml::parse(document, root)?;
    let set = root.child(set).ok_or_else(malformed)?;
    let tag = |element: &xml::Element| {
        Some(Tag { key: element.value("Key")?.to_owned(), value: element.value("Value")?.to_owned() })
    };
    let tags: Option<Vec<_>> = set.all("Tag").map(tag).collect();
    tags.ok_or_else(malformed)
}

/// The value of an `x-amz-tagging` header that says the same as a document.
pub fn header(document: &str) -> Result<String, S3Error> {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pair = |tag: &Tag| format!("{}={}", encoded(&tag.key), encoded(&tag.value));
    Ok(read(document.as_bytes())?.iter().map(pair).collect::<Vec<_>>().join("&"))
}

/// A `Tagging` document.
pub(super) fn document<'t>(tags: impl Iterator<Item = &'t Tag>) -> Response {
    reply::document("Tagging", |w| w.element("TagSet", |w| write(w, tags)))
}

/// The elements of tags, in order of keys: S3 promises none, and one that does not depend on who wrote the
/// tags compares best.
pub(super) fn write<'t>(w: &mut xml::Writer, tags: impl Iterator<Item = &'t Tag>) {
    let mut sorted: Vec<_> = tags.collect();
    sorted.sort_by_key(|tag| &tag.key);
    for tag in sorted {
        w.element("Tag", |w| {
            w.text("Key", &tag.key);
            w.text("Value", &tag.value);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::Body;

    #[test]
    fn the_document_we_show_is_one_we_take_back() {
        for tags in [
            vec![],
            vec![
                Tag { key: "a&b".into(), value: " <c> ".into() },
                Tag { key: "d".into(), value: String::new() },
            ],
        ] {
            let tags = TagSet::new(tags).expect("valid");
            let Body::Full(written) = document(tags.iter()).into_body() else { panic!("a document") };
            assert_eq!(read(&written).expect("reads"), tags);
        }
    }

    #[test]
    fn documents_that_are_no_tag_set_are_refused() {
        let code = |document: &str| read(document.as_bytes()).expect_err("refused").code;
        assert_eq!(code("<Tagging/>"), ErrorCode::MalformedXML);
        assert_eq!(
            code("<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>"),
            ErrorCode::MalformedXML
        );
        let twice = "<Tag><Key>a</Key><Value/></Tag>".repeat(2);
        assert_eq!(code(&format!("<Tagging><TagSet>{twice}</TagSet></Tagging>")), ErrorCode::InvalidTag);
    }
}
