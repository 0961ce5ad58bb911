//! Storage class and encryption in headers, both ways. `demands` checks whether a storage supports them.

use crate::{
    model::{Encryption, EncryptionAlgorithm, StorageClass},
    s3::{ErrorCode, HeaderMapExt, S3Error},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};

pub(in crate::s3) const STORAGE_CLASS: &str = "x-amz-storage-class";
pub(in crate::s3) const ENCRYPTION: &str = "x-amz-server-side-encryption";
pub(super) const KEY_ID: &str = "x-amz-server-side-encryption-aws-kms-key-id";
pub(super) const CONTEXT: &str = "x-amz-server-side-encryption-context";
pub(super) const BUCKET_KEY: &str = "x-amz-server-side-encryption-bucket-key-enabled";

pub(super) fn storage_class(headers: &HeaderMap) -> Result<Option<StorageClass>, S3Error> {
    match headers.amz(STORAGE_CLASS)? {
        None | Some(StorageClass::STANDARD) => Ok(None),
        Some(name) => {
            StorageClass::parse(name).map(Some).ok_or_else(|| ErrorCode::InvalidStorageClass.into())
        }
    }
}

pub(super) fn encryption(headers: &HeaderMap) -> Result<Option<Encryption>, S3Error> {
    let algorithm = headers.amz(ENCRYPTION)?;
    let parsed = algorithm
        .map(|name| EncryptionAlgorithm::parse(name).ok_or(ErrorCode::InvalidEncryptionAlgorithmError))
        .transpose()?;
    let (key_id, context) = (headers.amz(KEY_ID)?, headers.amz(CONTEXT)?);
    let bucket_key = match headers.amz(BUCKET_KEY)? {
        None => false,
        Some(text) if text.eq_ignore_ascii_case("true") => true,
        Some(text) if text.eq_ignore_ascii_case("false") => false,
        Some(other) => return Err(S3Error::argument(BUCKET_KEY, other, "The value must be true or false")),
    };
    if !parsed.is_some_and(EncryptionAlgorithm::has_key)
        && (key_id.is_some() || context.is_some() || bucket_key)
    {
        let message = "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms";
        return Err(S3Error::argument(ENCRYPTION, algorithm.unwrap_or_default(), message));
    }
    if context.is_some_and(|context| STANDARD.decode(context).is_err()) {
        return Err(S3Error::argument(CONTEXT, "", "The context must be base64"));
    }
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Ok(parsed.map(|algorithm| Encryption {
        algorithm,
        key_id: owned(key_id),
        context: owned(context),
        bucket_key,
    }))
}

/// The headers of a reply about an encrypted object.
pub(in crate::s3) fn encryption_headers(encryption: Option<&Encryption>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(encryption) = encryption else { return headers };
    headers
        .insert(HeaderName::from_static(ENCRYPTION), HeaderValue::from_static(encryption.algorithm.as_str()));
    if let Some(Ok(key_id)) = encryption.key_id.as_deref().map(HeaderValue::from_str) {
        headers.insert(HeaderName::from_static(KEY_ID), key_id);
    }
    if encryption.bucket_key {
        headers.insert(HeaderName::from_static(BUCKET_KEY), HeaderValue::from_static("true"));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::tests::request;

    fn read(headers: &[(&'static str, &str)]) -> Result<Option<Encryption>, ErrorCode> {
        encryption(&request(headers).headers).map_err(|error| error.code)
    }

    #[test]
    fn what_is_asked_for_is_what_a_reply_says() {
        let asked = [(ENCRYPTION, "aws:kms"), (KEY_ID, "key"), (BUCKET_KEY, "TRUE")];
        let encryption = read(&asked).expect("valid").expect("some");
        let shown = encryption_headers(Some(&encryption));
        assert_eq!(
            (&shown[ENCRYPTION], &shown[KEY_ID], &shown[BUCKET_KEY]),
            (&"aws:kms".parse().unwrap(), &"key".parse().unwrap(), &"true".parse().unwrap())
        );
        assert_eq!(read(&[]), Ok(None));
        assert!(encryption_headers(None).is_empty());
    }

    #[test]
    fn encryption_that_makes_no_sense_is_refused() {
        for (headers, code) in [
            (&[(ENCRYPTION, "rot13")][..], ErrorCode::InvalidEncryptionAlgorithmError),
            (&[(KEY_ID, "key")], ErrorCode::InvalidArgument),
            (&[(ENCRYPTION, "AES256"), (KEY_ID, "key")], ErrorCode::InvalidArgument),
            (&[(ENCRYPTION, "aws:kms"), (CONTEXT, "no base64!")], ErrorCode::InvalidArgument),
            (&[(ENCRYPTION, "aws:kms"), (BUCKET_KEY, "perhaps")], ErrorCode::InvalidArgument),
        ] {
            assert_eq!(read(headers), Err(code), "{headers:?}");
        }
    }

    #[test]
    fn classes_are_those_of_s3() {
        let read = |name: &str| {
            storage_class(&request(&[(STORAGE_CLASS, name)]).headers).map_err(|error| error.code)
        };
        assert_eq!(read("STANDARD"), Ok(None));
        assert_eq!(read("GLACIER"), Ok(StorageClass::parse("GLACIER")));
        assert_eq!(read("PLATINUM"), Err(ErrorCode::InvalidStorageClass));
    }
}
