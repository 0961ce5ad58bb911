//! Multipart uploads: one upload in the catalog, and one upload on every member, with the same bytes in every
//! part.
//!
//! Invariants: the catalog decides what an upload is and which parts it has; a part is acknowledged when
//! every member that stays in the upload has it, and at least as many as a write needs.

use super::{
    bodies::Sight,
    broadcast::{Broadcast, Leg},
    bucket::{Bucket, Writer, interrupted},
    member::{ANSWER, Member, in_time, nothing, timely, too_few},
    publish::{self, ChangeOutcome, Plan, Step},
    record::{Known, Row},
    uploads::{InHand, MemberUploads},
    write,
};
use crate::{
    catalog::{CatalogErrorKind, CompletedUpload, PartRecord, UploadRecord},
    model::{ETag, ObjectKey, PartNumber, Timestamp, UploadId},
    store::{
        BeginUpload, CompletePart, CompleteUpload, ListedPart, PartWritten, PartsPage, Result, UploadInfo,
        Written,
        error::{StoreError, StoreErrorKind},
        multipart::{self, RecordedPart},
        payload::{Payload, PayloadError},
        record::ObjectRecord,
    },
};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{task::JoinHandle, time::timeout};

/// How long, after enough members have a part, the other members may still take.
const LAG: Duration = Duration::from_millis(500);
/// How many parts are read from the catalog at once.
const PAGE: usize = 1000;

type Answers<T> = FuturesUnordered<BoxFuture<'static, (Arc<Member>, Result<T>)>>;

/// Collects the answers of members until as many as needed have answered, and for a short time after that.
async fn gather<T>(mut asked: Answers<T>, needed: usize) -> (BTreeMap<String, T>, Option<StoreError>) {
    let (mut got, mut failure) = (BTreeMap::new(), None);
    while let Some((member, answer)) =
        if got.len() >= needed { timeout(LAG, asked.next()).await.ok().flatten() } else { asked.next().await }
    {
        member.judge(&answer);
        match answer {
            Ok(answer) => drop(got.insert(member.name.clone(), answer)),
            Err(error) => failure = Some(error),
        }
    }
    (got, failure)
}

pub(super) async fn begin(bucket: &Arc<Bucket>, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
    let initiated = Timestamp::now();
    let upload = crate::backend::uploads::new_id(initiated)?;
    let in_hand = Arc::new(bucket.uploads.in_hand());
    // An upload that was begun on a member and not written down is aborted there.
    let mut leaving = Leaving { bucket, settled: false };
    let asked = Answers::new();
    for (member, slot) in bucket.writers()? {
        let request = BeginUpload { attributes: member.keeps(&request.attributes), ..request.clone() };
        let (own, key, in_hand) = (member.clone(), key.clone(), in_hand.clone());
        // Spawned as a task: a late member still completes, so that its driver knows what it has begun.
        let task = tokio::spawn(async move {
            let _held = (slot, in_hand);
            timely(ANSWER, async { own.store().await?.begin_upload(&key, request).await }).await
        });
        asked.push(Box::pin(
            async move { (member, task.await.unwrap_or_else(|error| Err(interrupted(error)))) },
        ));
    }
    let all = asked.len();
    let (begun, failure) = gather(asked, bucket.needed()).await;
    if begun.len() < bucket.needed() {
        return Err(failure.unwrap_or_else(|| too_few(begun.len(), bucket.needed())));
    }
    let have_all = begun.len() == all;
    let member_uploads =
        MemberUploads(begun.into_iter().map(|(name, id)| (name, id.as_str().to_owned())).collect());
    let record = UploadRecord {
        bucket: bucket.record.id,
        upload: upload.clone(),
        key: key.clone(),
        initiator: request.initiator,
        initiated,
        attributes: request.attributes,
        checksum: request.checksum,
        explicit_checksum: request.explicit_checksum,
        location: member_uploads.text(),
    };
    bucket.catalog.begin_upload(record).await?;
    leaving.settled = have_all;
    bucket.uploads.begin(&upload, member_uploads);
    Ok(upload)
}

/// Starts a search for uploads left on members when dropped, unless all of them were settled.
struct Leaving<'b> {
    bucket: &'b Bucket,
    settled: bool,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if !self.settled {
            leave(self.bucket);
        }
    }
}

fn leave(bucket: &Bucket) {
    bucket.uploads.leave_orphans();
    bucket.call_for_look();
}

async fn find(bucket: &Bucket, key: &ObjectKey, upload: &UploadId) -> Result<UploadRecord> {
    let record = bucket.catalog.upload(bucket.record.id, upload).await?;
    record.filter(|record| record.key == *key).ok_or_else(|| StoreErrorKind::NoSuchUpload.into())
}

/// Returns the members that stay in an upload, and its id on each.
async fn members(bucket: &Bucket, record: &UploadRecord) -> Result<MemberUploads> {
    if let Some(members) = bucket.uploads.members(&record.upload) {
        return Ok(members);
    }
    let mut members = MemberUploads::parse(&record.location);
    for part in parts(bucket, &record.upload).await? {
        members.retain(&MemberUploads::parse(&part.location));
    }
    bucket.uploads.begin(&record.upload, members.clone());
    Ok(members)
}

async fn parts(bucket: &Bucket, upload: &UploadId) -> Result<Vec<PartRecord>> {
    let mut all: Vec<PartRecord> = Vec::new();
    loop {
        let after = all.last().map_or(0, |part| part.number.get());
        let page = bucket.catalog.parts(bucket.record.id, upload, after, PAGE).await?;
        let is_last = page.len() < PAGE;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

pub(super) async fn put_part(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    upload: &UploadId,
    number: PartNumber,
    payload: Payload,
) -> Result<PartWritten> {
    let record = find(bucket, key, upload).await?;
    let algorithm =
        multipart::part_algorithm(record.checksum, record.explicit_checksum, payload.checksum_algorithm())?;
    let member_uploads = members(bucket, &record).await?;
    let needed = bucket.needed();
    let mut writers = bucket.writers()?;
    writers.retain(|(member, _)| member_uploads.0.contains_key(&member.name));
    if writers.len() < needed {
        return Err(too_few(writers.len(), needed));
    }
    let broadcast =
        Broadcast::new(&payload, writers.iter().map(|(member, _)| member.pace.clone()), Some(algorithm));
    let legs = broadcast.legs.clone();
    let asked = Answers::new();
    for ((member, slot), leg) in writers.into_iter().zip(&legs) {
        let there = member_uploads
            .0
            .get(&member.name)
            .and_then(|id| UploadId::parse(id))
            .ok_or(StoreErrorKind::NoSuchUpload)?;
        let (payload, key, leg) = (broadcast.payload(leg), key.clone(), leg.clone());
        // Spawned as a task: the body must flow while no caller polls the answers.
        let own = member.clone();
        let task = tokio::spawn(async move {
            let _slot = slot;
            if !leg.begun().await {
                return Err(PayloadError::Disconnected.into());
            }
            let length = payload.length();
            in_time(length, own.store().await?.put_part(&key, &there, number, payload)).await
        });
        asked.push(Box::pin(Sending { member, task }.wait()));
    }
    let _fail = FailOnDrop(&legs);
    let ended = match broadcast.send(payload, needed).await {
        Ok(ended) => ended,
        Err(error) => {
            // Members take no more parts of an upload that has ended.
            find(bucket, key, upload).await?;
            return Err(error);
        }
    };
    // Uploads of the same part number are sent one after the other, so that the members have the part that
    // the catalog has.
    let _turn = bucket.parts.lock(&(upload.clone(), number)).await;
    legs.iter().for_each(|leg| leg.release(&ended, None));
    let (sent, failure) = gather(asked, needed).await;
    let having =
        MemberUploads(sent.into_iter().map(|(name, part)| (name, part.etag.as_str().to_owned())).collect());
    if !bucket.uploads.narrow(upload, &having, needed) {
        // The upload may have ended meanwhile.
        find(bucket, key, upload).await?;
        return Err(failure
            .filter(|error| !error.is_temporary())
            .unwrap_or_else(|| too_few(having.0.len(), needed)));
    }
    let part = PartRecord {
        number,
        size: ended.verified.size(),
        md5: ended.verified.md5(),
        checksum: ended.verified.checksum().cloned(),
        last_modified: Timestamp::now(),
        location: having.text(),
    };
    let written = PartWritten {
        etag: ended.verified.etag(),
        checksum: part.checksum.clone(),
        last_modified: part.last_modified,
    };
    match bucket.catalog.put_part(bucket.record.id, upload, part).await {
        Ok(_) => Ok(written),
        Err(error) if error.kind() == CatalogErrorKind::NoSuchUpload => {
            Err(StoreErrorKind::NoSuchUpload.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Fails the body on all legs when it is dropped. A body that was released before is not affected.
struct FailOnDrop<'l>(&'l [Arc<Leg>]);

impl Drop for FailOnDrop<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|leg| leg.fail(PayloadError::Disconnected));
    }
}

/// One member's task of a part. It is cancelled when this is dropped.
struct Sending {
    member: Arc<Member>,
    task: JoinHandle<Result<PartWritten>>,
}

impl Sending {
    async fn wait(mut self) -> (Arc<Member>, Result<PartWritten>) {
        let sent = (&mut self.task).await.unwrap_or_else(|error| Err(interrupted(error)));
        (self.member.clone(), sent)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) async fn list_parts(
    bucket: &Bucket,
    key: &ObjectKey,
    upload: &UploadId,
    after: u16,
    limit: usize,
) -> Result<PartsPage> {
    let record = find(bucket, key, upload).await?;
    let mut parts = bucket.catalog.parts(bucket.record.id, upload, after, limit.saturating_add(1)).await?;
    let truncated = limit > 0 && parts.len() > limit;
    parts.truncate(limit);
    let listed = |part: PartRecord| ListedPart {
        number: part.number,
        size: part.size,
        etag: ETag::from_md5(part.md5),
        checksum: part.checksum,
        last_modified: part.last_modified,
    };
    let UploadRecord { key, upload, initiator, initiated, attributes, checksum, explicit_checksum, .. } =
        record;
    let upload = UploadInfo {
        key,
        upload,
        initiator,
        owner: attributes.owner,
        initiated,
        checksum,
        explicit_checksum,
    };
    Ok(PartsPage { upload, parts: parts.into_iter().map(listed).collect(), truncated })
}

pub(super) async fn complete(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    upload: &UploadId,
    request: CompleteUpload,
) -> Result<Written> {
    if let Some(done) = completed(bucket, key, upload).await? {
        return Ok(done);
    }
    let record = find(bucket, key, upload).await?;
    let parts = parts(bucket, upload).await?;
    let recorded: Vec<_> = parts.iter().map(recorded).collect();
    let assembled = multipart::assemble(record.checksum, record.explicit_checksum, &request, &recorded)?;
    let member_uploads = members(bucket, &record).await?;
    let mut writers = bucket.writers()?;
    writers.retain(|(member, _)| member_uploads.0.contains_key(&member.name));
    if writers.len() < bucket.needed() {
        return Err(too_few(writers.len(), bucket.needed()));
    }
    let chosen: Vec<&PartRecord> = request
        .parts
        .iter()
        .filter_map(|part| parts.iter().find(|known| known.number == part.number))
        .collect();
    let in_hand = Arc::new(bucket.uploads.in_hand());
    let step = |writer: Writer| {
        complete_step(bucket, &in_hand, writer, (key, &member_uploads, &chosen, assembled.size))
    };
    let steps = writers.into_iter().map(step).collect::<Result<_>>()?;
    let object = ObjectRecord::of_upload(assembled, record.attributes.clone(), upload.clone());
    let own = upload.clone();
    let make = Box::new(move |row: &Row| match row.object() {
        // Another request completed it meanwhile.
        Some(there) if there.upload.as_ref() == Some(&own) => Ok(ChangeOutcome::Stays),
        _ => Ok(ChangeOutcome::Becomes(Some(Box::new(object)))),
    });
    let published = publish::publish(
        bucket,
        key,
        Plan { conditions: request.conditions, sight: Sight::Looked, make, steps, body: None },
    )
    .await;
    let written = match published {
        Ok(Some(record)) => record.object().map(ObjectRecord::written).ok_or_else(nothing)?,
        // Returns the current object; the conditions were those of the other request.
        Ok(None) => bucket.find(key).await?.object().map(ObjectRecord::written).ok_or_else(nothing)?,
        Err(error) => match completed(bucket, key, upload).await? {
            Some(done) => return Ok(done),
            None => return Err(error),
        },
    };
    let done = CompletedUpload { key: key.clone(), written: written.clone(), at: Timestamp::now() };
    match bucket.catalog.finish_upload(bucket.record.id, upload, done).await {
        Err(error) if error.kind() != CatalogErrorKind::NoSuchUpload => return Err(error.into()),
        _ => bucket.uploads.end(upload),
    }
    let mut left = MemberUploads::parse(&record.location);
    left.0.retain(|name, _| !member_uploads.0.contains_key(name));
    abandon(bucket, key, left);
    Ok(written)
}

/// Returns the result of an upload that has ended, whether or not the catalog has its end.
async fn completed(bucket: &Arc<Bucket>, key: &ObjectKey, upload: &UploadId) -> Result<Option<Written>> {
    if let Some(done) =
        bucket.catalog.completed_upload(bucket.record.id, upload).await?.filter(|done| done.key == *key)
    {
        return Ok(Some(done.written));
    }
    let row = bucket.see(key).await?;
    Ok(row.object().filter(|object| object.upload.as_ref() == Some(upload)).map(ObjectRecord::written))
}

fn recorded(part: &PartRecord) -> RecordedPart {
    RecordedPart { number: part.number, size: part.size, md5: part.md5, checksum: part.checksum.clone() }
}

fn complete_step(
    bucket: &Arc<Bucket>,
    in_hand: &Arc<InHand>,
    writer: Writer,
    (key, member_uploads, parts, size): (&ObjectKey, &MemberUploads, &[&PartRecord], u64),
) -> Result<Step> {
    let name = writer.0.name.clone();
    let there =
        member_uploads.0.get(&name).and_then(|id| UploadId::parse(id)).ok_or(StoreErrorKind::NoSuchUpload)?;
    let of = |part: &&PartRecord| {
        let etag = MemberUploads::parse(&part.location)
            .0
            .get(&name)
            .map(|etag| ETag::parse(etag))
            .ok_or(StoreErrorKind::InvalidPart)?;
        Ok(CompletePart { number: part.number, etag, checksum: part.checksum.clone() })
    };
    let parts: Vec<_> = parts.iter().map(of).collect::<Result<_>>()?;
    let (bucket, in_hand) = (bucket.clone(), in_hand.clone());
    Ok(Step::act(writer, key.clone(), move |member, key, known: Known| async move {
        let completed = write::complete(&member, &key, known, (there, parts, size)).await;
        drop(in_hand);
        if completed.is_err() {
            leave(&bucket);
        }
        completed
    }))
}

pub(super) async fn abort(bucket: &Arc<Bucket>, key: &ObjectKey, upload: &UploadId) -> Result<()> {
    let record = find(bucket, key, upload).await?;
    if !bucket.catalog.abort_upload(bucket.record.id, upload).await? {
        return Err(StoreErrorKind::NoSuchUpload.into());
    }
    bucket.uploads.end(upload);
    abandon(bucket, key, MemberUploads::parse(&record.location));
    Ok(())
}

/// Aborts what members keep of an upload that has ended. It only takes space, so no request waits for this.
/// Members that cannot abort now are asked again later.
fn abandon(bucket: &Arc<Bucket>, key: &ObjectKey, member_uploads: MemberUploads) {
    for (name, id) in member_uploads.0 {
        let (Some(member), Some(there)) = (bucket.member(&name), UploadId::parse(&id)) else { continue };
        let (own, key) = (bucket.clone(), key.clone());
        bucket.spawn(async move {
            let abort = async { member.store().await?.abort_upload(&key, &there).await };
            let outcome: Result<()> = tokio::select! {
                biased;
                () = own.stop.cancelled() => return,
                outcome = in_time(None, abort) => outcome,
            };
            if let Err(error) = outcome
                && error.kind() != StoreErrorKind::NoSuchUpload
            {
                tracing::debug!(%key, backend = member.name, %error, "an upload of a replica was not aborted; it is tried again");
                leave(&own);
            }
        });
    }
}
