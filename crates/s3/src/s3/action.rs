//! The actions of S3, as IAM names them, and the roles and ACLs that allow each.
//!
//! Owns the names, one table, and what is special about single actions. `gate` applies the table to a
//! principal and a bucket; `verdict` asks policies.

use crate::policy;
use std::sync::LazyLock;

macro_rules! actions {
    ($($needed:ident: $($service:literal: $($name:ident)+),+;)+) => {
        /// What a request does to a resource (IAM User Guide, "Actions, resources, and condition keys for
        /// Amazon S3").
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action { $($($($name),+),+),+ }

        impl Action {
            pub const ALL: &'static [Action] = &[$($($(Self::$name),+),+),+];

            /// The action with the prefix of its service, as policies write it.
            pub fn as_str(self) -> &'static str {
                match self { $($($(Self::$name => concat!($service, ":", stringify!($name))),+),+),+ }
            }

            /// What a principal needs, as itself or by an ACL. An action without a row does not compile.
            pub(super) fn needed(self) -> Needed {
                match self { $($($(Self::$name)|+)|+ => Needed::$needed),+ }
            }
        }
    };
}

/// The requirements of today's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needed {
    /// Any identity.
    Identity,
    /// The account itself.
    Account,
    /// The account itself, if it may write.
    AccountWriter,
    /// An identity that may write.
    Writer,
    /// The right to read the bucket, or an ACL of the bucket that lets the principal read.
    ReadBucket,
    /// The right to read the bucket, or an ACL of the object that lets the principal read.
    ReadObject,
    /// The right to read the bucket. No ACL grants it.
    Know,
    /// The right to write to the bucket, or an ACL of the bucket that lets the principal write. A read-only
    /// identity never may.
    Write,
    /// The right to write to the bucket. No ACL grants it.
    WriteTags,
    /// The right to read the bucket, or an ACL of the bucket or the object that lets the principal read it.
    ReadAcl,
    /// The bucket itself, or an ACL of the bucket or the object that lets the principal change it.
    WriteAcl,
    /// The bucket itself: whoever owns it.
    Own,
}

actions! {
    Identity: "s3": ListAllMyBuckets;
    Account: "s3": GetAccountPublicAccessBlock;
    AccountWriter: "s3": PutAccountPublicAccessBlock;
    Writer: "s3": CreateBucket;
    ReadBucket: "s3": ListBucket ListBucketVersions;
    ReadObject: "s3": GetObject GetObjectAttributes GetObjectVersion GetObjectVersionAttributes;
    Know: "s3":
        GetBucketLocation GetBucketVersioning GetObjectTagging GetObjectVersionTagging
        ListBucketMultipartUploads ListMultipartUploadParts;
    ReadAcl: "s3": GetBucketAcl GetObjectAcl GetObjectVersionAcl;
    WriteAcl: "s3": PutBucketAcl PutObjectAcl PutObjectVersionAcl;
    Write: "s3": AbortMultipartUpload DeleteObject DeleteObjectVersion PutObject;
    WriteTags: "s3":
        DeleteObjectTagging DeleteObjectVersionTagging PutObjectTagging PutObjectVersionTagging;
    // Most of these operations are not served: a client that is not the owner will need a policy.
    Own: "s3":
        CreateBucketMetadataTableConfiguration DeleteBucket DeleteBucketMetadataTableConfiguration DeleteBucketPolicy
        DeleteBucketWebsite DeleteObjectAnnotation GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac
        GetBucketCORS GetBucketLogging GetBucketMetadataTableConfiguration GetBucketNotification
        GetBucketObjectLockConfiguration GetBucketOwnershipControls GetBucketPolicy GetBucketPolicyStatus
        GetBucketPublicAccessBlock GetBucketRequestPayment GetBucketTagging GetBucketWebsite GetEncryptionConfiguration
        GetIntelligentTieringConfiguration GetInventoryConfiguration GetLifecycleConfiguration GetMetricsConfiguration
        GetObjectAnnotation GetObjectLegalHold GetObjectRetention GetObjectTorrent GetReplicationConfiguration
        ListObjectAnnotations ListTagsForResource PutAccelerateConfiguration PutAnalyticsConfiguration PutBucketAbac
        PutBucketCORS PutBucketLogging PutBucketNotification PutBucketObjectLockConfiguration
        PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock PutBucketRequestPayment PutBucketTagging
        PutBucketVersioning PutBucketWebsite PutEncryptionConfiguration PutIntelligentTieringConfiguration
        PutInventoryConfiguration PutLifecycleConfiguration PutMetricsConfiguration PutObjectAnnotation
        PutObjectLegalHold PutObjectRetention PutReplicationConfiguration RestoreObject
        TagResource UntagResource UpdateBucketMetadataAnnotationTableConfiguration
        UpdateBucketMetadataInventoryTableConfiguration
        UpdateBucketMetadataJournalTableConfiguration UpdateObjectEncryption,
        "s3express": CreateSession ListAllMyDirectoryBuckets,
        "s3-object-lambda": WriteGetObjectResponse;
}

/// The actions in the form that policies compare, in the order of [`Action::ALL`].
static IN_POLICIES: LazyLock<Vec<policy::Action>> =
    LazyLock::new(|| Action::ALL.iter().map(|action| policy::Action::new(action.as_str())).collect());

impl Action {
    pub(super) fn in_policies(self) -> &'static policy::Action {
        &IN_POLICIES[self as usize]
    }

    /// The name of the action where the request names a version.
    pub(super) fn on_version(self) -> Self {
        match self {
            Self::GetObject => Self::GetObjectVersion,
            Self::GetObjectAcl => Self::GetObjectVersionAcl,
            Self::GetObjectAttributes => Self::GetObjectVersionAttributes,
            Self::GetObjectTagging => Self::GetObjectVersionTagging,
            Self::PutObjectAcl => Self::PutObjectVersionAcl,
            Self::PutObjectTagging => Self::PutObjectVersionTagging,
            Self::DeleteObject => Self::DeleteObjectVersion,
            Self::DeleteObjectTagging => Self::DeleteObjectVersionTagging,
            other => other,
        }
    }

    /// Whether the action is about the object that is there: its owner decides, and its tags may
    /// (`s3:ExistingObjectTag`).
    pub(super) fn is_about_found_object(self) -> bool {
        matches!(
            self,
            Self::GetObject
                | Self::GetObjectAcl
                | Self::GetObjectAttributes
                | Self::GetObjectTagging
                | Self::PutObjectAcl
                | Self::PutObjectTagging
                | Self::DeleteObjectTagging
        )
    }

    /// Whether the action changes nothing, as the names of actions say.
    pub(super) fn only_reads(self) -> bool {
        let name = self.as_str().split_once(':').map_or("", |(_, name)| name);
        ["Get", "List"].iter().any(|verb| name.starts_with(verb))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_named_as_policies_write_it() {
        assert_eq!(Action::GetObject.as_str(), "s3:GetObject");
        assert_eq!(Action::PutBucketCORS.as_str(), "s3:PutBucketCORS");
        assert_eq!(Action::CreateSession.as_str(), "s3express:CreateSession");
    }

    #[test]
    fn every_action_is_where_policies_look_for_it() {
        for (number, action) in Action::ALL.iter().enumerate() {
            assert_eq!(*action as usize, number);
            assert_eq!(*action.in_policies(), policy::Action::new(action.as_str()));
        }
    }

    #[test]
    fn an_action_on_a_version_requires_the_same_of_a_role() {
        for action in Action::ALL {
            assert_eq!(action.on_version().needed(), action.needed(), "{action:?}");
            assert_eq!(action.on_version().only_reads(), action.only_reads(), "{action:?}");
        }
        assert_eq!(Action::DeleteObject.on_version().as_str(), "s3:DeleteObjectVersion");
    }
}
