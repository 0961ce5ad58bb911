//! The stored buckets, objects, uploads and parts. Every change happens under one lock, so it is atomic.

use super::{
    content::Content,
    wire::{METADATA_TOO_LARGE, Refusal},
};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

#[derive(Debug, Default)]
pub struct State {
    pub buckets: BTreeMap<String, Bucket>,
    last_generation: u64,
    last_upload: u64,
}

#[derive(Debug)]
pub struct Bucket {
    pub created: SystemTime,
    pub location: String,
    pub objects: BTreeMap<String, Object>,
    pub uploads: BTreeMap<String, Upload>,
}

#[derive(Debug, Clone)]
pub struct Object {
    pub content: Content,
    pub generation: u64,
    pub modified: SystemTime,
    /// Multipart objects have no MD5, and their copies have none either.
    pub has_md5: bool,
    /// The ETag in quotes.
    pub etag: String,
    pub metadata: Metadata,
}

#[derive(Debug, Clone)]
pub struct Upload {
    pub key: String,
    pub started: SystemTime,
    pub metadata: Metadata,
    pub parts: BTreeMap<u32, Part>,
}

#[derive(Debug, Clone)]
pub struct Part {
    pub content: Content,
    pub modified: SystemTime,
}

impl Part {
    pub fn etag(&self) -> String {
        format!("\"{}\"", hex::encode(self.content.md5))
    }
}

/// Headers that are returned as they were given. Names of custom metadata are without `x-goog-meta-`.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    pub fixed: Vec<(HeaderName, HeaderValue)>,
    pub custom: Vec<(String, HeaderValue)>,
}

/// The standard headers that an object keeps. `Expires` is not among them.
const KEPT: [&str; 5] =
    ["content-type", "cache-control", "content-disposition", "content-encoding", "content-language"];

/// Maximum size of the names and values of custom metadata together.
const MAX_CUSTOM_BYTES: usize = 8 << 10;

impl Metadata {
    /// `prefix` is the prefix of custom metadata in the dialect of the request.
    pub fn of(headers: &HeaderMap, prefix: &str) -> Result<Self, Refusal> {
        let fixed =
            KEPT.iter().filter_map(|name| Some((HeaderName::from_static(name), headers.get(*name)?.clone())));
        let custom = headers.iter().filter_map(|(name, value)| {
            Some((name.as_str().strip_prefix(prefix)?.to_owned(), value.clone()))
        });
        let all = Self { fixed: fixed.collect(), custom: custom.collect() };
        let size: usize =
            all.custom.iter().map(|(name, value): &(String, HeaderValue)| name.len() + value.len()).sum();
        if size > MAX_CUSTOM_BYTES { Err(METADATA_TOO_LARGE) } else { Ok(all) }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.fixed.iter().find(|(known, _)| known == name)?.1.to_str().ok()
    }
}

impl State {
    /// Microseconds since 1970, in the form of the service's generations, and never the same number twice.
    pub fn next_generation(&mut self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros() as u64;
        self.last_generation = now.max(self.last_generation + 1);
        self.last_generation
    }

    pub fn next_upload(&mut self) -> String {
        self.last_upload += 1;
        format!("ABPnzm{:016x}-{}", self.last_upload.wrapping_mul(0x9e37_79b9_7f4a_7c15), self.last_upload)
    }

    /// An object whose ETag is its MD5.
    pub fn plain(&mut self, content: Content, metadata: Metadata) -> Object {
        let etag = format!("\"{}\"", hex::encode(content.md5));
        Object {
            content,
            generation: self.next_generation(),
            modified: SystemTime::now(),
            has_md5: true,
            etag,
            metadata,
        }
    }

    /// An object without an MD5, whose ETag only identifies it. The ETag is not S3's MD5 of MD5s: the service
    /// promises no formula, so no driver may rely on one.
    pub fn composite(&mut self, content: Content, parts: usize, metadata: Metadata) -> Object {
        let generation = self.next_generation();
        let mut opaque = content.md5;
        for (byte, salt) in opaque.iter_mut().zip(generation.to_be_bytes()) {
            *byte ^= salt;
        }
        let etag = format!("\"{}-{parts}\"", hex::encode(opaque));
        Object { content, generation, modified: SystemTime::now(), has_md5: false, etag, metadata }
    }
}
