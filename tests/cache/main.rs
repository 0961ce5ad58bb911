//! Caches above backends: what the store contract cannot see. What a storage is asked and how often, what
//! happens when answers and writes overtake each other, and how long what was answered counts.

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
