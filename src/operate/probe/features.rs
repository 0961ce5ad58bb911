//! Multipart uploads, and what S3 keeps with an object.

use super::{
    conditions,
    report::{Found, Trouble, failed},
    trial::{Trial, if_absent},
};
use crate::{
    model::{
        Attributes, ByteRange, Checksum, ChecksumAlgorithm, ChecksumHasher, ChecksumKind, ChecksumSpec,
        ObjectKey, Owner, PartNumber, Tag, TagSet, UploadId,
    },
    store::{
        BeginUpload, Change, CompletePart, CompleteUpload, CopyAttributes, CopyRequest, CopySource,
        PutRequest, Result, Selection, Written,
        condition::WriteConditions,
        error::{StoreError, StoreErrorKind},
        multipart::MIN_PART_SIZE,
        payload::{Announced, AnnouncedChecksum, Payload},
    },
};
use bytes::Bytes;

/// An upload being made.
struct Upload<'t> {
    trial: &'t Trial,
    key: ObjectKey,
    id: UploadId,
    parts: Vec<CompletePart>,
}

impl<'t> Upload<'t> {
    async fn begin(trial: &'t Trial, name: &str) -> Result<Self> {
        let key = trial.written(name)?;
        let request = BeginUpload {
            attributes: Attributes::default(),
            checksum: ChecksumSpec {
                algorithm: ChecksumAlgorithm::Crc64Nvme,
                kind: ChecksumKind::FullObject,
            },
            explicit_checksum: false,
            initiator: Owner { id: "causeway".into(), display_name: "causeway".into() },
        };
        let id = trial.store.begin_upload(&key, request).await?;
        trial.begun(&key, &id);
        Ok(Self { trial, key, id, parts: Vec::new() })
    }

    async fn part(&mut self, number: u16, bytes: impl Into<Bytes>) -> Result<()> {
        let no_number = || StoreError::from(StoreErrorKind::InvalidPart);
        let number = PartNumber::new(number).ok_or_else(no_number)?;
        let part = self.trial.store.put_part(&self.key, &self.id, number, Payload::from_bytes(bytes)).await?;
        self.parts.push(CompletePart { number, etag: part.etag, checksum: None });
        Ok(())
    }

    async fn complete(&self, conditions: WriteConditions) -> Result<Written> {
        let mut parts = self.parts.clone();
        parts.sort_by_key(|part| part.number);
        self.trial
            .store
            .complete_upload(
                &self.key,
                &self.id,
                CompleteUpload { parts, conditions, checksum: None, size: None },
            )
            .await
    }
}

pub(super) async fn one_part(trial: &Trial) -> Found {
    const NAME: &str = "one-part";
    let mut upload = Upload::begin(trial, NAME).await?;
    upload.part(1, "the only part").await?;
    upload.complete(WriteConditions::default()).await?;
    trial.expect(NAME, b"the only part").await?;
    Ok("the same bytes".to_owned())
}

pub(super) async fn parts(trial: &Trial) -> Found {
    const NAME: &str = "parts";
    let mut upload = Upload::begin(trial, NAME).await?;
    upload.part(7, "the end").await?;
    upload.part(2, vec![b'a'; MIN_PART_SIZE as usize]).await?;
    upload.complete(WriteConditions::default()).await?;
    let size = trial.head(NAME).await?.size;
    if size != MIN_PART_SIZE + 7 {
        return failed(format!("the object has {size} bytes, and its parts {}", MIN_PART_SIZE + 7));
    }
    let seam = trial.get(NAME, Selection::Range(ByteRange::From(MIN_PART_SIZE - 3))).await?;
    if seam == "aaathe end" {
        Ok("7 before 2, read back as 2, 7".to_owned())
    } else {
        failed("the parts are not in order")
    }
}

pub(super) async fn conditional_upload(trial: &Trial) -> Found {
    const NAME: &str = "conditional-upload";
    trial.put(NAME, "first").await?;
    let mut upload = Upload::begin(trial, NAME).await?;
    upload.part(1, "second").await?;
    conditions::refused(
        upload.complete(if_absent()).await,
        "If-None-Match: * of a Complete replaced an object",
    )?;
    trial.expect(NAME, b"first").await?;
    Ok("If-None-Match: * of Complete".to_owned())
}

pub(super) async fn abort(trial: &Trial) -> Found {
    let mut upload = Upload::begin(trial, "aborted").await?;
    upload.part(1, "never seen").await?;
    trial.store.abort_upload(&upload.key, &upload.id).await?;
    match upload.complete(WriteConditions::default()).await {
        Err(error) if error.kind() == StoreErrorKind::NoSuchUpload => {
            Ok("and nothing of it stays".to_owned())
        }
        Err(error) => Err(error.into()),
        Ok(_) => failed("an aborted upload could be completed"),
    }
}

fn some_tags(value: &str) -> std::result::Result<TagSet, Trouble> {
    let tag = Tag { key: "kept".to_owned(), value: value.to_owned() };
    TagSet::new(vec![tag]).map_err(|error| Trouble::Failed(error.to_string()))
}

async fn put_with(trial: &Trial, name: &str, attributes: Attributes) -> Result<Written> {
    let request = PutRequest {
        attributes,
        conditions: WriteConditions::default(),
        payload: Payload::from_bytes(name.to_owned()),
    };
    trial.store.put(&trial.written(name)?, request).await
}

fn some_metadata() -> Attributes {
    let user =
        [("plain".to_owned(), "value".to_owned()), ("with-hyphen".to_owned(), "another value".to_owned())];
    Attributes {
        content_type: Some("text/x-causeway".to_owned()),
        cache_control: Some("no-cache".to_owned()),
        user: user.into(),
        ..Default::default()
    }
}

/// Whether an object has what `some_metadata` gives.
async fn has_metadata(trial: &Trial, name: &str) -> std::result::Result<(), Trouble> {
    let (kept, given) = (trial.head(name).await?.attributes, some_metadata());
    match (
        kept.content_type == given.content_type && kept.cache_control == given.cache_control,
        kept.user == given.user,
    ) {
        (true, true) => Ok(()),
        (false, _) => failed("Content-Type or Cache-Control is not what was given"),
        (_, false) => failed("user metadata is not what was given"),
    }
}

pub(super) async fn metadata(trial: &Trial) -> Found {
    const NAME: &str = "metadata";
    put_with(trial, NAME, some_metadata()).await?;
    has_metadata(trial, NAME).await?;
    Ok("kept".to_owned())
}

pub(super) async fn tags(trial: &Trial) -> Found {
    const NAME: &str = "tags";
    let (first, second) = (some_tags("first")?, some_tags("second")?);
    put_with(trial, NAME, Attributes { tags: first.clone(), ..Default::default() }).await?;
    let key = trial.key(NAME)?;
    if trial.store.describe(key.current(), &Default::default()).await?.attributes.tags != first {
        return failed("the tags are not what was given");
    }
    trial.store.update(key.current(), Change::Tags(second.clone())).await?;
    if trial.store.describe(key.current(), &Default::default()).await?.attributes.tags != second {
        return failed("the tags did not change");
    }
    Ok("kept and changed".to_owned())
}

pub(super) async fn checksums(trial: &Trial) -> Found {
    const NAME: &str = "checksums";
    let sum = |bytes: &[u8]| {
        let mut hasher = ChecksumHasher::new(ChecksumAlgorithm::Crc32c);
        hasher.update(bytes);
        hasher.finish()
    };
    let put = async |announced: Checksum| {
        let announced = Announced {
            length: Some(4),
            checksum: AnnouncedChecksum::Header(announced),
            ..Default::default()
        };
        let body = futures_util::stream::iter([Ok(Bytes::from_static(b"body"))]);
        let request = PutRequest {
            attributes: Attributes::default(),
            conditions: WriteConditions::default(),
            payload: Payload::from_stream(body, announced),
        };
        trial.store.put(&trial.written(NAME)?, request).await
    };
    if put(sum(b"other bytes")).await.is_ok() {
        return failed("a body with a wrong checksum was taken");
    }
    put(sum(b"body")).await?;
    match trial.head(NAME).await?.checksum {
        Some(kept) if kept.checksum == sum(b"body") => Ok("verified and kept".to_owned()),
        Some(_) => failed("another checksum is shown than was given"),
        None => Err(Trouble::No("verified, but not kept".to_owned())),
    }
}

pub(super) async fn copy(trial: &Trial) -> Found {
    const NAME: &str = "copy";
    put_with(trial, "copied", some_metadata()).await?;
    let source = CopySource {
        store: trial.store.clone(),
        key: trial.key("copied")?,
        version: None,
        conditions: Default::default(),
    };
    let request = CopyRequest {
        source,
        attributes: CopyAttributes::default(),
        conditions: WriteConditions::default(),
        checksum: None,
    };
    trial.store.copy(&trial.written(NAME)?, request).await?;
    trial.expect(NAME, b"copied").await?;
    has_metadata(trial, NAME).await?;
    Ok("with its metadata".to_owned())
}
