//! The stand-ins that other tests lean on, held to their word: a fake that is wrong makes every test before it worthless.

#[path = "../support/gcs/mod.rs"]
mod gcs;
#[path = "../support/proxy/mod.rs"]
mod proxy;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/upstream.rs"]
mod upstream;

mod gcs_buckets;
mod gcs_objects;
mod gcs_uploads;
mod proxies;
mod upstreams;
