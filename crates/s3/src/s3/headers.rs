//! Headers, both ways: what a request asks for as model values, and what a reply says about an object.
//!
//! Owns one policy: a header that asks for a guarantee is honoured or refused, never ignored (`demands`).

mod attributes;
mod checksum;
mod conditions;
mod copy_source;
mod demands;
mod integrity;
mod keeping;
mod notes;
mod object;
mod user_metadata;
mod version;

pub(super) use attributes::{attributes, canned_acl, tag_error, tags};
pub(super) use checksum::{
    CHECKSUM_TYPE, checksum_headers, checksum_mode, checksum_spec, part_checksum_header,
};
pub(super) use conditions::{
    broken_source_condition, delete_conditions, first_condition, read_conditions, source_conditions,
    write_conditions,
};
pub(super) use copy_source::copy_source;
pub(super) use demands::{admit, expected_owner, refuse_unsupported, version_of};
pub(super) use integrity::require_integrity;
pub(super) use keeping::{ENCRYPTION, STORAGE_CLASS, encryption_headers};
pub(super) use notes::{CACHE, notes};
pub(super) use object::{ReplyView, object_headers};
pub(super) use version::{deletion_headers, version_header};
