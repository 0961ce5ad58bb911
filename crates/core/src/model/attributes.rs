//! What a write gives an object besides its bytes: system headers, user metadata, tags, owner, ACL, storage
//! class, encryption.

use super::{Acl, CanonicalId, Encryption, StorageClass, TagSet};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// S3 User Guide, "User-defined object metadata": 2 KB over names and values.
pub const MAX_USER_METADATA: usize = 2048;

/// The attributes are copied with an object. The field names are the stored format: only add fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    /// The encoding that the client meant: `aws-chunked` has been stripped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    /// The value is kept verbatim, as S3 does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website_redirect: Option<String>,
    /// Names without `x-amz-meta-`, in lower case.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub user: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "TagSet::is_empty")]
    pub tags: TagSet,
    #[serde(skip_serializing_if = "Acl::is_private")]
    pub acl: Acl,
    /// The account that the object belongs to. `None`: the owner of its bucket. A copy belongs to whoever
    /// makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<CanonicalId>,
    /// A copy never takes over the storage class or the encryption of its source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<StorageClass>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
}

impl Attributes {
    /// Returns about how many bytes the attributes take in memory. Caches count these against their limit.
    pub fn footprint(&self) -> usize {
        // The estimated overhead: an entry of user metadata has it three times, a tag twice.
        const TEXT: usize = 32;
        let user: usize = self.user.iter().map(|(name, value)| name.len() + value.len() + 3 * TEXT).sum();
        let tags: usize = self.tags.iter().map(|tag| tag.key.len() + tag.value.len() + 2 * TEXT).sum();
        let headers = [
            &self.content_type,
            &self.cache_control,
            &self.content_disposition,
            &self.content_encoding,
            &self.content_language,
            &self.expires,
            &self.website_redirect,
        ];
        let headers: usize = headers.into_iter().flatten().map(String::len).sum();
        let owner = self.owner.as_ref().map_or(0, |owner| owner.as_str().len());
        user + tags + headers + owner + self.acl.footprint()
    }
}
