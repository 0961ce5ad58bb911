//! The fields of a record by the names under which they are stored: the one list.
//!
//! Invariants: names are a stored format, so they never change and fields are only ever added; a field that
//! says nothing is left out, so that a record without it has the bytes that it had before there was one.

use super::{object::ObjectRecord, parts::Parts};
use crate::model::{Acl, Attributes, ETag, TagSet, Timestamp};
use serde::{de::MapAccess, ser::SerializeMap};
use std::collections::BTreeMap;

/// A value that may say nothing.
trait Kept {
    fn says_nothing(&self) -> bool {
        false
    }
}

impl Kept for u64 {}
impl Kept for Timestamp {}
impl Kept for ETag {}

impl<T> Kept for Option<T> {
    fn says_nothing(&self) -> bool {
        self.is_none()
    }
}

impl Kept for BTreeMap<String, String> {
    fn says_nothing(&self) -> bool {
        self.is_empty()
    }
}

impl Kept for TagSet {
    fn says_nothing(&self) -> bool {
        self.is_empty()
    }
}

impl Kept for Acl {
    fn says_nothing(&self) -> bool {
        self.is_private()
    }
}

impl Kept for Parts {
    fn says_nothing(&self) -> bool {
        self.is_empty()
    }
}

macro_rules! fields {
    ($($field:ident $name:ident: $($path:ident).+;)*) => {
        /// A field of a record. See `ObjectRecord` and `Attributes` for what each means.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Field {
            $($field),*
        }

        impl Field {
            /// In the order in which records are written.
            pub const ALL: &'static [Self] = &[$(Self::$field),*];

            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$field => stringify!($name)),*
                }
            }
        }

        impl ObjectRecord {
            /// Adds the field to what is written, unless it says nothing.
            pub(super) fn write<M: SerializeMap>(&self, field: Field, map: &mut M) -> Result<(), M::Error> {
                match field {
                    $(Field::$field if self.$($path).+.says_nothing() => Ok(()),
                    Field::$field => map.serialize_entry(stringify!($name), &self.$($path).+),)*
                }
            }

            /// Takes the field's value from what is read.
            pub(super) fn read<'de, M: MapAccess<'de>>(
                &mut self,
                field: Field,
                map: &mut M,
            ) -> Result<(), M::Error> {
                match field {
                    $(Field::$field => self.$($path).+ = map.next_value()?),*
                }
                Ok(())
            }

            /// The field as a text, for storages that keep each field in an entry of its own. `None`: it
            /// says nothing.
            pub fn text(&self, field: Field) -> Option<String> {
                match field {
                    $(Field::$field if self.$($path).+.says_nothing() => None,
                    Field::$field => serde_json::to_string(&self.$($path).+).ok(),)*
                }
            }

            /// Takes over what `text` returned. Returns whether it was understood.
            pub fn set_text(&mut self, field: Field, text: &str) -> bool {
                match field {
                    $(Field::$field => match serde_json::from_str(text) {
                        Ok(value) => self.$($path).+ = value,
                        Err(_) => return false,
                    }),*
                }
                true
            }
        }
    };
}

fields! {
    Size size: size;
    Modified modified: modified;
    ETag etag: etag;
    ContentType content_type: attributes.content_type;
    CacheControl cache_control: attributes.cache_control;
    ContentDisposition content_disposition: attributes.content_disposition;
    ContentEncoding content_encoding: attributes.content_encoding;
    ContentLanguage content_language: attributes.content_language;
    Expires expires: attributes.expires;
    WebsiteRedirect website_redirect: attributes.website_redirect;
    User user: attributes.user;
    Tags tags: attributes.tags;
    Acl acl: attributes.acl;
    Owner owner: attributes.owner;
    StorageClass storage_class: attributes.storage_class;
    Encryption encryption: attributes.encryption;
    Checksum checksum: checksum;
    Parts parts: parts;
    Upload upload: upload;
    Version version: version;
    Lock lock: lock;
    Sealed sealed: sealed;
    Restore restore: restore;
}

impl Field {
    /// Returns whether a record has no meaning without it.
    pub fn is_required(self) -> bool {
        matches!(self, Self::Size | Self::Modified | Self::ETag)
    }
}

// A field that is added to one of these types wants a row above: without it, this does not compile.
const _: fn(ObjectRecord) = |record| {
    let ObjectRecord {
        size: _,
        modified: _,
        etag: _,
        attributes:
            Attributes {
                content_type: _,
                cache_control: _,
                content_disposition: _,
                content_encoding: _,
                content_language: _,
                expires: _,
                website_redirect: _,
                user: _,
                tags: _,
                acl: _,
                owner: _,
                storage_class: _,
                encryption: _,
            },
        checksum: _,
        parts: _,
        upload: _,
        version: _,
        lock: _,
        sealed: _,
        restore: _,
    } = record;
};
