//! One module per operation, against the real server: the AWS SDK for what it sends, raw requests for what it cannot.

#[path = "../support/mod.rs"]
mod support;

mod copy_object;
mod delete_object;
mod delete_object_tagging;
mod delete_objects;
mod get_object;
mod get_object_acl;
mod get_object_attributes;
mod get_object_tagging;
mod head_object;
mod put_object;
mod put_object_acl;
mod put_object_tagging;
