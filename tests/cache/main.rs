//! Caches above backends, beyond the store contract: how often the storage is asked for what, what happens
//! when answers and writes overtake each other, and how long an answer is fresh.

mod blocks;
#[path = "../contract/client.rs"]
#[allow(dead_code)]
mod client;
mod freshness;
mod herds;
mod on_disk;
mod races;
mod served;
mod stale;
#[path = "../support/mod.rs"]
mod support;
mod watched;
