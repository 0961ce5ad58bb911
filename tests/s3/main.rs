//! One module per operation, against the real server. Requests are sent by the AWS SDK, and raw where the SDK
//! cannot send them.

#[path = "../support/mod.rs"]
mod support;

mod abort_multipart_upload;
mod account_public_access_block;
mod bucket_configurations;
mod checksums;
mod complete_multipart_upload;
mod copy_object;
mod create_bucket;
mod create_multipart_upload;
mod cross_origin;
mod delete_bucket;
mod delete_object;
mod delete_object_tagging;
mod delete_objects;
mod errors;
mod expected_owner;
mod get_bucket_acl;
mod get_bucket_location;
mod get_bucket_policy_status;
mod get_bucket_versioning;
mod get_object;
mod get_object_acl;
mod get_object_attributes;
mod get_object_tagging;
mod head_bucket;
mod head_object;
mod list_buckets;
mod list_multipart_uploads;
mod list_object_versions;
mod list_objects;
mod list_objects_v2;
mod list_parts;
mod operations;
mod post_object;
mod put_bucket_abac;
mod put_bucket_accelerate_configuration;
mod put_bucket_acl;
mod put_bucket_cors;
mod put_bucket_ownership_controls;
mod put_bucket_policy;
mod put_bucket_request_payment;
mod put_bucket_tagging;
mod put_bucket_website;
mod put_object;
mod put_object_acl;
mod put_object_tagging;
mod put_public_access_block;
mod signatures;
mod tag_resource;
mod upload_part;
mod upload_part_copy;
mod uploads;
mod website;
