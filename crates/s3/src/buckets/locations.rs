//! Which location belongs to which bucket: no two share one, and none is inside another's, through whatever
//! backends.
//!
//! Code that assigns a location asks here what must be free of other buckets (`around`); the catalog refuses
//! conflicts in the same transaction that creates the bucket. `clash` checks all buckets at once, at start,
//! because settings may have changed since.

use crate::{
    backend::Backend,
    catalog::{BackendLocation, BucketId, BucketRecord, BucketsQuery, Catalog, CatalogError, NewBucket},
    model::{BucketName, Location},
    store::error::StoreError,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// Where each backend keeps its buckets, by its name. A backend that is not listed shares its storage with no
/// other.
#[derive(Debug, Clone, Default)]
pub struct Homes(BTreeMap<String, Location>);

/// Two buckets that share a location, or two replicas of one bucket.
#[derive(Debug, thiserror::Error)]
#[error("bucket '{}' ('{}' on backend '{}') and bucket '{}' ('{}' on backend '{}') share a location", .0.0, .0.1.location, .0.1.backend, .1.0, .1.1.location, .1.1.backend)]
pub struct Clash(pub (BucketName, BackendLocation), pub (BucketName, BackendLocation));

impl Homes {
    pub fn new(homes: BTreeMap<String, Location>) -> Self {
        Self(homes)
    }

    /// The locations, on any backend, that must be free of other buckets for a bucket at these locations.
    pub(super) fn around(&self, parts: &[BackendLocation]) -> Vec<BackendLocation> {
        let mut around: BTreeSet<BackendLocation> = parts.iter().cloned().collect();
        for location in parts.iter().filter_map(|part| self.location(part)) {
            for (backend, home) in &self.0 {
                let location = match (home.way_to(&location), location.way_to(home)) {
                    (Some(location), _) => location.to_owned(),
                    // All of that backend is inside.
                    (None, Some(_)) => String::new(),
                    (None, None) => continue,
                };
                around.insert(BackendLocation { backend: backend.clone(), location });
            }
        }
        around.into_iter().collect()
    }

    /// Whether a location contains all of another backend: no client may have that.
    pub(super) fn is_around_another(&self, parts: &[BackendLocation]) -> bool {
        let holds = |part: &BackendLocation| {
            let (Some(location), Some(own)) = (self.location(part), self.0.get(&part.backend)) else {
                return false;
            };
            self.0.values().any(|home| home != own && location.way_to(home).is_some())
        };
        parts.iter().any(holds)
    }

    fn location(&self, part: &BackendLocation) -> Option<Location> {
        Some(self.0.get(&part.backend)?.below(&part.location))
    }

    /// Two of these that share a location.
    pub fn clash(&self, all: impl IntoIterator<Item = (BucketName, BackendLocation)>) -> Option<Clash> {
        let alone =
            |part: &BackendLocation| Location::new(format!("backend {}", part.backend), &part.location);
        let located = |(name, part): (BucketName, BackendLocation)| {
            (self.location(&part).unwrap_or_else(|| alone(&part)), name, part)
        };
        let mut all: Vec<_> = all.into_iter().map(located).collect();
        all.sort();
        // Locations inside another one follow it in the order. Names with characters before '/' may come in
        // between.
        let mut outer: Vec<(Location, BucketName, BackendLocation)> = Vec::new();
        for (location, name, part) in all {
            outer.retain(|(around, ..)| around.may_hold_what_follows(&location));
            if let Some((_, first, its)) =
                outer.iter().find(|(around, ..)| around.way_to(&location).is_some())
            {
                return Some(Clash((first.clone(), its.clone()), (name, part)));
            }
            outer.push((location, name, part));
        }
        None
    }
}

/// All locations of all buckets in a catalog.
pub async fn all_locations(
    catalog: &dyn Catalog,
    backends: &HashMap<String, Arc<dyn Backend>>,
) -> Result<Vec<(BucketName, BackendLocation)>, CatalogError> {
    // Two reads, however many buckets there are: a read for each of them would make a start slow.
    let records = catalog.buckets(BucketsQuery { limit: usize::MAX, ..Default::default() }).await?.buckets;
    let mut replicas: HashMap<BucketId, Vec<BackendLocation>> = HashMap::new();
    for (bucket, replica) in catalog.all_replicas().await? {
        let location = BackendLocation { backend: replica.backend, location: replica.location };
        replicas.entry(bucket).or_default().push(location);
    }
    let mut all = Vec::new();
    for record in records {
        let parts = parts_of(backends, &record, replicas.remove(&record.id).unwrap_or_default());
        all.extend(parts.into_iter().map(|part| (record.bucket.name.clone(), part)));
    }
    Ok(all)
}

/// All locations of a bucket: its own, or those of its replicas, including those that it is about to have.
fn parts_of(
    backends: &HashMap<String, Arc<dyn Backend>>,
    record: &BucketRecord,
    replicas: Vec<BackendLocation>,
) -> Vec<BackendLocation> {
    let planned = match backends.get(&record.bucket.backend) {
        Some(backend) => parts(&**backend, &record.bucket).unwrap_or_default(),
        None => vec![own(&record.bucket)],
    };
    let mut parts = replicas;
    for new in planned {
        if !parts.iter().any(|known| known.backend == new.backend) {
            parts.push(new);
        }
    }
    parts
}

/// All locations of a bucket that is to be created.
pub(super) fn parts(backend: &dyn Backend, bucket: &NewBucket) -> Result<Vec<BackendLocation>, StoreError> {
    let parts = backend.parts(bucket)?;
    Ok(if parts.is_empty() { vec![own(bucket)] } else { parts })
}

fn own(bucket: &NewBucket) -> BackendLocation {
    BackendLocation { backend: bucket.backend.clone(), location: bucket.location.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(backend: &str, location: &str) -> BackendLocation {
        BackendLocation { backend: backend.into(), location: location.into() }
    }

    /// Two roots of one disk, one inside the other, the same storage behind two names, and a separate one.
    fn homes() -> Homes {
        let homes = [
            ("outer", "disk", "srv"),
            ("inner", "disk", "srv/deep/inner"),
            ("lake", "s3", ""),
            ("alias", "s3", ""),
        ];
        Homes::new(homes.map(|(name, storage, path)| (name.to_owned(), Location::new(storage, path))).into())
    }

    #[test]
    fn what_must_be_free_is_told_on_every_backend_that_reaches_it() {
        let around = |backend, location| homes().around(&[at(backend, location)]);
        assert_eq!(around("lake", "a"), [at("alias", "a"), at("lake", "a")]);
        assert_eq!(around("outer", "photos"), [at("outer", "photos")]);
        assert_eq!(around("outer", "deep"), [at("inner", ""), at("outer", "deep")]);
        assert_eq!(around("outer", "deep/inner/x"), [at("inner", "x"), at("outer", "deep/inner/x")]);
        assert_eq!(around("inner", "x"), [at("inner", "x"), at("outer", "deep/inner/x")]);
        assert_eq!(around("memory", "x"), [at("memory", "x")]);
        assert!(
            homes().is_around_another(&[at("outer", "deep")])
                && !homes().is_around_another(&[at("outer", "photos")])
        );
        assert!(!homes().is_around_another(&[at("lake", "")]), "the same home is no other one");
    }

    #[test]
    fn two_that_share_a_place_are_found_whatever_lies_between_them() {
        let clash = |all: &[(&str, &str, &str)]| {
            let name = |name: &str| BucketName::parse(name).expect("a name");
            let clash =
                homes().clash(all.iter().map(|(of, backend, location)| (name(of), at(backend, location))));
            clash.map(|Clash((first, _), (second, _))| format!("{first} {second}"))
        };
        assert_eq!(
            clash(&[
                ("one", "lake", "a"),
                ("two", "alias", "b"),
                ("three", "outer", "a"),
                ("four", "memory", "a")
            ]),
            None
        );
        assert_eq!(
            clash(&[("one", "lake", "a"), ("two", "lake", "a-b"), ("three", "alias", "a/c")]).as_deref(),
            Some("one three")
        );
        assert_eq!(clash(&[("one", "inner", "x"), ("two", "outer", "deep")]).as_deref(), Some("two one"));
        assert_eq!(clash(&[("one", "memory", "x"), ("two", "memory", "x/y")]).as_deref(), Some("one two"));
        assert_eq!(
            clash(&[("one", "lake", "x"), ("one", "alias", "x")]).as_deref(),
            Some("one one"),
            "replicas of one bucket"
        );
    }
}
