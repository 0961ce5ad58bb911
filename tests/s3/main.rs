//! One module per operation, against the real server: the AWS SDK for what it sends, raw requests for what it cannot.

#[path = "../support/mod.rs"]
mod support;

mod put_object;
