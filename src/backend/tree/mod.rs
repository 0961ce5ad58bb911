//! S3 for storage that has none: files in folders, with what S3 adds to them in the catalog.

pub mod files;
