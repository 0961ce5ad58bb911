//! The actions of S3 that policies name, and sets of actions.
//!
//! Owns the table of names, with the resource each acts on (Service Authorization Reference, "Actions,
//! resources, and condition keys for Amazon S3"). An action of the table is one bit of a set, so that a
//! decision compares no names. Actions of other services are compared by name: identity policies have them.

use crate::{
    context::Context,
    pattern::{Pattern, Syntax},
};
use std::{collections::HashMap, sync::LazyLock};

/// What an action acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Bucket,
    Object,
    /// An account, an access point, a job: nothing of a bucket policy's bucket.
    Other,
}

macro_rules! actions {
    ($($target:ident: $($name:ident)+;)+) => {
        const ACTIONS: &[(&str, Target)] = &[$($((stringify!($name), Target::$target)),+),+];
    };
}

actions! {
    Bucket:
        CreateBucket CreateBucketMetadataTableConfiguration DeleteBucket
        DeleteBucketMetadataTableConfiguration DeleteBucketPolicy DeleteBucketWebsite
        GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac GetBucketAcl GetBucketCORS
        GetBucketLocation GetBucketLogging GetBucketMetadataTableConfiguration GetBucketNotification
        GetBucketObjectLockConfiguration GetBucketOwnershipControls GetBucketPolicy
        GetBucketPolicyStatus GetBucketPublicAccessBlock GetBucketRequestPayment GetBucketTagging
        GetBucketVersioning GetBucketWebsite GetEncryptionConfiguration
        GetIntelligentTieringConfiguration GetInventoryConfiguration GetLifecycleConfiguration
        GetMetricsConfiguration GetReplicationConfiguration ListBucket ListBucketMultipartUploads
        ListBucketVersions ListTagsForResource PauseReplication PutAccelerateConfiguration
        PutAnalyticsConfiguration PutBucketAbac
        PutBucketAcl PutBucketCORS PutBucketLogging PutBucketNotification
        PutBucketObjectLockConfiguration PutBucketOwnershipControls PutBucketPolicy
        PutBucketPublicAccessBlock PutBucketRequestPayment PutBucketTagging PutBucketVersioning
        PutBucketWebsite PutEncryptionConfiguration PutIntelligentTieringConfiguration
        PutInventoryConfiguration PutLifecycleConfiguration PutMetricsConfiguration
        PutReplicationConfiguration TagResource UntagResource
        UpdateBucketMetadataAnnotationTableConfiguration
        UpdateBucketMetadataInventoryTableConfiguration UpdateBucketMetadataJournalTableConfiguration;
    Object:
        AbortMultipartUpload BypassGovernanceRetention DeleteObject DeleteObjectAnnotation
        DeleteObjectTagging DeleteObjectVersion DeleteObjectVersionAnnotation DeleteObjectVersionTagging
        GetObject GetObjectAcl GetObjectAnnotation GetObjectAttributes GetObjectLegalHold
        GetObjectRetention GetObjectTagging GetObjectTorrent GetObjectVersion GetObjectVersionAcl
        GetObjectVersionAnnotation GetObjectVersionAnnotationForReplication GetObjectVersionAttributes
        GetObjectVersionForReplication GetObjectVersionTagging GetObjectVersionTorrent
        InitiateReplication ListMultipartUploadParts ListObjectAnnotations ListObjectVersionAnnotations
        ObjectOwnerOverrideToBucketOwner PutObject PutObjectAcl PutObjectAnnotation PutObjectLegalHold
        PutObjectRetention PutObjectTagging PutObjectVersionAcl PutObjectVersionAnnotation
        PutObjectVersionTagging ReplicateDelete ReplicateObject ReplicateObjectAnnotation ReplicateTags
        RestoreObject UpdateObjectEncryption;
    Other:
        AllowVendedLogDeliveryForResource AssociateAccessGrantsIdentityCenter CreateAccessGrant
        CreateAccessGrantsInstance CreateAccessGrantsLocation CreateAccessPoint
        CreateAccessPointForObjectLambda CreateJob CreateMultiRegionAccessPoint CreateStorageLensGroup
        DeleteAccessGrant DeleteAccessGrantsInstance DeleteAccessGrantsInstanceResourcePolicy
        DeleteAccessGrantsLocation DeleteAccessPoint DeleteAccessPointForObjectLambda
        DeleteAccessPointPolicy DeleteAccessPointPolicyForObjectLambda DeleteJobTagging
        DeleteMultiRegionAccessPoint DeleteStorageLensConfiguration
        DeleteStorageLensConfigurationTagging DeleteStorageLensGroup DescribeJob
        DescribeMultiRegionAccessPointOperation DissociateAccessGrantsIdentityCenter GetAccessGrant
        GetAccessGrantsInstance GetAccessGrantsInstanceForPrefix GetAccessGrantsInstanceResourcePolicy
        GetAccessGrantsLocation GetAccessPoint GetAccessPointConfigurationForObjectLambda
        GetAccessPointForObjectLambda GetAccessPointPolicy GetAccessPointPolicyForObjectLambda
        GetAccessPointPolicyStatus GetAccessPointPolicyStatusForObjectLambda GetAccountPublicAccessBlock
        GetDataAccess GetJobTagging GetMultiRegionAccessPoint GetMultiRegionAccessPointPolicy
        GetMultiRegionAccessPointPolicyStatus GetMultiRegionAccessPointRoutes
        GetStorageLensConfiguration GetStorageLensConfigurationTagging GetStorageLensDashboard
        GetStorageLensGroup ListAccessGrants ListAccessGrantsInstances ListAccessGrantsLocations
        ListAccessPoints ListAccessPointsForObjectLambda ListAllMyBuckets ListCallerAccessGrants
        ListJobs ListMultiRegionAccessPoints ListStorageLensConfigurations ListStorageLensGroups
        PutAccessGrantsInstanceResourcePolicy
        PutAccessPointConfigurationForObjectLambda PutAccessPointPolicy
        PutAccessPointPolicyForObjectLambda PutAccessPointPublicAccessBlock PutAccountPublicAccessBlock
        PutJobTagging PutMultiRegionAccessPointPolicy PutStorageLensConfiguration
        PutStorageLensConfigurationTagging SubmitMultiRegionAccessPointRoutes
        UpdateAccessGrantsLocation UpdateJobPriority UpdateJobStatus UpdateStorageLensGroup;
}

/// Bits of all actions of the table.
const WORDS: usize = 4;
const _: () = assert!(ACTIONS.len() <= WORDS * 64);

/// The actions of the table by their names in lower case, with the prefix.
static NUMBERS: LazyLock<HashMap<String, usize>> = LazyLock::new(|| {
    let names = ACTIONS.iter().map(|(name, _)| format!("s3:{}", name.to_ascii_lowercase()));
    names.enumerate().map(|(number, name)| (name, number)).collect()
});

/// The action of a request. Made once for each action that a server knows, not for each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    lower: Box<str>,
    number: Option<usize>,
}

impl Action {
    /// `name` has the prefix of its service: `s3:GetObject`.
    pub fn new(name: &str) -> Self {
        let lower = name.to_ascii_lowercase().into_boxed_str();
        Self { number: NUMBERS.get(&*lower).copied(), lower }
    }

    /// Whether it reads, writes or deletes the policy of a bucket, which its owner never locks out.
    pub(crate) fn is_about_the_bucket_policy(&self) -> bool {
        matches!(&*self.lower, "s3:getbucketpolicy" | "s3:putbucketpolicy" | "s3:deletebucketpolicy")
    }
}

/// The actions that an element of a statement names.
#[derive(Debug, Clone)]
pub(crate) struct Actions {
    bits: [u64; WORDS],
    /// For actions that the table does not have.
    patterns: Vec<Pattern>,
}

/// A name of a list that is no action.
pub(crate) struct NoAction(pub(crate) String);

impl Actions {
    /// `only_s3`: each name must be that of at least one action of the table.
    pub(crate) fn parse(names: &[&str], only_s3: bool) -> Result<Self, NoAction> {
        let mut actions = Self { bits: [0; WORDS], patterns: Vec::new() };
        for name in names {
            let well_formed = *name == "*"
                || name.split_once(':').is_some_and(|(service, action)| {
                    let is_part = |part: &str, also: &str| {
                        !part.is_empty()
                            && part.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c))
                    };
                    is_part(service, "-") && is_part(action, "*?")
                });
            if !well_formed {
                return Err(NoAction(format!("{name:?} is no action: actions are written as s3:GetObject")));
            }
            let syntax = Syntax { wildcards: true, variables: false };
            let wanted = name.to_ascii_lowercase();
            let pattern = Pattern::parse(&wanted, syntax).map_err(NoAction)?;
            let numbers: Vec<usize> = if pattern.is_fixed() {
                NUMBERS.get(&wanted).copied().into_iter().collect()
            } else {
                let is_wanted = |(lower, _): &(&String, &usize)| pattern.matches(lower, &Context::default());
                NUMBERS.iter().filter(is_wanted).map(|(_, number)| *number).collect()
            };
            for number in &numbers {
                actions.bits[number / 64] |= 1 << (number % 64);
            }
            if only_s3 && numbers.is_empty() {
                return Err(NoAction(format!("{name:?} is no action of S3")));
            }
            actions.patterns.push(pattern);
        }
        Ok(actions)
    }

    pub(crate) fn has(&self, action: &Action) -> bool {
        match action.number {
            Some(number) => self.bits[number / 64] & (1 << (number % 64)) != 0,
            None => self.patterns.iter().any(|pattern| pattern.matches(&action.lower, &Context::default())),
        }
    }

    /// Whether some action of the set acts on one of these.
    pub(crate) fn targets(&self, wanted: impl Fn(Target) -> bool) -> bool {
        let has = |number: usize| self.bits[number / 64] & (1 << (number % 64)) != 0;
        ACTIONS.iter().enumerate().any(|(number, (_, target))| has(number) && wanted(*target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(names: &[&str], action: &str) -> bool {
        Actions::parse(names, false).unwrap_or_else(|error| panic!("{}", error.0)).has(&Action::new(action))
    }

    #[test]
    fn actions_are_compared_without_regard_to_case_and_with_wildcards() {
        assert!(has(&["s3:getobject"], "s3:GetObject"));
        assert!(has(&["S3:Get*"], "s3:GetBucketAcl"));
        assert!(has(&["s3:?etObject"], "s3:GetObject"));
        assert!(!has(&["s3:GetObject"], "s3:GetObjectAcl"));
        assert!(has(&["iam:*"], "iam:CreateUser"));
        assert!(!has(&["s3:*"], "iam:CreateUser"));
        assert!(has(&["*"], "iam:CreateUser"));
    }

    #[test]
    fn what_is_no_action_is_refused() {
        for name in ["", "GetObject", "s3:", ":GetObject", "s3:Get Object", "s*:GetObject", "s3:${x}"] {
            assert!(Actions::parse(&[name], false).is_err(), "{name}");
        }
        assert!(Actions::parse(&["s3:GetTheObject"], true).is_err());
        assert!(Actions::parse(&["iam:*"], true).is_err());
        assert!(Actions::parse(&["s3:GetTheObject"], false).is_ok());
    }
}
