//! The state of a ledger, and what each change and read does. Owns no order and no time.

use super::shared::Shared;
use causeway::{
    catalog::{
        BackendLocation, BucketChange, BucketId, BucketRecord, BucketSize, BucketSizes, BucketsPage,
        BucketsQuery, CatalogError, CatalogErrorKind, CompletedUpload, DirectoryRow, Document, Documents,
        Expected, Generation, IndexChange, IndexRow, JOB, LeftLocation, NewBucket, NewDocument, NewReplica,
        ObjectRow, ObjectVersion, PartRecord, ReplicaChange, ReplicaRecord, Result, Revision, StoredObject,
        UploadRecord, VersionRow, WhichObjects,
    },
    model::{BucketName, ObjectKey, TenantId, Timestamp, UploadId},
    store::{
        ListEntry, ListPage, ListRequest, ListUploadsRequest, ListedObject, UploadEntry, UploadInfo,
        UploadsPage,
        grouping::{self, Grouped, Ordered, Query, Seek},
    },
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    ops::Bound,
};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) shared: Shared,
    last: i64,
    buckets: BTreeMap<BucketId, BucketRecord>,
    /// The replicas by id, each with the id of its bucket.
    replicas: BTreeMap<BucketId, (BucketId, ReplicaRecord)>,
    left: BTreeMap<(String, String), LeftLocation>,
    index: BTreeMap<(BucketId, ObjectKey), (Generation, IndexRow)>,
    /// The versions of one key, the newest first.
    versions: BTreeMap<(BucketId, ObjectKey, Reverse<u64>), (Generation, VersionRow)>,
    /// The version; `None` is the row that LIST shows.
    deletions: BTreeMap<(BucketId, ObjectKey, Option<u64>), Generation>,
    facts: BTreeMap<(BucketId, String), String>,
    directories: BTreeMap<(BucketId, String), Vec<u8>>,
    objects: BTreeMap<(BucketId, ObjectKey), StoredObject>,
    object_versions: BTreeMap<(BucketId, ObjectKey, Reverse<u64>), StoredObject>,
    uploads: BTreeMap<(BucketId, UploadId), Upload>,
    completed: BTreeMap<(BucketId, UploadId), CompletedUpload>,
}

#[derive(Debug)]
struct Upload {
    record: UploadRecord,
    parts: BTreeMap<u16, PartRecord>,
}

fn refused<T>(kind: CatalogErrorKind) -> Result<T> {
    Err(CatalogError::new(kind, format!("{kind:?}")))
}

pub(super) fn expect(expected: Expected, found: Revision) -> Result<()> {
    if expected.admits(found) { Ok(()) } else { refused(CatalogErrorKind::Conflict) }
}

impl State {
    fn next(&mut self) -> BucketId {
        self.last += 1;
        BucketId(self.last)
    }

    fn exists(&self, bucket: BucketId) -> bool {
        self.buckets.contains_key(&bucket) || self.replicas.contains_key(&bucket)
    }

    pub(super) fn create_bucket(
        &mut self,
        bucket: NewBucket,
        documents: Vec<NewDocument>,
        apart: &[BackendLocation],
    ) -> Result<BucketRecord> {
        if self.bucket(&bucket.tenant, &bucket.name).is_some() {
            return refused(CatalogErrorKind::Exists);
        }
        let replicas = self.replicas.values().map(|(_, replica)| (&replica.backend, &replica.location));
        let mut all = self
            .buckets
            .values()
            .map(|record| (&record.bucket.backend, &record.bucket.location))
            .chain(replicas);
        let inside = |a: &str, b: &str| {
            b.is_empty() || a == b || a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'))
        };
        let touches = |(backend, at): (&String, &String)| {
            apart.iter().any(|apart| {
                apart.backend == *backend && (inside(at, &apart.location) || inside(&apart.location, at))
            })
        };
        if all.any(touches) {
            return refused(CatalogErrorKind::Overlaps);
        }
        let revision = Revision(1);
        let mut all: Vec<_> = documents
            .into_iter()
            .map(|NewDocument { kind, body }| Document { kind, body, revision })
            .collect();
        all.sort_by(|a, b| a.kind.cmp(&b.kind));
        let documents = Documents { revision: if all.is_empty() { Revision::NONE } else { revision }, all };
        let record = BucketRecord { revision, documents, ..BucketRecord::new(self.next(), bucket) };
        self.buckets.insert(record.id, record.clone());
        Ok(record)
    }

    pub(super) fn bucket(&self, tenant: &TenantId, name: &BucketName) -> Option<BucketRecord> {
        self.buckets
            .values()
            .find(|record| record.bucket.tenant == *tenant && record.bucket.name == *name)
            .cloned()
    }

    pub(super) fn buckets(&self, query: &BucketsQuery) -> BucketsPage {
        let wanted = |record: &&BucketRecord| {
            let bucket = &record.bucket;
            bucket.tenant == query.tenant
                && (query.owner.as_ref().is_none_or(|owner| *owner == *bucket.owner.id)
                    || query.besides.contains(&bucket.name))
                && bucket.name.as_str().starts_with(&query.prefix)
                && query.after.as_deref().is_none_or(|after| bucket.name.as_str() > after)
        };
        let mut buckets: Vec<BucketRecord> = self.buckets.values().filter(wanted).cloned().collect();
        for record in &mut buckets {
            record.documents.all.retain(|document| query.documents.contains(&document.kind.as_str()));
        }
        buckets.sort_by(|a, b| a.bucket.name.as_str().cmp(b.bucket.name.as_str()));
        let truncated = query.limit > 0 && buckets.len() > query.limit;
        buckets.truncate(query.limit);
        BucketsPage { buckets, truncated }
    }

    pub(super) fn bucket_sizes(&self, limit: usize) -> BucketSizes {
        let size = |(id, record): (&BucketId, &BucketRecord)| {
            let keys = || {
                self.index
                    .range((*id, ObjectKey::new("\0").expect("a key"))..)
                    .take_while(|((of, _), _)| of == id)
            };
            let has_index = keys().next().is_some()
                || self.directories.keys().any(|(of, _)| of == id)
                || self.facts.keys().any(|(of, name)| of == id && !name.starts_with(JOB));
            let bytes = keys().map(|(_, (_, row))| row.size).fold(0u64, u64::saturating_add);
            has_index.then(|| BucketSize {
                name: record.bucket.name.clone(),
                objects: keys().count() as u64,
                bytes,
            })
        };
        let mut largest: Vec<_> = self.buckets.iter().filter_map(size).collect();
        largest.sort_by_key(|size| std::cmp::Reverse((size.bytes, size.objects)));
        let others = largest.len().saturating_sub(limit);
        largest.truncate(limit);
        BucketSizes { largest, others }
    }

    pub(super) fn update_bucket(
        &mut self,
        bucket: BucketId,
        expected: Expected,
        change: BucketChange,
    ) -> Result<Revision> {
        let Some(record) = self.buckets.get_mut(&bucket) else {
            return refused(CatalogErrorKind::NoSuchBucket);
        };
        expect(expected, record.revision)?;
        let BucketChange::Owner(owner) = change;
        record.bucket.owner = owner;
        record.revision.0 += 1;
        Ok(record.revision)
    }

    pub(super) fn documents(&self, bucket: BucketId) -> Option<Documents> {
        let record = self.buckets.get(&bucket).map(|record| record.documents.clone());
        record.or_else(|| self.replicas.contains_key(&bucket).then(Documents::default))
    }

    pub(super) fn document(&self, bucket: BucketId, kind: &str) -> Option<Document> {
        self.documents(bucket)?.all.into_iter().find(|document| document.kind == kind)
    }

    pub(super) fn set_document(
        &mut self,
        bucket: BucketId,
        expected: Expected,
        new: NewDocument,
    ) -> Result<Revision> {
        let known = self.document(bucket, &new.kind);
        let Some(record) = self.buckets.get_mut(&bucket) else {
            return refused(CatalogErrorKind::NoSuchBucket);
        };
        expect(expected, known.map_or(Revision::NONE, |known| known.revision))?;
        let Documents { revision, all } = &mut record.documents;
        revision.0 += 1;
        all.retain(|document| document.kind != new.kind);
        all.push(Document { kind: new.kind, body: new.body, revision: *revision });
        all.sort_by(|a, b| a.kind.cmp(&b.kind));
        Ok(*revision)
    }

    pub(super) fn delete_document(
        &mut self,
        bucket: BucketId,
        kind: &str,
        expected: Expected,
    ) -> Result<Option<Revision>> {
        let known = self.document(bucket, kind);
        if expected != Expected::Any && !self.exists(bucket) {
            return refused(CatalogErrorKind::NoSuchBucket);
        }
        expect(expected, known.as_ref().map_or(Revision::NONE, |known| known.revision))?;
        let (Some(record), Some(_)) = (self.buckets.get_mut(&bucket), known) else { return Ok(None) };
        record.documents.revision.0 += 1;
        record.documents.all.retain(|document| document.kind != kind);
        Ok(Some(record.documents.revision))
    }

    pub(super) fn delete_bucket(&mut self, bucket: BucketId) {
        let replicas = self.replicas.iter().filter(|(_, (of, _))| *of == bucket);
        let gone: BTreeSet<BucketId> = replicas.map(|(id, _)| *id).chain([bucket]).collect();
        self.buckets.retain(|id, _| !gone.contains(id));
        self.replicas.retain(|id, _| !gone.contains(id));
        self.index.retain(|(id, _), _| !gone.contains(id));
        self.versions.retain(|(id, ..), _| !gone.contains(id));
        self.deletions.retain(|(id, ..), _| !gone.contains(id));
        self.facts.retain(|(id, _), _| !gone.contains(id));
        self.directories.retain(|(id, _), _| !gone.contains(id));
        self.objects.retain(|(id, _), _| !gone.contains(id));
        self.object_versions.retain(|(id, ..), _| !gone.contains(id));
        self.uploads.retain(|(id, _), _| !gone.contains(id));
        self.completed.retain(|(id, _), _| !gone.contains(id));
    }

    pub(super) fn all_replicas(&self) -> Vec<(BucketId, ReplicaRecord)> {
        let mut buckets: Vec<BucketId> = self.replicas.values().map(|(of, _)| *of).collect();
        buckets.sort();
        buckets.dedup();
        let of_one = |bucket| self.replicas(bucket).into_iter().map(move |replica| (bucket, replica));
        buckets.into_iter().flat_map(of_one).collect()
    }

    pub(super) fn replicas(&self, bucket: BucketId) -> Vec<ReplicaRecord> {
        let mut replicas: Vec<_> = self
            .replicas
            .values()
            .filter(|(of, _)| *of == bucket)
            .map(|(_, replica)| replica.clone())
            .collect();
        replicas.sort_by_key(|replica| (replica.rank, replica.id));
        replicas
    }

    pub(super) fn add_replica(
        &mut self,
        bucket: BucketId,
        NewReplica { backend, location }: NewReplica,
    ) -> Result<ReplicaRecord> {
        if !self.buckets.contains_key(&bucket) {
            return refused(CatalogErrorKind::NoSuchBucket);
        }
        let known = self.replicas(bucket);
        if known.iter().any(|replica| replica.backend == backend) {
            return refused(CatalogErrorKind::Exists);
        }
        let (id, rank) = (self.next(), known.last().map_or(0, |last| last.rank + 1));
        let (seeded, refilled, unmade, revision) = (false, false, false, Revision(1));
        let replica = ReplicaRecord { id, backend, location, rank, seeded, refilled, unmade, revision };
        self.replicas.insert(id, (bucket, replica.clone()));
        Ok(replica)
    }

    pub(super) fn update_replica(
        &mut self,
        replica: BucketId,
        expected: Expected,
        change: ReplicaChange,
    ) -> Result<Revision> {
        let Some((of, known)) = self.replicas.get(&replica) else {
            return refused(CatalogErrorKind::NoSuchBucket);
        };
        expect(expected, known.revision)?;
        let first = self.replicas(*of).first().map_or(0, |first| first.rank);
        let Some((_, replica)) = self.replicas.get_mut(&replica) else {
            return refused(CatalogErrorKind::NoSuchBucket);
        };
        match change {
            ReplicaChange::Seeded => {
                (replica.seeded, replica.refilled, replica.unmade) = (true, false, false)
            }
            ReplicaChange::Refilled => {
                (replica.seeded, replica.refilled, replica.unmade) = (false, true, false)
            }
            ReplicaChange::Unmade => {
                (replica.seeded, replica.refilled, replica.unmade) = (false, false, true)
            }
            ReplicaChange::First => replica.rank = first - 1,
        }
        replica.revision.0 += 1;
        Ok(replica.revision)
    }

    pub(super) fn renew_replica(&mut self, replica: BucketId, expected: Expected) -> Result<ReplicaRecord> {
        let Some((of, old)) = self.replicas.get(&replica).cloned() else {
            return refused(CatalogErrorKind::NoSuchBucket);
        };
        expect(expected, old.revision)?;
        self.delete_bucket(replica);
        let (id, revision) = (self.next(), Revision(1));
        let fresh = ReplicaRecord { id, seeded: false, refilled: true, unmade: false, revision, ..old };
        self.replicas.insert(fresh.id, (of, fresh.clone()));
        Ok(fresh)
    }

    pub(super) fn replace_bucket(&mut self, bucket: BucketId, replica: BucketId) -> Result<()> {
        let (Some((of, row)), Some(mut record)) =
            (self.replicas.get(&replica).cloned(), self.buckets.get(&bucket).cloned())
        else {
            return refused(CatalogErrorKind::NoSuchBucket);
        };
        if of != bucket {
            return refused(CatalogErrorKind::NoSuchBucket);
        }
        // Not a replica any more: it outlives its bucket.
        self.replicas.remove(&replica);
        self.delete_bucket(bucket);
        (record.id, record.bucket.backend, record.bucket.location) = (replica, row.backend, row.location);
        record.revision.0 += 1;
        self.buckets.insert(replica, record);
        Ok(())
    }

    pub(super) fn left_locations(&self) -> Vec<LeftLocation> {
        self.left.values().cloned().collect()
    }

    pub(super) fn leave_location(&mut self, left: LeftLocation) {
        self.left.insert((left.backend.clone(), left.location.clone()), left);
    }

    pub(super) fn forget_location(&mut self, at: (String, String)) -> bool {
        self.left.remove(&at).is_some()
    }

    pub(super) fn index(&mut self, bucket: BucketId, generation: Generation, change: IndexChange) {
        // Changes of a deleted bucket are dropped.
        if !self.exists(bucket) {
            return;
        }
        let (key, order) = match &change {
            IndexChange::Put(row) => (row.key.clone(), None),
            IndexChange::Delete(key) => (key.clone(), None),
            IndexChange::PutVersion(version) => (version.row.key.clone(), Some(version.row.version.order)),
            IndexChange::DeleteVersion(key, order) => (key.clone(), Some(*order)),
        };
        let (at, deletion) = ((bucket, key.clone()), (bucket, key.clone(), order));
        let version = (bucket, key, Reverse(order.unwrap_or_default()));
        let known = match order {
            None => self.index.get(&at).map(|(known, _)| *known),
            Some(_) => self.versions.get(&version).map(|(known, _)| *known),
        };
        let is_numbered = generation > Generation::UNNUMBERED;
        let is_late = [known, self.deletions.get(&deletion).copied()]
            .into_iter()
            .flatten()
            .any(|known| known > generation);
        if is_numbered && is_late {
            return;
        }
        match change {
            IndexChange::Put(row) => drop(self.index.insert(at, (generation, row))),
            IndexChange::Delete(_) => drop(self.index.remove(&at)),
            IndexChange::PutVersion(row) => return drop(self.versions.insert(version, (generation, row))),
            IndexChange::DeleteVersion(..) => drop(self.versions.remove(&version)),
        }
        let is_deleted = order.is_some() || !self.index.contains_key(&(deletion.0, deletion.1.clone()));
        if is_numbered && is_deleted {
            self.deletions.insert(deletion, generation);
        }
    }

    pub(super) fn forget_deletions(&mut self, bucket: BucketId, up_to: Generation) {
        self.deletions.retain(|(of, ..), generation| *of != bucket || *generation > up_to);
    }

    fn rows(&self, bucket: BucketId) -> impl Iterator<Item = &IndexRow> {
        self.index.iter().filter(move |((of, _), _)| *of == bucket).map(|(_, (_, row))| row)
    }

    pub(super) fn index_versions(
        &self,
        bucket: BucketId,
        after: Option<&(ObjectKey, u64)>,
        limit: usize,
    ) -> Vec<VersionRow> {
        let is_behind = |key: &ObjectKey, order: Reverse<u64>| {
            after.is_none_or(|(at, of)| (key, order) > (at, Reverse(*of)))
        };
        let versions =
            self.versions.iter().filter(|((of, key, order), _)| *of == bucket && is_behind(key, *order));
        versions.map(|(_, (_, version))| version.clone()).take(limit).collect()
    }

    pub(super) fn list(&self, bucket: BucketId, request: &ListRequest) -> ListPage {
        let (prefix, delimiter, after) =
            (&*request.prefix, request.delimiter.as_deref(), request.after.as_deref());
        let rows: Vec<&IndexRow> = self.rows(bucket).collect();
        let mut cursor =
            Cursor { name: |row: &&IndexRow| row.key.as_str().to_owned(), items: rows, at: 0, resume: None };
        let Ok((entries, truncated)) =
            grouping::page(&mut cursor, Query { prefix, delimiter, after, limit: request.limit });
        let entry = |grouped: Grouped<Named<&IndexRow>>| match grouped {
            Grouped::CommonPrefix(prefix) => ListEntry::CommonPrefix(prefix),
            Grouped::Item(Named(_, IndexRow { key, size, etag, last_modified, checksum, owner, .. })) => {
                ListEntry::Object(ListedObject {
                    key: key.clone(),
                    size: *size,
                    etag: etag.clone(),
                    last_modified: *last_modified,
                    checksum: *checksum,
                    storage_class: None,
                    owner: owner.clone(),
                })
            }
        };
        ListPage { entries: entries.into_iter().map(entry).collect(), truncated, cache: None }
    }

    pub(super) fn index_rows(
        &self,
        bucket: BucketId,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Vec<IndexRow> {
        self.rows(bucket)
            .filter(|row| after.is_none_or(|after| row.key > *after))
            .take(limit)
            .cloned()
            .collect()
    }

    pub(super) fn index_lookup(&self, bucket: BucketId, keys: &[ObjectKey]) -> Vec<Option<IndexRow>> {
        keys.iter().map(|key| self.index.get(&(bucket, key.clone())).map(|(_, row)| row.clone())).collect()
    }

    pub(super) fn fact(&self, bucket: BucketId, name: &str) -> Option<String> {
        self.facts.get(&(bucket, name.to_owned())).cloned()
    }

    pub(super) fn set_fact(&mut self, bucket: BucketId, name: String, value: Option<String>) {
        match value {
            Some(value) if self.exists(bucket) => drop(self.facts.insert((bucket, name), value)),
            Some(_) => {}
            None => drop(self.facts.remove(&(bucket, name))),
        }
    }

    pub(super) fn directories(
        &self,
        bucket: BucketId,
        after: Option<String>,
        limit: usize,
    ) -> Vec<DirectoryRow> {
        let from =
            after.map_or(Bound::Included((bucket, String::new())), |after| Bound::Excluded((bucket, after)));
        self.directories
            .range((from, Bound::Unbounded))
            .take_while(|((of, _), _)| *of == bucket)
            .take(limit)
            .map(|((_, path), seen)| DirectoryRow { path: path.clone(), seen: seen.clone() })
            .collect()
    }

    pub(super) fn directory_lookup(&self, bucket: BucketId, paths: &[String]) -> Vec<Option<Vec<u8>>> {
        paths.iter().map(|path| self.directories.get(&(bucket, path.clone())).cloned()).collect()
    }

    pub(super) fn set_directories(&mut self, bucket: BucketId, seen: Vec<DirectoryRow>, gone: Vec<String>) {
        if !self.exists(bucket) {
            return;
        }
        self.directories.extend(seen.into_iter().map(|row| ((bucket, row.path), row.seen)));
        for path in gone {
            self.directories.remove(&(bucket, path));
        }
    }

    pub(super) fn object(&self, bucket: BucketId, key: &ObjectKey) -> Option<StoredObject> {
        self.objects.get(&(bucket, key.clone())).cloned()
    }

    /// `order` is the version; `None` is the current one.
    pub(super) fn set_object(
        &mut self,
        bucket: BucketId,
        order: Option<u64>,
        expected: Expected,
        row: ObjectRow,
    ) -> Result<Revision> {
        let (at, version) =
            ((bucket, row.key.clone()), (bucket, row.key.clone(), Reverse(order.unwrap_or_default())));
        let known = if order.is_none() { self.objects.get(&at) } else { self.object_versions.get(&version) };
        expect(expected, known.map_or(Revision::NONE, |known| known.revision))?;
        if row.is_empty() {
            match order {
                None => drop(self.objects.remove(&at)),
                Some(_) => drop(self.object_versions.remove(&version)),
            }
            return Ok(Revision::NONE);
        }
        if !self.exists(bucket) {
            return refused(CatalogErrorKind::NoSuchBucket);
        }
        let stored = StoredObject { row, revision: Revision(self.next().0) };
        let revision = stored.revision;
        match order {
            None => drop(self.objects.insert(at, stored)),
            Some(_) => drop(self.object_versions.insert(version, stored)),
        }
        Ok(revision)
    }

    pub(super) fn object_versions(&self, bucket: BucketId, key: &ObjectKey) -> Vec<ObjectVersion> {
        let versions = self.object_versions.iter().filter(|((of, at, _), _)| *of == bucket && at == key);
        versions
            .map(|((_, _, Reverse(order)), stored)| ObjectVersion { order: *order, stored: stored.clone() })
            .collect()
    }

    pub(super) fn objects(
        &self,
        bucket: BucketId,
        after: Option<&ObjectKey>,
        limit: usize,
        which: WhichObjects,
    ) -> Vec<ObjectRow> {
        let rows = self
            .objects
            .iter()
            .filter(|((of, key), _)| *of == bucket && after.is_none_or(|after| key > after));
        let rows = rows
            .map(|(_, stored)| &stored.row)
            .filter(|row| which == WhichObjects::All || row.pending.is_some());
        rows.take(limit).cloned().collect()
    }

    pub(super) fn begin_upload(&mut self, record: UploadRecord) -> Result<()> {
        if !self.exists(record.bucket) {
            return refused(CatalogErrorKind::NoSuchBucket);
        }
        let at = (record.bucket, record.upload.clone());
        if self.uploads.contains_key(&at) {
            return refused(CatalogErrorKind::Exists);
        }
        self.uploads.insert(at, Upload { record, parts: BTreeMap::new() });
        Ok(())
    }

    pub(super) fn upload(&self, bucket: BucketId, upload: &UploadId) -> Option<UploadRecord> {
        self.uploads.get(&(bucket, upload.clone())).map(|upload| upload.record.clone())
    }

    pub(super) fn list_uploads(&self, bucket: BucketId, request: &ListUploadsRequest) -> UploadsPage {
        let records =
            self.uploads.iter().filter(|((of, _), _)| *of == bucket).map(|(_, upload)| &upload.record);
        let mut records: Vec<&UploadRecord> = records.collect();
        let location = |record: &UploadRecord| (record.key.clone(), record.initiated, record.upload.clone());
        records.sort_by_key(|record| location(record));
        // If the upload of the marker has ended meanwhile, all uploads of its key are listed again.
        let resume =
            request.key_marker.as_deref().zip(request.upload_marker.as_ref()).map(|(key, upload)| {
                let marker =
                    records.iter().position(|record| record.key.as_str() == key && record.upload == *upload);
                let first = records.partition_point(|record| record.key.as_str() < key);
                (key.to_owned(), marker.map_or(first, |at| at + 1))
            });
        let (prefix, delimiter, after) =
            (&*request.prefix, request.delimiter.as_deref(), request.key_marker.as_deref());
        let mut cursor = Cursor {
            name: |record: &&UploadRecord| record.key.as_str().to_owned(),
            items: records,
            at: 0,
            resume,
        };
        let Ok((entries, truncated)) =
            grouping::page(&mut cursor, Query { prefix, delimiter, after, limit: request.limit });
        let entry = |grouped: Grouped<Named<&UploadRecord>>| match grouped {
            Grouped::CommonPrefix(prefix) => UploadEntry::CommonPrefix(prefix),
            Grouped::Item(Named(_, record)) => UploadEntry::Upload(UploadInfo {
                key: record.key.clone(),
                upload: record.upload.clone(),
                initiator: record.initiator.clone(),
                owner: record.attributes.owner.clone(),
                initiated: record.initiated,
                checksum: record.checksum,
                explicit_checksum: record.explicit_checksum,
            }),
        };
        UploadsPage { entries: entries.into_iter().map(entry).collect(), truncated }
    }

    pub(super) fn put_part(
        &mut self,
        bucket: BucketId,
        upload: UploadId,
        part: PartRecord,
    ) -> Result<Option<PartRecord>> {
        match self.uploads.get_mut(&(bucket, upload)) {
            Some(upload) => Ok(upload.parts.insert(part.number.get(), part)),
            None => refused(CatalogErrorKind::NoSuchUpload),
        }
    }

    pub(super) fn parts(
        &self,
        bucket: BucketId,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Vec<PartRecord> {
        let Some(upload) = self.uploads.get(&(bucket, upload.clone())) else { return Vec::new() };
        upload
            .parts
            .iter()
            .filter(|(number, _)| **number > after)
            .map(|(_, part)| part)
            .take(limit)
            .cloned()
            .collect()
    }

    pub(super) fn end_upload(&mut self, bucket: BucketId, upload: UploadId) -> bool {
        self.uploads.remove(&(bucket, upload)).is_some()
    }

    pub(super) fn finish_upload(
        &mut self,
        bucket: BucketId,
        upload: UploadId,
        completed: CompletedUpload,
    ) -> Result<()> {
        if !self.end_upload(bucket, upload.clone()) {
            return refused(CatalogErrorKind::NoSuchUpload);
        }
        self.completed.insert((bucket, upload), completed);
        Ok(())
    }

    pub(super) fn completed_upload(&self, bucket: BucketId, upload: &UploadId) -> Option<CompletedUpload> {
        self.completed.get(&(bucket, upload.clone())).cloned()
    }

    pub(super) fn stale_uploads(&self, before: Timestamp, limit: usize) -> Vec<UploadRecord> {
        let uploads = self.uploads.values().map(|upload| &upload.record);
        let mut stale: Vec<_> = uploads
            .filter(|upload| upload.initiated < before && !self.replicas.contains_key(&upload.bucket))
            .cloned()
            .collect();
        stale.sort_by_key(|upload| upload.initiated);
        stale.truncate(limit);
        stale
    }

    pub(super) fn forget_completed(&mut self, before: Timestamp) {
        self.completed.retain(|_, completed| completed.at >= before);
    }
}

/// An item and its name.
struct Named<T>(String, T);

/// Iterates over items that are sorted by name.
struct Cursor<T, F> {
    name: F,
    items: Vec<T>,
    at: usize,
    /// The position after a page that ended among several items of one name.
    resume: Option<(String, usize)>,
}

impl<T: Copy, F: Fn(&T) -> String> Ordered for Cursor<T, F> {
    type Item = Named<T>;
    type Error = Infallible;

    fn seek(&mut self, to: Seek) -> std::result::Result<(), Infallible> {
        let name = &self.name;
        self.at = match (to, &self.resume) {
            (Seek::After(bound), Some((key, at))) if key.as_bytes() == bound => *at,
            (Seek::From(bound), _) => {
                self.items.partition_point(|item| name(item).as_bytes() < bound.as_slice())
            }
            (Seek::After(bound), _) => {
                self.items.partition_point(|item| name(item).as_bytes() <= bound.as_slice())
            }
        };
        Ok(())
    }

    fn next(&mut self) -> std::result::Result<Option<Self::Item>, Infallible> {
        let item = self.items.get(self.at).map(|item| Named((self.name)(item), *item));
        self.at += 1;
        Ok(item)
    }

    fn name(item: &Self::Item) -> &str {
        &item.0
    }
}
