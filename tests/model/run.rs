//! Runs every operation on a storage and on the model, and compares the results.

use crate::{
    naive::{End, Model, Object, Part, Upload, Wants, hex_md5},
    operation::{Body, Condition, Operation},
    storage::{Driver, Storage},
};
use causeway::{
    model::{
        Attributes, ByteRange, CannedAcl, ChecksumAlgorithm, ChecksumHasher, ChecksumKind, ChecksumSpec,
        ETag, ObjectKey, Owner, PartNumber, Tag, TagSet, Timestamp, UploadId,
    },
    store::{
        BeginUpload, Change, CompletePart, CompleteUpload, CopyAttributes, CopyPartRequest, CopyRequest,
        CopySource, GetRequest, Keeping, ListEntry, ListRequest, ListUploadsRequest, ObjectBody, PutRequest,
        Selection, Store, UploadEntry, Written,
        condition::{ETagMatch, WriteConditions},
        error::{StoreError, StoreErrorKind as Kind},
        payload::{Payload, PayloadError},
    },
};
use futures_util::StreamExt;
use std::{collections::BTreeMap, fmt::Debug, sync::Arc};

type Outcome = Result<(), String>;

/// Returns an error that says where the storage differs from the model.
pub async fn compare(driver: Driver, operations: Vec<Operation>) -> Outcome {
    let mut run = Run { storage: Storage::open(driver).await, model: Model::default(), ids: Vec::new() };
    for (at, operation) in operations.into_iter().enumerate() {
        if operation.writes().is_some_and(|key| !run.storage.has_room_for(key)) {
            continue;
        }
        let restarts = matches!(operation, Operation::Restart(_));
        let what = format!("operation {at}, {operation:?}");
        run.step(operation).await.map_err(|difference| format!("{what}: {difference}"))?;
        if restarts {
            run.compare_all().await.map_err(|difference| format!("after {what}: {difference}"))?;
        }
    }
    run.compare_all().await.map_err(|difference| format!("in the end: {difference}"))
}

struct Run {
    storage: Storage,
    model: Model,
    /// The ids of the model's uploads, in the same order.
    ids: Vec<UploadId>,
}

fn same<T: PartialEq + Debug>(what: &str, got: T, expected: T) -> Outcome {
    if got == expected { Ok(()) } else { Err(format!("{what}: got {got:?}, expected {expected:?}")) }
}

fn same_bytes(what: &str, got: &[u8], expected: &[u8]) -> Outcome {
    if got == expected {
        return Ok(());
    }
    let at = got.iter().zip(expected).take_while(|(a, b)| a == b).count();
    Err(format!("{what}: got {} bytes, expected {}, alike up to {at}", got.len(), expected.len()))
}

/// Requires success where the model succeeds, and the same kind of error where it fails.
fn same_kind<T, U>(got: Result<T, StoreError>, expected: Result<U, Kind>) -> Result<Option<(T, U)>, String> {
    match (got, expected) {
        (Ok(got), Ok(expected)) => Ok(Some((got, expected))),
        (Err(got), Err(expected)) if got.kind() == expected => Ok(None),
        (Ok(_), Err(expected)) => Err(format!("succeeded, expected {expected:?}")),
        (Err(got), expected) => {
            Err(format!("failed with {:?} ({got}), expected {:?}", got.kind(), expected.err()))
        }
    }
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::new(text).expect("a key")
}

fn number(number: u16) -> PartNumber {
    PartNumber::new(number).expect("a part number")
}

fn bytes(body: Body) -> Vec<u8> {
    let pattern: Vec<u8> = (0..251u8).map(|n| n.wrapping_mul(31) ^ body.seed).collect();
    let mut all = pattern.repeat(body.len / pattern.len() + 1);
    all.truncate(body.len);
    all
}

/// A body in a few frames, which drivers have to join.
fn payload(bytes: &[u8]) -> Payload {
    let frames: Vec<Result<_, PayloadError>> = bytes
        .chunks((bytes.len() / 3).max(1))
        .map(|frame| Ok(bytes::Bytes::copy_from_slice(frame)))
        .collect();
    let announced =
        causeway::store::payload::Announced { length: Some(bytes.len() as u64), ..Default::default() };
    Payload::from_stream(futures_util::stream::iter(frames), announced)
}

fn tags(which: u8) -> TagSet {
    let tag = |n| Tag { key: format!("key-{n}"), value: "v".repeat(n as usize * 40) };
    TagSet::new((0..which).map(tag).collect()).expect("valid tags")
}

/// Object stores keep no ACL of the gateway, so no ACL is set there.
fn attributes_of(which: u8, acls: bool) -> Attributes {
    Attributes {
        content_type: (which > 0).then(|| format!("text/x-{which}")),
        cache_control: (which > 3).then(|| "no-cache".to_owned()),
        user: (0..which).map(|n| (format!("name-{n}"), "wert ✓".repeat(n as usize))).collect(),
        tags: tags(which / 2),
        acl: if which == 5 && acls { CannedAcl::PublicRead } else { CannedAcl::Private }.into(),
        ..Default::default()
    }
}

fn conditions(wants: &Wants) -> WriteConditions {
    match wants {
        Wants::Anything => WriteConditions::default(),
        Wants::Absent => WriteConditions { if_none_match: Some(ETagMatch::Any), ..Default::default() },
        Wants::ETag(etag) => {
            WriteConditions { if_match: Some(ETagMatch::OneOf(vec![etag.clone()])), ..Default::default() }
        }
    }
}

impl Run {
    async fn store(&self) -> Arc<dyn Store> {
        self.storage.bucket("bucket").await
    }

    fn wants(&self, name: &str, condition: Condition) -> Wants {
        match condition {
            Condition::None => Wants::Anything,
            Condition::Absent => Wants::Absent,
            Condition::Other => Wants::ETag(ETag::parse("0123456789abcdef0123456789abcdef")),
            Condition::Current => {
                let etag = self.model.objects.get(name).map_or("absent", |object| &object.etag);
                Wants::ETag(ETag::parse(etag))
            }
        }
    }

    fn publish(&mut self, name: &str, mut object: Object, written: Written) -> Outcome {
        same("the ETag", written.etag.as_str(), &object.etag)?;
        if let Some(sum) = written.checksum.filter(|sum| sum.kind == ChecksumKind::FullObject) {
            let mut hasher = ChecksumHasher::new(sum.algorithm());
            hasher.update(&object.body);
            same("the checksum", sum.checksum, hasher.finish())?;
        }
        object.modified = written.last_modified;
        self.model.objects.insert(name.to_owned(), object);
        Ok(())
    }

    async fn step(&mut self, operation: Operation) -> Outcome {
        let store = self.store().await;
        let acls = store.capabilities().object_acls == Keeping::Kept;
        let attributes = |which| attributes_of(which, acls);
        match operation {
            Operation::Put { key: name, body, attributes: which, condition } => {
                let (body, wants) = (bytes(body), self.wants(&name, condition));
                let request = PutRequest {
                    attributes: attributes(which),
                    conditions: conditions(&wants),
                    payload: payload(&body),
                };
                let got = store.put(&key(&name), request).await;
                if let Some((written, ())) = same_kind(got, self.model.check(&name, &wants))? {
                    self.publish(&name, plain(body, attributes(which)), written)?;
                }
                Ok(())
            }
            Operation::Get { key: name, range } => self.compare_read(&*store, &name, range).await,
            Operation::Delete { key: name, condition } => {
                let wants = self.wants(&name, condition);
                let (got, expected) = (
                    store.delete(key(&name).current(), &conditions(&wants)).await,
                    self.model.check(&name, &wants),
                );
                if self.storage.is_remote() && got.is_ok() && expected == Err(Kind::NoSuchKey) {
                    // Some storages report that a missing object was deleted, whatever the condition.
                    return Ok(());
                }
                if same_kind(got, expected)?.is_some() {
                    self.model.objects.remove(&name);
                }
                Ok(())
            }
            Operation::Copy { from, to, attributes: which, condition } => {
                let wants = self.wants(&to, condition);
                let replace = CopyAttributes { metadata: which.map(attributes), ..Default::default() };
                let source = CopySource {
                    store: store.clone(),
                    key: key(&from),
                    version: None,
                    conditions: Default::default(),
                };
                let request = CopyRequest {
                    source,
                    attributes: replace,
                    conditions: conditions(&wants),
                    checksum: None,
                };
                let got = store.copy(&key(&to), request).await;
                let source = self.model.objects.get(&from).cloned().ok_or(Kind::NoSuchKey);
                let expected = source.and_then(|source| self.model.check(&to, &wants).map(|()| source));
                if let Some((written, source)) = same_kind(got, expected)? {
                    let mut new = which.map_or_else(|| source.attributes.clone(), attributes);
                    (new.tags, new.acl) = (source.attributes.tags, CannedAcl::Private.into());
                    let kept =
                        self.storage.copies_keep_etags() && ETag::parse(&source.etag).as_md5().is_none();
                    let new = plain(source.body, new);
                    self.publish(&to, if kept { Object { etag: source.etag, ..new } } else { new }, written)?;
                }
                Ok(())
            }
            Operation::Tag { key: name, tags: which } => {
                let got = store.update(key(&name).current(), Change::Tags(tags(which))).await;
                let object = self.model.objects.get_mut(&name).ok_or(Kind::NoSuchKey);
                if let Some(((), object)) = same_kind(got, object)? {
                    object.attributes.tags = tags(which);
                }
                Ok(())
            }
            Operation::Share { key: name, public } => {
                let acl = if public && acls { CannedAcl::PublicRead } else { CannedAcl::Private };
                let got = store.update(key(&name).current(), Change::Acl(acl.into())).await;
                let object = self.model.objects.get_mut(&name).ok_or(Kind::NoSuchKey);
                if let Some(((), object)) = same_kind(got, object)? {
                    object.attributes.acl = acl.into();
                }
                Ok(())
            }
            Operation::List { prefix, delimiter, after, limit } => {
                let names = self.model.objects.keys().map(String::as_str);
                let expected = Model::list(names, &prefix, delimiter.as_deref(), after.as_deref(), limit);
                let page = store
                    .list(ListRequest { prefix, after, delimiter, limit })
                    .await
                    .map_err(|e| e.to_string())?;
                let shown = page.entries.iter().map(|entry| entry.name().to_owned()).collect();
                same("the page", (shown, page.truncated), expected)
            }
            Operation::Begin { key: name, attributes: which } => {
                self.begin(&*store, name, attributes(which)).await.map(drop)
            }
            Operation::Part { upload, number: n, body } => {
                self.put_part(&*store, upload, n, bytes(body)).await
            }
            Operation::CopyPart { upload, number: n, from, range } => {
                let Some(id) = self.ids.get(upload) else { return Ok(()) };
                let source = CopySource {
                    store: store.clone(),
                    key: key(&from),
                    version: None,
                    conditions: Default::default(),
                };
                let range = range.map(|(from, to)| ByteRange::FromTo(from, to));
                let name = key(&self.model.uploads[upload].key);
                let got = store.copy_part(&name, id, number(n), CopyPartRequest { source, range }).await;
                let is_open = self.model.uploads[upload].end.is_none();
                let source = self.model.read(&from, None).map(|body| body.len() as u64);
                let inside = source.and_then(|size| match range {
                    // Unlike the range of a GET, this one is not clipped to the object.
                    Some(ByteRange::FromTo(_, last)) if last >= size => Err(Kind::InvalidRange { size }),
                    _ => self.model.read(&from, range).map(<[u8]>::to_vec),
                });
                // If two errors apply, either may be reported.
                if let (Err(got), false) = (&got, is_open)
                    && (got.kind() == Kind::NoSuchUpload
                        || inside.as_ref().is_err_and(|kind| *kind == got.kind()))
                {
                    return Ok(());
                }
                if let Some((written, body)) = same_kind(got, inside)? {
                    let part = Part::new(body);
                    same("the part's ETag", written.etag.as_str(), &part.etag())?;
                    same("whether the upload is open", true, is_open)?;
                    self.model.uploads[upload].parts.insert(n, part);
                }
                Ok(())
            }
            Operation::Complete { upload, without, condition } => {
                self.complete(&*store, upload, without, condition).await
            }
            Operation::Abort { upload } => {
                let Some(id) = self.ids.get(upload) else { return Ok(()) };
                let name = key(&self.model.uploads[upload].key);
                let upload = &mut self.model.uploads[upload];
                let expected = if upload.end.is_none() { Ok(()) } else { Err(Kind::NoSuchUpload) };
                if same_kind(store.abort_upload(&name, id).await, expected)?.is_some() {
                    upload.end = Some(End::Aborted);
                }
                Ok(())
            }
            Operation::ListParts { upload, after, limit } => {
                self.compare_parts(&*store, upload, after, limit).await
            }
            Operation::ListUploads { prefix, delimiter, limit } => {
                self.compare_uploads(&*store, prefix, delimiter, limit).await
            }
            Operation::Upload { key: name, parts, condition } => {
                let upload = self.begin(&*store, name, attributes(2)).await?;
                for (n, body) in parts {
                    self.put_part(&*store, upload, n, bytes(body)).await?;
                }
                self.complete(&*store, upload, 0, condition).await
            }
            Operation::Restart(stop) => {
                drop(store);
                self.storage.restart(stop).await;
                if !self.storage.is_durable() {
                    self.model.forget();
                }
                Ok(())
            }
        }
    }

    async fn begin(
        &mut self,
        store: &dyn Store,
        name: String,
        attributes: Attributes,
    ) -> Result<usize, String> {
        let algorithm = ChecksumAlgorithm::Crc64Nvme;
        let request = BeginUpload {
            attributes: attributes.clone(),
            checksum: ChecksumSpec { algorithm, kind: algorithm.default_kind() },
            explicit_checksum: false,
            initiator: Owner { id: "o".into(), display_name: "o".into() },
        };
        self.ids.push(store.begin_upload(&key(&name), request).await.map_err(|error| error.to_string())?);
        self.model.uploads.push(Upload { key: name, attributes, parts: Default::default(), end: None });
        Ok(self.ids.len() - 1)
    }

    async fn put_part(&mut self, store: &dyn Store, upload: usize, n: u16, body: Vec<u8>) -> Outcome {
        let Some(id) = self.ids.get(upload) else { return Ok(()) };
        let upload = &mut self.model.uploads[upload];
        let got = store.put_part(&key(&upload.key), id, number(n), payload(&body)).await;
        let expected = if upload.end.is_none() { Ok(()) } else { Err(Kind::NoSuchUpload) };
        if let Some((written, ())) = same_kind(got, expected)? {
            let part = Part::new(body);
            same("the part's ETag", written.etag.as_str(), &part.etag())?;
            upload.parts.insert(n, part);
        }
        Ok(())
    }

    async fn complete(
        &mut self,
        store: &dyn Store,
        upload: usize,
        without: u8,
        condition: Condition,
    ) -> Outcome {
        let Some(id) = self.ids.get(upload) else { return Ok(()) };
        let name = self.model.uploads[upload].key.clone();
        let wants = self.wants(&name, condition);
        let numbers = self.model.uploads[upload].parts.keys().copied().enumerate();
        let chosen: Vec<u16> =
            numbers.filter(|(place, _)| *place > 7 || without & (1 << place) == 0).map(|(_, n)| n).collect();
        let part = |n: &u16| CompletePart {
            number: number(*n),
            etag: ETag::parse(&self.model.uploads[upload].parts[n].etag()),
            checksum: None,
        };
        let request = CompleteUpload {
            parts: chosen.iter().map(part).collect(),
            conditions: conditions(&wants),
            checksum: None,
            size: None,
        };
        let got = store.complete_upload(&key(&name), id, request).await;
        match &self.model.uploads[upload].end {
            Some(End::Aborted) => same_kind(got, Err::<(), _>(Kind::NoSuchUpload)).map(drop),
            Some(End::Completed(written)) => {
                same("the repeated answer", got.map_err(|error| error.kind()), Ok(written.clone()))
            }
            None => {
                let (object, condition) =
                    (self.model.assemble(upload, &chosen), self.model.check(&name, &wants));
                // If two errors apply, either may be reported.
                if let (Err(got), Err(_), Err(unmet)) = (&got, &object, condition)
                    && got.kind() == unmet
                {
                    return Ok(());
                }
                if let Some((written, object)) =
                    same_kind(got, object.and_then(|object| condition.map(|()| object)))?
                {
                    self.model.uploads[upload].end = Some(End::Completed(written.clone()));
                    self.publish(&name, object, written)?;
                }
                Ok(())
            }
        }
    }

    async fn compare_read(&self, store: &dyn Store, name: &str, range: Option<ByteRange>) -> Outcome {
        let selection = range.map_or(Selection::Whole, Selection::Range);
        let got = store.get(key(name).current(), GetRequest { selection, ..Default::default() }).await;
        let Some((reply, expected)) = same_kind(got, self.model.read(name, range))? else { return Ok(()) };
        same("the length", reply.span.len(), expected.len() as u64)?;
        let mut body = Vec::new();
        match reply.body {
            ObjectBody::Full(bytes) => body.extend_from_slice(&bytes),
            body => {
                let mut stream = body.into_stream();
                while let Some(frame) = stream.next().await {
                    body.extend_from_slice(&frame.map_err(|error| error.to_string())?);
                }
            }
        }
        same_bytes(&format!("the bytes of {name:?}"), &body, expected)
    }

    async fn compare_parts(&self, store: &dyn Store, upload: usize, after: u16, limit: usize) -> Outcome {
        let Some(id) = self.ids.get(upload) else { return Ok(()) };
        let upload = &self.model.uploads[upload];
        let expected = if upload.end.is_none() { Ok(()) } else { Err(Kind::NoSuchUpload) };
        let Some((page, ())) =
            same_kind(store.list_parts(&key(&upload.key), id, after, limit).await, expected)?
        else {
            return Ok(());
        };
        let mut all =
            upload.parts.range(after + 1..).map(|(n, part)| (*n, part.body.len() as u64, part.etag()));
        let shown: Vec<_> = page
            .parts
            .iter()
            .map(|part| (part.number.get(), part.size, part.etag.as_str().to_owned()))
            .collect();
        same("the parts", shown, all.by_ref().take(limit).collect())?;
        same("whether there are more parts", page.truncated, limit > 0 && all.next().is_some())
    }

    async fn compare_uploads(
        &self,
        store: &dyn Store,
        prefix: String,
        delimiter: Option<String>,
        limit: usize,
    ) -> Outcome {
        let request = ListUploadsRequest {
            prefix: prefix.clone(),
            delimiter: delimiter.clone(),
            limit,
            ..Default::default()
        };
        let page = store.list_uploads(request).await.map_err(|error| error.to_string())?;
        let mut seen: Vec<&str> = Vec::new();
        for entry in &page.entries {
            seen.push(match entry {
                UploadEntry::Upload(info) => info.key.as_str(),
                UploadEntry::CommonPrefix(prefix) => prefix,
            });
        }
        // Like a listing of objects, but a key is shown once for each of its uploads.
        let mut expected = Vec::new();
        for name in Model::list(
            self.model.open_uploads().map(|u| u.key.as_str()),
            &prefix,
            delimiter.as_deref(),
            None,
            usize::MAX,
        )
        .0
        {
            let times = self.model.open_uploads().filter(|upload| upload.key == name).count();
            let is_group = delimiter.as_ref().is_some_and(|d| name[prefix.len()..].contains(d.as_str()));
            expected.extend(std::iter::repeat_n(name, if is_group { 1 } else { times }));
        }
        same("whether there are more uploads", page.truncated, limit > 0 && expected.len() > limit)?;
        expected.truncate(limit);
        same("the uploads", seen, expected.iter().map(String::as_str).collect())
    }

    /// Compares everything that the storage shows with the model, in both directions.
    async fn compare_all(&self) -> Outcome {
        let store = &*self.store().await;
        let (mut listed, mut times) = (Vec::new(), BTreeMap::<String, Timestamp>::new());
        loop {
            let after = listed.last().map(|(name, ..): &(String, u64, String)| name.clone());
            let page = store
                .list(ListRequest { after, limit: 10, ..Default::default() })
                .await
                .map_err(|e| e.to_string())?;
            for entry in page.entries {
                let ListEntry::Object(o) = entry else {
                    return Err(format!("a group without a delimiter: {entry:?}"));
                };
                times.insert(o.key.as_str().to_owned(), o.last_modified);
                listed.push((o.key.as_str().to_owned(), o.size, o.etag.as_str().to_owned()));
            }
            if !page.truncated {
                break;
            }
        }
        let expected =
            self.model.objects.iter().map(|(name, o)| (name.clone(), o.body.len() as u64, o.etag.clone()));
        same("the listing", listed, expected.collect())?;
        for (name, object) in &self.model.objects {
            let info = store
                .describe(key(name).current(), &Default::default())
                .await
                .map_err(|error| format!("heading {name:?}: {error}"))?;
            same("the size", info.size, object.body.len() as u64)?;
            same("the ETag", info.etag.as_str(), &object.etag)?;
            // A storage with a clock of its own reports the time only afterwards.
            if !self.storage.is_remote() {
                same("the time", info.last_modified, object.modified)?;
            }
            // HEAD over HTTP has a resolution of one second.
            let second = |time: Timestamp| time.seconds();
            same(
                "the time as listed",
                times.get(name).copied().map(second),
                Some(second(info.last_modified)),
            )?;
            same("the attributes", &info.attributes, &object.attributes)?;
            same(
                "the parts",
                info.parts.iter().map(|part| (part.number, part.size)).collect(),
                object.parts.clone(),
            )?;
            self.compare_read(store, name, None).await?;
        }
        for upload in 0..self.ids.len() {
            self.compare_parts(store, upload, 0, 1000).await?;
        }
        self.compare_uploads(store, String::new(), None, 1000).await
    }
}

fn plain(body: Vec<u8>, attributes: Attributes) -> Object {
    Object { etag: hex_md5(&body), body, attributes, parts: Vec::new(), modified: Timestamp::from_millis(0) }
}
