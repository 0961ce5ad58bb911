//! Tests of the fakes and proxies that other tests use. A wrong fake makes every test that uses it worthless.

#[path = "../support/mod.rs"]
mod support;
use support::{gcs, proxy, upstream};

mod gcs_buckets;
mod gcs_objects;
mod gcs_uploads;
mod proxies;
mod upstreams;
