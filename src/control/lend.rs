//! Lends commands what they need to reach the buckets of a running server: the address of S3 on this machine,
//! and temporary credentials of the administrator.
//!
//! Commands of an operator go through the server like any other client, so that locks, caches and indexes are
//! those of one process. Who may ask is who may open the socket, and so the data directory: such a person can
//! read what is lent there anyway.

use super::{Done, Hidden};
use crate::{
    access::AddedIdentities,
    buckets::Buckets,
    catalog::BucketsQuery,
    model::{BucketName, Chain, Timestamp},
};
use serde::{Deserialize, Serialize};
use std::{fmt, net::SocketAddr};

/// How long the credentials last.
const SECONDS: u32 = 12 * 3600;
const PAGE: usize = 512;

/// What is to be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Lend {
    Bucket {
        bucket: String,
    },
    /// The bucket whose objects are at this path of a backend.
    Backend {
        backend: String,
        path: String,
    },
}

/// A bucket, and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lent {
    pub bucket: String,
    /// What is left of the path: a key or a prefix in the bucket.
    pub path: String,
    pub address: SocketAddr,
    pub region: String,
    pub access_key: String,
    pub secret_key: Hidden,
    pub session_token: Hidden,
}

/// Where a running server serves S3 to this machine, without TLS.
pub struct Entrance {
    pub region: String,
    /// Opens it, if it is not open yet.
    pub open: Box<dyn Fn() -> std::io::Result<SocketAddr> + Send + Sync>,
}

impl fmt::Debug for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entrance")
    }
}

pub(super) async fn lend(
    buckets: &Buckets,
    identities: &AddedIdentities,
    entrance: Option<&Entrance>,
    wanted: Lend,
) -> Result<Done, String> {
    let entrance = entrance.ok_or("only a running server lends its buckets")?;
    let found = find(buckets, &wanted).await?;
    let Some((bucket, path)) = found else { return Ok(Done::Lent(None)) };
    let in_force = identities.in_force();
    let administrator = in_force
        .administrator()
        .ok_or("the server has no administrator, in whose name a command could act")?;
    let directory = in_force.directory().ok_or("the server is still starting")?;
    let session = directory
        .begin_session(&administrator, Timestamp::now(), SECONDS)
        .map_err(|error| format!("temporary credentials: {}", Chain(&error)))?;
    let address =
        (entrance.open)().map_err(|error| format!("an address for commands of this machine: {error}"))?;
    Ok(Done::Lent(Some(Lent {
        bucket: bucket.as_str().to_owned(),
        path,
        address,
        region: entrance.region.clone(),
        access_key: session.access_key,
        secret_key: Hidden(session.secret.expose().to_owned()),
        session_token: Hidden(session.token.expose().to_owned()),
    })))
}

/// Returns the bucket that is wanted, and the path in it.
pub async fn find(buckets: &Buckets, wanted: &Lend) -> Result<Option<(BucketName, String)>, String> {
    match wanted {
        Lend::Bucket { bucket } => {
            let Ok(name) = BucketName::parse(bucket) else { return Ok(None) };
            let known = buckets.catalog().bucket(&name).await.map_err(|error| Chain(&error).to_string())?;
            Ok(known.map(|_| (name, String::new())))
        }
        Lend::Backend { backend, path } => of_backend(buckets, backend, path).await,
    }
}

/// Where buckets lie one below another, the innermost one holds the path.
async fn of_backend(
    buckets: &Buckets,
    backend: &str,
    path: &str,
) -> Result<Option<(BucketName, String)>, String> {
    let mut best: Option<(usize, BucketName, String)> = None;
    let mut after: Option<BucketName> = None;
    loop {
        let query = BucketsQuery {
            after: after.as_ref().map(ToString::to_string),
            limit: PAGE,
            ..Default::default()
        };
        let page = buckets.list(query).await.map_err(|error| Chain(&error).to_string())?;
        after = page.buckets.last().map(|record| record.bucket.name.clone());
        for record in page.buckets {
            let location = record.bucket.location.trim_end_matches('/');
            if record.bucket.backend != backend {
                continue;
            }
            let Some(rest) = below(location, path) else { continue };
            if best.as_ref().is_none_or(|(length, ..)| *length < location.len()) {
                best = Some((location.len(), record.bucket.name.clone(), rest.to_owned()));
            }
        }
        if !page.truncated || after.is_none() {
            return Ok(best.map(|(_, name, rest)| (name, rest)));
        }
    }
}

/// Returns what follows a location in a path, if the path is in it.
fn below<'p>(location: &str, path: &'p str) -> Option<&'p str> {
    if location.is_empty() {
        return Some(path);
    }
    let rest = path.strip_prefix(location)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

#[cfg(test)]
mod tests {
    use super::below;

    #[test]
    fn a_path_is_below_a_location_by_whole_components() {
        for (location, path, rest) in [
            ("", "photos/a", Some("photos/a")),
            ("photos", "photos/a", Some("a")),
            ("photos", "photos", Some("")),
            ("photos", "photos/", Some("")),
            ("photos", "photos-old/a", None),
            ("photos/2024", "photos", None),
        ] {
            assert_eq!(below(location, path), rest, "{location:?} {path:?}");
        }
    }
}
