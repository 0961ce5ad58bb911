//! The headers that S3 keeps with an object, and where a blob stores them.

use crate::model::Attributes;

/// One header that S3 keeps with an object.
pub(super) struct Field {
    /// The name in the record.
    pub(super) name: &'static str,
    /// The names in replies and in the requests that set it, if a blob has this header.
    pub(super) blob: Option<(&'static str, &'static str)>,
    pub(super) of: fn(&Attributes) -> &Option<String>,
    pub(super) of_mut: fn(&mut Attributes) -> &mut Option<String>,
}

macro_rules! field {
    ($field:ident, $blob:expr) => {
        Field {
            name: stringify!($field),
            blob: $blob,
            of: |attributes| &attributes.$field,
            of_mut: |attributes| &mut attributes.$field,
        }
    };
}

pub(super) const FIELDS: &[Field] = &[
    field!(content_type, Some(("content-type", "x-ms-blob-content-type"))),
    field!(cache_control, Some(("cache-control", "x-ms-blob-cache-control"))),
    field!(content_disposition, Some(("content-disposition", "x-ms-blob-content-disposition"))),
    field!(content_encoding, Some(("content-encoding", "x-ms-blob-content-encoding"))),
    field!(content_language, Some(("content-language", "x-ms-blob-content-language"))),
    field!(expires, None),
    field!(website_redirect, None),
];
