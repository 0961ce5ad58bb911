//! The table of operations: every operation of S3, how a request names it, what it needs, and its handler.
//!
//! Owns the rows and nothing else. `operation` defines the columns. What is not in a row (the headers of each
//! operation, and how they are handled) is in `conformance/parameters.toml`; a test compares both tables with
//! the service model of the AWS SDK.
//!
//! Invariants, each held by a test:
//! - every operation of the newest service model has a row; those without a handler are `refused` by name;
//! - among the rows with one method and one scope, the first whose marks are all present applies, so the
//!   plain one comes last.

/// Calls a macro with some tokens and then all rows:
///
/// `Name { METHOD Scope named [marks] takes [parameters] needs [Action on Resource] also [Action with header]
/// conditions Which } => kind handler;`
///
/// The kinds of handlers are those of `call`: `service`, `bucket`, `reads`, `object`, `form` for an object
/// whose key is in a form, and `account` and `tagged` for the control plane. `refused` has none, and may say
/// what is missing. The operations of the control plane that are not served are in `control`.
macro_rules! each_operation {
    ($then:ident { $($first:tt)* }) => {
        $then! {
            $($first)*

            // The service.
            ListDirectoryBuckets {
                GET Service named [Query("max-directory-buckets")] takes ["continuation-token"]
                needs [ListAllMyDirectoryBuckets on Service]
            } => refused "ListDirectoryBuckets";
            ListBuckets {
                GET Service takes ["bucket-region", "continuation-token", "max-buckets", "prefix"]
                needs [ListAllMyBuckets on Service]
            } => service list_buckets;

            // The control plane: settings of an account, and tags of a bucket by its ARN.
            GetAccountPublicAccessBlock {
                GET Account named [Path("configuration/publicAccessBlock")]
                needs [GetAccountPublicAccessBlock on Account]
            } => account get_account_public_access_block;
            PutAccountPublicAccessBlock {
                PUT Account named [Path("configuration/publicAccessBlock")]
                needs [PutAccountPublicAccessBlock on Account]
            } => account put_account_public_access_block;
            DeleteAccountPublicAccessBlock {
                DELETE Account named [Path("configuration/publicAccessBlock")]
                needs [PutAccountPublicAccessBlock on Account]
            } => account delete_account_public_access_block;
            ListTagsForResource {
                GET Resource named [Under("tags/")] needs [ListTagsForResource on Bucket]
            } => tagged list_tags_for_resource;
            TagResource {
                POST Resource named [Under("tags/")] needs [TagResource on Bucket]
            } => tagged tag_resource;
            UntagResource {
                DELETE Resource named [Under("tags/")] takes ["tagKeys"] needs [UntagResource on Bucket]
            } => tagged untag_resource;

            // Settings of a bucket.
            GetBucketAbac {
                GET Bucket named [Query("abac")] needs [GetBucketAbac on Bucket]
            } => bucket get_bucket_abac;
            PutBucketAbac {
                PUT Bucket named [Query("abac")] needs [PutBucketAbac on Bucket]
            } => bucket put_bucket_abac;
            GetBucketAccelerateConfiguration {
                GET Bucket named [Query("accelerate")] needs [GetAccelerateConfiguration on Bucket]
            } => bucket get_bucket_accelerate_configuration;
            PutBucketAccelerateConfiguration {
                PUT Bucket named [Query("accelerate")] needs [PutAccelerateConfiguration on Bucket]
            } => bucket put_bucket_accelerate_configuration;
            GetBucketAcl { GET Bucket named [Query("acl")] needs [GetBucketAcl on Bucket] } => bucket get_bucket_acl;
            PutBucketAcl { PUT Bucket named [Query("acl")] needs [PutBucketAcl on Bucket] } => bucket put_bucket_acl;
            GetBucketAnalyticsConfiguration {
                GET Bucket named [Query("analytics"), Query("id")] needs [GetAnalyticsConfiguration on Bucket]
            } => bucket get_bucket_analytics_configuration;
            ListBucketAnalyticsConfigurations {
                GET Bucket named [Query("analytics")] takes ["continuation-token"]
                needs [GetAnalyticsConfiguration on Bucket]
            } => bucket list_bucket_analytics_configurations;
            PutBucketAnalyticsConfiguration {
                PUT Bucket named [Query("analytics")] takes ["id"] needs [PutAnalyticsConfiguration on Bucket]
            } => bucket put_bucket_analytics_configuration;
            DeleteBucketAnalyticsConfiguration {
                DELETE Bucket named [Query("analytics")] takes ["id"] needs [PutAnalyticsConfiguration on Bucket]
            } => bucket delete_bucket_analytics_configuration;
            GetBucketCors {
                GET Bucket named [Query("cors")] needs [GetBucketCORS on Bucket]
            } => bucket get_bucket_cors;
            PutBucketCors {
                PUT Bucket named [Query("cors")] needs [PutBucketCORS on Bucket]
            } => bucket put_bucket_cors;
            DeleteBucketCors {
                DELETE Bucket named [Query("cors")] needs [PutBucketCORS on Bucket]
            } => bucket delete_bucket_cors;
            GetBucketEncryption {
                GET Bucket named [Query("encryption")] needs [GetEncryptionConfiguration on Bucket]
            } => refused;
            PutBucketEncryption {
                PUT Bucket named [Query("encryption")] needs [PutEncryptionConfiguration on Bucket]
            } => refused;
            DeleteBucketEncryption {
                DELETE Bucket named [Query("encryption")] needs [PutEncryptionConfiguration on Bucket]
            } => refused;
            GetBucketIntelligentTieringConfiguration {
                GET Bucket named [Query("intelligent-tiering"), Query("id")]
                needs [GetIntelligentTieringConfiguration on Bucket]
            } => bucket get_bucket_intelligent_tiering_configuration;
            ListBucketIntelligentTieringConfigurations {
                GET Bucket named [Query("intelligent-tiering")] takes ["continuation-token"]
                needs [GetIntelligentTieringConfiguration on Bucket]
            } => bucket list_bucket_intelligent_tiering_configurations;
            PutBucketIntelligentTieringConfiguration {
                PUT Bucket named [Query("intelligent-tiering")] takes ["id"]
                needs [PutIntelligentTieringConfiguration on Bucket]
            } => bucket put_bucket_intelligent_tiering_configuration;
            DeleteBucketIntelligentTieringConfiguration {
                DELETE Bucket named [Query("intelligent-tiering")] takes ["id"]
                needs [PutIntelligentTieringConfiguration on Bucket]
            } => bucket delete_bucket_intelligent_tiering_configuration;
            GetBucketInventoryConfiguration {
                GET Bucket named [Query("inventory"), Query("id")] needs [GetInventoryConfiguration on Bucket]
            } => refused;
            ListBucketInventoryConfigurations {
                GET Bucket named [Query("inventory")] takes ["continuation-token"]
                needs [GetInventoryConfiguration on Bucket]
            } => refused;
            PutBucketInventoryConfiguration {
                PUT Bucket named [Query("inventory")] takes ["id"] needs [PutInventoryConfiguration on Bucket]
            } => refused;
            DeleteBucketInventoryConfiguration {
                DELETE Bucket named [Query("inventory")] takes ["id"] needs [PutInventoryConfiguration on Bucket]
            } => refused;
            GetBucketLifecycleConfiguration {
                GET Bucket named [Query("lifecycle")] needs [GetLifecycleConfiguration on Bucket]
            } => refused;
            GetBucketLifecycle {
                GET Bucket named [Query("lifecycle")] needs [GetLifecycleConfiguration on Bucket]
            } => refused;
            PutBucketLifecycleConfiguration {
                PUT Bucket named [Query("lifecycle")] needs [PutLifecycleConfiguration on Bucket]
            } => refused;
            PutBucketLifecycle {
                PUT Bucket named [Query("lifecycle")] needs [PutLifecycleConfiguration on Bucket]
            } => refused;
            DeleteBucketLifecycle {
                DELETE Bucket named [Query("lifecycle")] needs [PutLifecycleConfiguration on Bucket]
            } => refused;
            GetBucketLocation {
                GET Bucket named [Query("location")] needs [GetBucketLocation on Bucket]
            } => bucket get_bucket_location;
            GetBucketLogging { GET Bucket named [Query("logging")] needs [GetBucketLogging on Bucket] } => refused;
            PutBucketLogging { PUT Bucket named [Query("logging")] needs [PutBucketLogging on Bucket] } => refused;
            CreateBucketMetadataConfiguration {
                POST Bucket named [Query("metadataConfiguration")]
                needs [CreateBucketMetadataTableConfiguration on Bucket]
            } => refused;
            GetBucketMetadataConfiguration {
                GET Bucket named [Query("metadataConfiguration")] needs [GetBucketMetadataTableConfiguration on Bucket]
            } => refused;
            DeleteBucketMetadataConfiguration {
                DELETE Bucket named [Query("metadataConfiguration")]
                needs [DeleteBucketMetadataTableConfiguration on Bucket]
            } => refused;
            CreateBucketMetadataTableConfiguration {
                POST Bucket named [Query("metadataTable")] needs [CreateBucketMetadataTableConfiguration on Bucket]
            } => refused;
            GetBucketMetadataTableConfiguration {
                GET Bucket named [Query("metadataTable")] needs [GetBucketMetadataTableConfiguration on Bucket]
            } => refused;
            DeleteBucketMetadataTableConfiguration {
                DELETE Bucket named [Query("metadataTable")] needs [DeleteBucketMetadataTableConfiguration on Bucket]
            } => refused;
            UpdateBucketMetadataAnnotationTableConfiguration {
                PUT Bucket named [Query("metadataAnnotationTable")]
                needs [UpdateBucketMetadataAnnotationTableConfiguration on Bucket]
            } => refused;
            UpdateBucketMetadataInventoryTableConfiguration {
                PUT Bucket named [Query("metadataInventoryTable")]
                needs [UpdateBucketMetadataInventoryTableConfiguration on Bucket]
            } => refused;
            UpdateBucketMetadataJournalTableConfiguration {
                PUT Bucket named [Query("metadataJournalTable")]
                needs [UpdateBucketMetadataJournalTableConfiguration on Bucket]
            } => refused;
            GetBucketMetricsConfiguration {
                GET Bucket named [Query("metrics"), Query("id")] needs [GetMetricsConfiguration on Bucket]
            } => bucket get_bucket_metrics_configuration;
            ListBucketMetricsConfigurations {
                GET Bucket named [Query("metrics")] takes ["continuation-token"]
                needs [GetMetricsConfiguration on Bucket]
            } => bucket list_bucket_metrics_configurations;
            PutBucketMetricsConfiguration {
                PUT Bucket named [Query("metrics")] takes ["id"] needs [PutMetricsConfiguration on Bucket]
            } => bucket put_bucket_metrics_configuration;
            DeleteBucketMetricsConfiguration {
                DELETE Bucket named [Query("metrics")] takes ["id"] needs [PutMetricsConfiguration on Bucket]
            } => bucket delete_bucket_metrics_configuration;
            GetBucketNotificationConfiguration {
                GET Bucket named [Query("notification")] needs [GetBucketNotification on Bucket]
            } => refused;
            GetBucketNotification {
                GET Bucket named [Query("notification")] needs [GetBucketNotification on Bucket]
            } => refused;
            PutBucketNotificationConfiguration {
                PUT Bucket named [Query("notification")] needs [PutBucketNotification on Bucket]
            } => refused;
            PutBucketNotification {
                PUT Bucket named [Query("notification")] needs [PutBucketNotification on Bucket]
            } => refused;
            GetObjectLockConfiguration {
                GET Bucket named [Query("object-lock")] needs [GetBucketObjectLockConfiguration on Bucket]
            } => refused;
            PutObjectLockConfiguration {
                PUT Bucket named [Query("object-lock")] needs [PutBucketObjectLockConfiguration on Bucket]
            } => refused;
            GetBucketOwnershipControls {
                GET Bucket named [Query("ownershipControls")] needs [GetBucketOwnershipControls on Bucket]
            } => bucket get_bucket_ownership_controls;
            PutBucketOwnershipControls {
                PUT Bucket named [Query("ownershipControls")] needs [PutBucketOwnershipControls on Bucket]
            } => bucket put_bucket_ownership_controls;
            DeleteBucketOwnershipControls {
                DELETE Bucket named [Query("ownershipControls")] needs [PutBucketOwnershipControls on Bucket]
            } => bucket delete_bucket_ownership_controls;
            GetBucketPolicy {
                GET Bucket named [Query("policy")] needs [GetBucketPolicy on Bucket]
            } => bucket get_bucket_policy;
            PutBucketPolicy {
                PUT Bucket named [Query("policy")] needs [PutBucketPolicy on Bucket]
            } => bucket put_bucket_policy;
            DeleteBucketPolicy {
                DELETE Bucket named [Query("policy")] needs [DeleteBucketPolicy on Bucket]
            } => bucket delete_bucket_policy;
            GetBucketPolicyStatus {
                GET Bucket named [Query("policyStatus")] needs [GetBucketPolicyStatus on Bucket]
            } => bucket get_bucket_policy_status;
            GetPublicAccessBlock {
                GET Bucket named [Query("publicAccessBlock")] needs [GetBucketPublicAccessBlock on Bucket]
            } => bucket get_public_access_block;
            PutPublicAccessBlock {
                PUT Bucket named [Query("publicAccessBlock")] needs [PutBucketPublicAccessBlock on Bucket]
            } => bucket put_public_access_block;
            DeletePublicAccessBlock {
                DELETE Bucket named [Query("publicAccessBlock")] needs [PutBucketPublicAccessBlock on Bucket]
            } => bucket delete_public_access_block;
            GetBucketReplication {
                GET Bucket named [Query("replication")] needs [GetReplicationConfiguration on Bucket]
            } => refused;
            PutBucketReplication {
                PUT Bucket named [Query("replication")] needs [PutReplicationConfiguration on Bucket]
            } => refused;
            DeleteBucketReplication {
                DELETE Bucket named [Query("replication")] needs [PutReplicationConfiguration on Bucket]
            } => refused;
            GetBucketRequestPayment {
                GET Bucket named [Query("requestPayment")] needs [GetBucketRequestPayment on Bucket]
            } => bucket get_bucket_request_payment;
            PutBucketRequestPayment {
                PUT Bucket named [Query("requestPayment")] needs [PutBucketRequestPayment on Bucket]
            } => bucket put_bucket_request_payment;
            CreateSession { GET Bucket named [Query("session")] needs [CreateSession on Bucket] } => refused;
            GetBucketTagging {
                GET Bucket named [Query("tagging")] needs [GetBucketTagging on Bucket]
            } => bucket get_bucket_tagging;
            PutBucketTagging {
                PUT Bucket named [Query("tagging")] needs [PutBucketTagging on Bucket]
            } => bucket put_bucket_tagging;
            DeleteBucketTagging {
                DELETE Bucket named [Query("tagging")] needs [PutBucketTagging on Bucket]
            } => bucket delete_bucket_tagging;
            GetBucketVersioning {
                GET Bucket named [Query("versioning")] needs [GetBucketVersioning on Bucket]
            } => bucket get_bucket_versioning;
            PutBucketVersioning {
                PUT Bucket named [Query("versioning")] needs [PutBucketVersioning on Bucket]
            } => refused "Versioning";
            GetBucketWebsite {
                GET Bucket named [Query("website")] needs [GetBucketWebsite on Bucket]
            } => bucket get_bucket_website;
            PutBucketWebsite {
                PUT Bucket named [Query("website")] needs [PutBucketWebsite on Bucket]
            } => bucket put_bucket_website;
            DeleteBucketWebsite {
                DELETE Bucket named [Query("website")] needs [DeleteBucketWebsite on Bucket]
            } => bucket delete_bucket_website;

            // What is in a bucket, and the bucket itself.
            ListObjectVersions {
                GET Bucket named [Query("versions")]
                takes ["delimiter", "encoding-type", "key-marker", "max-keys", "prefix", "version-id-marker"]
                needs [ListBucketVersions on Bucket]
            } => bucket list_object_versions;
            ListMultipartUploads {
                GET Bucket named [Query("uploads")]
                takes ["delimiter", "encoding-type", "key-marker", "max-uploads", "prefix", "upload-id-marker"]
                needs [ListBucketMultipartUploads on Bucket]
            } => bucket list_multipart_uploads;
            ListObjectsV2 {
                GET Bucket named [Value("list-type", "2")]
                takes [
                    "continuation-token", "delimiter", "encoding-type", "fetch-owner", "max-keys", "prefix", "start-after"
                ]
                needs [ListBucket on Bucket]
            } => bucket list_objects_v2;
            ListObjects {
                GET Bucket takes ["delimiter", "encoding-type", "marker", "max-keys", "prefix"]
                needs [ListBucket on Bucket]
            } => bucket list_objects;
            HeadBucket { HEAD Bucket needs [ListBucket on Bucket] } => bucket head_bucket;
            CreateBucket {
                PUT Bucket needs [CreateBucket on NewBucket]
                also [
                    PutBucketAcl with "x-amz-acl" unless "private", PutBucketAcl with "x-amz-grant-",
                    PutBucketOwnershipControls with "x-amz-object-ownership",
                    PutBucketObjectLockConfiguration with "x-amz-bucket-object-lock-enabled" unless "false",
                    PutBucketVersioning with "x-amz-bucket-object-lock-enabled" unless "false"
                ]
            } => service create_bucket;
            DeleteBucket { DELETE Bucket needs [DeleteBucket on Bucket] } => bucket delete_bucket;
            DeleteObjects {
                POST Bucket named [Query("delete")] needs [DeleteObject on EachKey] conditions OnDelete
            } => bucket delete_objects;
            // Its path is a fixed one, which reads like the name of a bucket.
            WriteGetObjectResponse {
                POST Bucket named [Header("x-amz-request-route")] needs [WriteGetObjectResponse on Bucket]
            } => refused "WriteGetObjectResponse";
            PostObject {
                POST Bucket needs [PutObject on Object]
                also [
                    PutObjectAcl with "x-amz-acl", PutObjectAcl with "x-amz-grant-", PutObjectTagging with "x-amz-tagging",
                    PutObjectRetention with "x-amz-object-lock-mode",
                    PutObjectRetention with "x-amz-object-lock-retain-until-date",
                    PutObjectLegalHold with "x-amz-object-lock-legal-hold"
                ]
            } => form post_object;

            // Settings of an object.
            GetObjectAcl {
                GET Object named [Query("acl")] takes ["versionId"] needs [GetObjectAcl on Object]
            } => reads get_object_acl;
            PutObjectAcl {
                PUT Object named [Query("acl")] takes ["versionId"] needs [PutObjectAcl on Object]
            } => object put_object_acl;
            GetObjectAnnotation {
                GET Object named [Query("annotation"), Query("annotationName")] takes ["versionId"]
                needs [GetObjectAnnotation on Object]
            } => refused;
            ListObjectAnnotations {
                GET Object named [Query("annotation")]
                takes ["annotation-prefix", "continuation-token", "max-annotation-results", "versionId"]
                needs [ListObjectAnnotations on Object]
            } => refused;
            PutObjectAnnotation {
                PUT Object named [Query("annotation")] takes ["annotationName", "versionId"]
                needs [PutObjectAnnotation on Object]
            } => refused;
            DeleteObjectAnnotation {
                DELETE Object named [Query("annotation")] takes ["annotationName", "versionId"]
                needs [DeleteObjectAnnotation on Object]
            } => refused;
            GetObjectAttributes {
                GET Object named [Query("attributes")] takes ["versionId"]
                needs [GetObject on Object, GetObjectAttributes on Object]
            } => reads get_object_attributes;
            UpdateObjectEncryption {
                PUT Object named [Query("encryption")] takes ["versionId"] needs [UpdateObjectEncryption on Object]
            } => refused;
            GetObjectLegalHold {
                GET Object named [Query("legal-hold")] takes ["versionId"] needs [GetObjectLegalHold on Object]
            } => refused;
            PutObjectLegalHold {
                PUT Object named [Query("legal-hold")] takes ["versionId"] needs [PutObjectLegalHold on Object]
            } => refused;
            RestoreObject {
                POST Object named [Query("restore")] takes ["versionId"] needs [RestoreObject on Object]
            } => refused;
            GetObjectRetention {
                GET Object named [Query("retention")] takes ["versionId"] needs [GetObjectRetention on Object]
            } => refused;
            PutObjectRetention {
                PUT Object named [Query("retention")] takes ["versionId"] needs [PutObjectRetention on Object]
            } => refused;
            GetObjectTagging {
                GET Object named [Query("tagging")] takes ["versionId"] needs [GetObjectTagging on Object]
            } => reads get_object_tagging;
            PutObjectTagging {
                PUT Object named [Query("tagging")] takes ["versionId"] needs [PutObjectTagging on Tagged]
            } => object put_object_tagging;
            DeleteObjectTagging {
                DELETE Object named [Query("tagging")] takes ["versionId"] needs [DeleteObjectTagging on Object]
            } => object delete_object_tagging;
            GetObjectTorrent {
                GET Object named [Query("torrent")] needs [GetObjectTorrent on Object]
            } => refused;

            // Uploads in parts.
            CreateMultipartUpload {
                POST Object named [Query("uploads")] needs [PutObject on Object]
                also [
                    PutObjectAcl with "x-amz-acl", PutObjectAcl with "x-amz-grant-", PutObjectTagging with "x-amz-tagging",
                    PutObjectRetention with "x-amz-object-lock-mode",
                    PutObjectRetention with "x-amz-object-lock-retain-until-date",
                    PutObjectLegalHold with "x-amz-object-lock-legal-hold"
                ]
            } => object create_multipart_upload;
            UploadPartCopy {
                PUT Object named [Either("uploadId", "partNumber"), Header("x-amz-copy-source")]
                needs [PutObject on Object, GetObject on Source]
            } => object upload_part_copy;
            UploadPart {
                PUT Object named [Either("uploadId", "partNumber")] needs [PutObject on Object]
            } => object upload_part;
            ListParts {
                GET Object named [Query("uploadId")] takes ["max-parts", "part-number-marker"]
                needs [ListMultipartUploadParts on Object]
            } => object list_parts;
            CompleteMultipartUpload {
                POST Object named [Query("uploadId")] needs [PutObject on Object] conditions OnComplete
            } => object complete_multipart_upload;
            AbortMultipartUpload {
                DELETE Object named [Query("uploadId")] needs [AbortMultipartUpload on Object]
            } => object abort_multipart_upload;

            // Objects.
            SelectObjectContent {
                POST Object named [Query("select"), Value("select-type", "2")] needs [GetObject on Object]
            } => refused;
            GetObject {
                GET Object takes [
                    "partNumber", "response-cache-control", "response-content-disposition", "response-content-encoding",
                    "response-content-language", "response-content-type", "response-expires", "versionId"
                ]
                needs [GetObject on Object]
            } => reads get_object;
            HeadObject {
                HEAD Object takes [
                    "partNumber", "response-cache-control", "response-content-disposition", "response-content-encoding",
                    "response-content-language", "response-content-type", "response-expires", "versionId"
                ]
                needs [GetObject on Object]
            } => reads head_object;
            // Within a directory bucket, where only sessions are asked for.
            RenameObject {
                PUT Object named [Query("renameObject")] needs [CreateSession on Object]
            } => refused;
            CopyObject {
                PUT Object named [Header("x-amz-copy-source")] needs [PutObject on Object, GetObject on Source]
                also [
                    PutObjectAcl with "x-amz-acl", PutObjectAcl with "x-amz-grant-", PutObjectTagging with "x-amz-tagging",
                    PutObjectRetention with "x-amz-object-lock-mode",
                    PutObjectRetention with "x-amz-object-lock-retain-until-date",
                    PutObjectLegalHold with "x-amz-object-lock-legal-hold"
                ]
                conditions OnWrite
            } => object copy_object;
            PutObject {
                PUT Object needs [PutObject on Object]
                also [
                    PutObjectAcl with "x-amz-acl", PutObjectAcl with "x-amz-grant-", PutObjectTagging with "x-amz-tagging",
                    PutObjectRetention with "x-amz-object-lock-mode",
                    PutObjectRetention with "x-amz-object-lock-retain-until-date",
                    PutObjectLegalHold with "x-amz-object-lock-legal-hold"
                ]
                conditions OnWrite
            } => object put_object;
            DeleteObject {
                DELETE Object takes ["versionId"] needs [DeleteObject on Object] conditions OnDelete
            } => object delete_object;
        }
    };
}

pub(super) use each_operation;
