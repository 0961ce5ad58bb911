//! Links to one object, which work without credentials until they expire.

use crate::{
    drivers::s3::presign,
    ends::{Failure, Place},
    model::Endpoint,
};
use std::time::Duration;

/// S3 accepts no signature for longer.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

#[derive(Debug, Clone)]
pub struct Link {
    /// The link writes the object instead of reading it.
    pub writes: bool,
    pub expires: Duration,
    /// The address at which clients reach the storage, where it is another one.
    pub endpoint: Option<Endpoint>,
}

pub async fn link(place: &Place, wanted: &Link) -> Result<String, Failure> {
    let key = place.key()?;
    if wanted.expires > LONGEST || wanted.expires.is_zero() {
        return Err(Failure::senseless("a link lasts for seven days at most: --expires 7d"));
    }
    let method = if wanted.writes { http::Method::PUT } else { http::Method::GET };
    let link = presign(&*place.store, &key, method, wanted.expires, wanted.endpoint.as_ref()).await;
    let link =
        link.map_err(|error| Failure::of_store(format_args!("making a link to '{}'", place.label), &error))?;
    link.ok_or_else(|| {
        Failure::senseless(format!(
            "'{}' has no links: only storage that speaks S3 makes them, and a bucket of the configuration while its \
             server runs",
            place.label
        ))
    })
}
