//! The attributes that a write gives its object besides the bytes: PutObject, CopyObject with REPLACE,
//! CreateMultipartUpload.

use super::{grants, keeping, user_metadata};
use crate::{
    model::{Attributes, Tag, TagError, TagSet},
    s3::{ErrorCode, HeaderMapExt, Request, S3Error},
};
use http::{HeaderMap, HeaderName, header};
use percent_encoding::percent_decode_str;

pub(in crate::s3) fn attributes(request: &Request) -> Result<Attributes, S3Error> {
    let headers = &request.headers;
    let text = |name: HeaderName| {
        Ok::<_, S3Error>(
            headers.text(name)?.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned),
        )
    };
    Ok(Attributes {
        content_type: text(header::CONTENT_TYPE)?,
        cache_control: text(header::CACHE_CONTROL)?,
        content_disposition: text(header::CONTENT_DISPOSITION)?,
        content_encoding: text(header::CONTENT_ENCODING)?.and_then(|codings| without_aws_chunked(&codings)),
        content_language: text(header::CONTENT_LANGUAGE)?,
        expires: text(header::EXPIRES)?,
        website_redirect: website_redirect(headers)?,
        user: user_metadata::read(headers)?,
        tags: tags(headers)?.unwrap_or_default(),
        acl: grants::acl(headers)?.unwrap_or_default(),
        // No header says it: see `object_owner`.
        owner: None,
        storage_class: keeping::storage_class(headers)?,
        encryption: keeping::encryption(headers)?,
    })
}

/// `aws-chunked` says how the body travels, not what the object is.
fn without_aws_chunked(codings: &str) -> Option<String> {
    let kept: Vec<_> = codings
        .split(',')
        .map(str::trim)
        .filter(|coding| !coding.is_empty() && *coding != "aws-chunked")
        .collect();
    (!kept.is_empty()).then(|| kept.join(", "))
}

fn website_redirect(headers: &HeaderMap) -> Result<Option<String>, S3Error> {
    let Some(location) = headers.amz("x-amz-website-redirect-location")? else { return Ok(None) };
    let absolute = ["/", "http://", "https://"].iter().any(|start| location.starts_with(start));
    if !absolute || location.len() > 2048 {
        return Err(ErrorCode::InvalidRedirectLocation.into());
    }
    Ok(Some(location.to_owned()))
}

/// The tags that a header gives to an object.
pub(in crate::s3) fn tags(headers: &HeaderMap) -> Result<Option<TagSet>, S3Error> {
    headers.amz("x-amz-tagging")?.map(tagging).transpose()
}

/// The value of an `x-amz-tagging` header: `a=1&b=2`, encoded as a form.
fn tagging(header: &str) -> Result<TagSet, S3Error> {
    let malformed = || S3Error::argument("x-amz-tagging", header, TagError::Header.to_string());
    let decode =
        |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8().map(|text| text.into_owned());
    let mut tags = Vec::new();
    for pair in header.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if value.contains('=') {
            return Err(malformed());
        }
        tags.push(Tag {
            key: decode(key).map_err(|_| malformed())?,
            value: decode(value).map_err(|_| malformed())?,
        });
    }
    TagSet::new(tags)
        .map_err(|error| if matches!(error, TagError::Duplicate(_)) { malformed() } else { tag_error(error) })
}

pub(in crate::s3) fn tag_error(error: TagError) -> S3Error {
    let s3 = S3Error::new(ErrorCode::InvalidTag, error.to_string());
    match error {
        TagError::Key(key) | TagError::Duplicate(key) => s3.detail("TagKey", key),
        TagError::Value(value) => s3.detail("TagValue", value),
        TagError::TooMany | TagError::TooManyOfBucket | TagError::Header => s3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{CannedAcl, Encryption, EncryptionAlgorithm, StorageClass},
        s3::tests::request,
    };
    use std::collections::BTreeMap;

    fn failure(headers: &[(&'static str, &str)]) -> ErrorCode {
        attributes(&request(headers)).expect_err("refused").code
    }

    #[test]
    fn every_header_lands_in_its_attribute() {
        let attributes = attributes(&request(&[
            ("content-type", "text/plain"),
            ("cache-control", "no-store"),
            ("content-disposition", "attachment"),
            ("content-encoding", "gzip,aws-chunked"),
            ("content-language", "de"),
            ("expires", "whenever"),
            ("x-amz-website-redirect-location", "/there"),
            ("x-amz-meta-Colour", " blué "),
            ("x-amz-meta-list", "1"),
            ("x-amz-meta-list", "2"),
            ("x-amz-tagging", "a%20b=c+d&e"),
            ("x-amz-acl", "public-read"),
            ("x-amz-storage-class", "GLACIER_IR"),
            ("x-amz-server-side-encryption", "AES256"),
        ]))
        .expect("fine");
        let tag = |key: &str, value: &str| Tag { key: key.into(), value: value.into() };
        let expected = Attributes {
            content_type: Some("text/plain".into()),
            cache_control: Some("no-store".into()),
            content_disposition: Some("attachment".into()),
            content_encoding: Some("gzip".into()),
            content_language: Some("de".into()),
            expires: Some("whenever".into()),
            website_redirect: Some("/there".into()),
            user: BTreeMap::from([("colour".into(), "blué".into()), ("list".into(), "1,2".into())]),
            tags: TagSet::new(vec![tag("a b", "c d"), tag("e", "")]).expect("valid"),
            acl: CannedAcl::PublicRead.into(),
            owner: None,
            storage_class: StorageClass::parse("GLACIER_IR"),
            encryption: Some(Encryption {
                algorithm: EncryptionAlgorithm::Aes256,
                key_id: None,
                context: None,
                bucket_key: false,
            }),
        };
        assert_eq!(attributes, expected);
    }

    #[test]
    fn nothing_said_is_nothing_kept() {
        let attributes =
            attributes(&request(&[("content-type", ""), ("content-encoding", "aws-chunked, aws-chunked")]))
                .expect("fine");
        assert_eq!(attributes, Attributes::default());
    }

    #[test]
    fn the_order_of_codings_is_kept() {
        assert_eq!(without_aws_chunked("deflate, gzip"), Some("deflate, gzip".into()));
        assert_eq!(without_aws_chunked("aws-chunked, gzip"), Some("gzip".into()));
    }

    #[test]
    fn user_metadata_has_2_kib() {
        let (fits, over) = ("x".repeat(2047), "x".repeat(2048));
        assert!(attributes(&request(&[("x-amz-meta-a", &fits)])).is_ok());
        assert_eq!(failure(&[("x-amz-meta-a", &over)]), ErrorCode::MetadataTooLarge);
    }

    #[test]
    fn malformed_values_are_refused_by_name() {
        assert_eq!(failure(&[("x-amz-acl", "public-reed")]), ErrorCode::InvalidArgument);
        assert_eq!(failure(&[("x-amz-tagging", "a=1&a=2")]), ErrorCode::InvalidArgument);
        assert_eq!(failure(&[("x-amz-tagging", "a=b=c")]), ErrorCode::InvalidArgument);
        assert_eq!(failure(&[("x-amz-tagging", "a=%ff")]), ErrorCode::InvalidArgument);
        assert_eq!(failure(&[("x-amz-tagging", "=1")]), ErrorCode::InvalidTag);
        assert_eq!(
            failure(&[("x-amz-website-redirect-location", "there")]),
            ErrorCode::InvalidRedirectLocation
        );
        assert_eq!(failure(&[("content-type", "a/b"), ("content-type", "c/d")]), ErrorCode::InvalidRequest);
    }
}
