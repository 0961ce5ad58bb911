//! The actions of S3, as IAM names them, and the roles and canned ACLs that allow each.
//!
//! Owns the names and one table. `gate` applies the table to a principal and a bucket.

macro_rules! actions {
    ($($needed:ident: $($service:literal: $($name:ident)+),+;)+) => {
        /// What a request does to a resource (IAM User Guide, "Actions, resources, and condition keys for
        /// Amazon S3").
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action { $($($($name),+),+),+ }

        impl Action {
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
    /// An identity that may write.
    Writer,
    /// The right to read the bucket, or an ACL of the bucket that lets the principal read.
    ReadBucket,
    /// The right to read the bucket, or an ACL of the object that lets the principal read.
    ReadObject,
    /// The right to read the bucket. No ACL grants it.
    Know,
    /// The right to write to the bucket, or an ACL of the bucket that lets everybody write. A read-only
    /// identity never may.
    Write,
    /// The right to write to the bucket. No ACL grants it.
    WriteTags,
    /// The bucket itself: whoever owns it.
    Own,
}

actions! {
    Identity: "s3": ListAllMyBuckets;
    Writer: "s3": CreateBucket;
    ReadBucket: "s3": ListBucket ListBucketVersions;
    ReadObject: "s3": GetObject GetObjectAttributes;
    Know: "s3":
        GetBucketAcl GetBucketLocation GetBucketVersioning GetObjectAcl GetObjectTagging
        ListBucketMultipartUploads ListMultipartUploadParts;
    Write: "s3": AbortMultipartUpload DeleteObject PutObject;
    WriteTags: "s3": DeleteObjectTagging PutObjectTagging;
    // Most of these operations are not served: a client that is not the owner will need a policy.
    Own: "s3":
        CreateBucketMetadataTableConfiguration DeleteBucket DeleteBucketMetadataTableConfiguration DeleteBucketPolicy
        DeleteBucketWebsite DeleteObjectAnnotation GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac
        GetBucketCORS GetBucketLogging GetBucketMetadataTableConfiguration GetBucketNotification
        GetBucketObjectLockConfiguration GetBucketOwnershipControls GetBucketPolicy GetBucketPolicyStatus
        GetBucketPublicAccessBlock GetBucketRequestPayment GetBucketTagging GetBucketWebsite GetEncryptionConfiguration
        GetIntelligentTieringConfiguration GetInventoryConfiguration GetLifecycleConfiguration GetMetricsConfiguration
        GetObjectAnnotation GetObjectLegalHold GetObjectRetention GetObjectTorrent GetReplicationConfiguration
        ListObjectAnnotations PutAccelerateConfiguration PutAnalyticsConfiguration PutBucketAbac PutBucketAcl
        PutBucketCORS PutBucketLogging PutBucketNotification PutBucketObjectLockConfiguration
        PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock PutBucketRequestPayment PutBucketTagging
        PutBucketVersioning PutBucketWebsite PutEncryptionConfiguration PutIntelligentTieringConfiguration
        PutInventoryConfiguration PutLifecycleConfiguration PutMetricsConfiguration PutObjectAcl PutObjectAnnotation
        PutObjectLegalHold PutObjectRetention PutReplicationConfiguration RestoreObject
        UpdateBucketMetadataAnnotationTableConfiguration UpdateBucketMetadataInventoryTableConfiguration
        UpdateBucketMetadataJournalTableConfiguration UpdateObjectEncryption,
        "s3express": CreateSession ListAllMyDirectoryBuckets,
        "s3-object-lambda": WriteGetObjectResponse;
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
}
