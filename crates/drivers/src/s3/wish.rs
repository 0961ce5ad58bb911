//! The storage class and the encryption that a client requests: as headers, and as replies show them.
//!
//! This module does not own whether a storage fulfils them (`keeping`).

use crate::{
    model::{Encryption, EncryptionAlgorithm, StorageClass},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::{collections::HashMap, sync::Mutex};

const CLASS: HeaderName = HeaderName::from_static("x-amz-storage-class");
pub(super) const ALGORITHM: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
const KEY_ID: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-aws-kms-key-id");
const CONTEXT: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-context");
const BUCKET_KEY: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-bucket-key-enabled");

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Wish {
    pub(super) class: Option<StorageClass>,
    pub(super) encryption: Option<Encryption>,
}

/// Whether the storage fulfils each wish that was tried out.
#[derive(Debug, Default)]
pub(super) struct Tried(pub(super) Mutex<HashMap<Wish, bool>>);

impl Wish {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn headers(&self) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        let encryption = self.encryption.as_ref();
        let said = [
            (CLASS, self.class.map(StorageClass::as_str)),
            (ALGORITHM, encryption.map(|encryption| encryption.algorithm.as_str())),
            (KEY_ID, encryption.and_then(|encryption| encryption.key_id.as_deref())),
            (CONTEXT, encryption.and_then(|encryption| encryption.context.as_deref())),
            (BUCKET_KEY, encryption.filter(|encryption| encryption.bucket_key).map(|_| "true")),
        ];
        for (name, value) in said {
            let Some(value) = value else { continue };
            let value = HeaderValue::try_from(value);
            let cannot = |_| {
                StoreError::new(StoreErrorKind::InvalidRequest, "A header cannot be passed on to the storage")
            };
            headers.insert(name, value.map_err(cannot)?);
        }
        Ok(headers)
    }

    /// Returns whether an object with these headers is kept as requested.
    pub(super) fn is_kept(&self, shown: &HeaderMap) -> bool {
        (self.class.is_none() || class(shown) == self.class)
            && self.encryption.as_ref().is_none_or(|wanted| encrypts(wanted, shown))
    }
}

pub(super) fn encrypts(wanted: &Encryption, shown: &HeaderMap) -> bool {
    let Some(shown) = encryption(shown) else { return false };
    let key = match (&wanted.key_id, &shown.key_id) {
        (None, _) => true,
        // A key that was named by an alias is reported by its id.
        (Some(wanted), Some(shown)) => shown.ends_with(wanted.as_str()) || wanted.contains("alias/"),
        (Some(_), None) => false,
    };
    shown.algorithm == wanted.algorithm && key && (shown.bucket_key || !wanted.bucket_key)
}

/// Returns the storage class in a reply; `None` for `STANDARD` and for classes that S3 does not know.
pub(super) fn class(shown: &HeaderMap) -> Option<StorageClass> {
    StorageClass::parse(shown.get(CLASS)?.to_str().ok()?)
}

pub(super) fn encryption(shown: &HeaderMap) -> Option<Encryption> {
    let text = |name: HeaderName| shown.get(name)?.to_str().ok();
    Some(Encryption {
        algorithm: EncryptionAlgorithm::parse(text(ALGORITHM)?)?,
        key_id: text(KEY_ID).map(str::to_owned),
        context: None,
        bucket_key: text(BUCKET_KEY) == Some("true"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kms(key_id: Option<&str>, bucket_key: bool) -> Wish {
        let encryption = Encryption {
            algorithm: EncryptionAlgorithm::Kms,
            key_id: key_id.map(str::to_owned),
            context: None,
            bucket_key,
        };
        Wish { class: None, encryption: Some(encryption) }
    }

    #[test]
    fn a_wish_is_kept_only_if_all_of_it_is_shown() {
        let arn = "arn:aws:kms:us-east-1:1:key/abc";
        let shown = kms(Some(arn), false).headers().expect("headers");
        for (wish, kept) in [
            (kms(None, false), true),
            (kms(Some("abc"), false), true),
            (kms(Some(arn), false), true),
            (kms(Some("alias/mine"), false), true),
            (kms(Some("other"), false), false),
            (kms(None, true), false),
            (Wish { class: StorageClass::parse("GLACIER"), ..kms(None, false) }, false),
            (Wish::default(), true),
        ] {
            assert_eq!(wish.is_kept(&shown), kept, "{wish:?}");
            assert_eq!(wish.is_kept(&HeaderMap::new()), wish.is_empty(), "{wish:?}");
        }
    }
}
