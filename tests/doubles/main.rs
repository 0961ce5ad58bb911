//! The stand-ins that other tests lean on, held to their word: a fake that is wrong makes every test before
//! it worthless.

#[path = "../support/mod.rs"]
mod support;
use support::{gcs, proxy, upstream};

mod gcs_buckets;
mod gcs_objects;
mod gcs_uploads;
mod proxies;
mod upstreams;
