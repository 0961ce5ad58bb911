//! The vocabulary: every name and value that crosses a layer. Each is parsed once at the edge and typed from
//! there on.
//!
//! This module owns no I/O, no clock and no policy. Everything else in the crate may use it; it uses nothing
//! of the crate.

mod account;
mod acl;
mod acl_grant;
mod acl_text;
mod address;
mod attributes;
mod bucket;
mod canned_acl;
mod canonical_id;
mod chain;
mod checksum;
mod cors;
mod crc;
pub mod encoded_words;
mod encryption;
mod endpoint;
mod etag;
mod grants;
mod identity;
mod issuer;
mod key;
mod location;
mod lock;
mod notes;
mod object;
mod ownership;
mod public_access;
mod range;
mod restore;
mod routing_rule;
mod secret;
mod signature_v2;
mod storage_class;
mod tags;
mod tenant;
mod time;
mod upload;
mod version;
mod website;
mod website_error;
mod website_host;

pub use account::account_id;
pub use acl::{Acl, AclGrants, MAX_GRANTS, PublicGrants, TooManyGrants};
pub use acl_grant::{AclGrant, AclPermission, Grantee};
pub use address::{NoSuchVersion, ObjectAddress};
pub use attributes::{Attributes, MAX_USER_METADATA};
pub use bucket::{BucketName, BucketNameError};
pub use canned_acl::CannedAcl;
pub use canonical_id::{CanonicalId, canonical_id};
pub use chain::Chain;
pub use checksum::{
    Checksum, ChecksumAlgorithm, ChecksumHasher, ChecksumKind, ChecksumSpec, ObjectChecksum, combine_crc,
};
pub use cors::{CorsError, CorsMatch, CorsMethod, CorsPattern, CorsRule, CorsRules};
pub use encryption::{Encryption, EncryptionAlgorithm};
pub use endpoint::Endpoint;
pub use etag::ETag;
pub use grants::{Grants, Right};
pub use identity::{AccessKey, Identity, Owner, Principal, Role};
pub use issuer::{Issuer, IssuerPattern};
pub use key::{MAX_KEY_BYTES, ObjectKey, ObjectKeyError};
pub use location::Location;
pub use lock::{ObjectLock, Retention, RetentionMode};
pub use notes::{CacheUse, Notes, Replicas};
pub use object::{ObjectInfo, ObjectPart};
pub use ownership::ObjectOwnership;
pub use public_access::PublicAccess;
pub use range::{ByteRange, Span};
pub use restore::Restore;
pub use routing_rule::{NewKey, RoutingCondition, RoutingRedirect, RoutingRule, TargetKey};
pub use secret::{ReplacedSecret, Secret, Secrets};
pub use signature_v2::SignatureV2;
pub use storage_class::StorageClass;
pub use tags::{BucketTags, Tag, TagError, TagSet};
pub use tenant::TenantId;
pub use time::Timestamp;
pub use upload::{MAX_PART_NUMBER, PartNumber, UploadId};
pub use version::{MAX_VERSION_ID_BYTES, VersionId};
pub use website::{Pages, RedirectAll, Website};
pub use website_error::WebsiteError;
pub use website_host::WebsiteProtocol;
