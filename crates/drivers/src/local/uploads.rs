//! Multipart uploads: parts wait in the staging directory, and become one file when the upload completes.
//!
//! Completing copies the parts into a draft where the object will appear, by the kernel where it can. A
//! repeated Complete is answered alike by the process that completed the upload, and by no later one.

use super::{
    LocalStore,
    names::Names,
    read::blocking,
    staged::{self, About, Staged},
};
use crate::{
    backend::uploads::new_id,
    model::{ObjectKey, PartNumber, Timestamp, UploadId},
    store::{
        BeginUpload, CompleteUpload, ListUploadsRequest, ListedPart, PartWritten, PartsPage, Result,
        UploadEntry, UploadInfo, UploadsPage, Written,
        error::{StoreError, StoreErrorKind},
        grouping::Query,
        multipart::{self, RecordedPart},
        payload::Payload,
    },
};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::PathBuf,
    sync::{Arc, PoisonError},
};

/// How many bytes are gathered before they are written.
const BATCH: usize = 1 << 20;
/// The number of completed uploads that are remembered.
const REMEMBERED: usize = 1000;

impl LocalStore {
    pub(super) async fn begin(&self, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
        if Names::of(key)?.file.is_none() {
            let words = format!("the key {key} is a folder in a local directory, which has no parts");
            return Err(StoreError::new(StoreErrorKind::InvalidRequest, words));
        }
        let initiated = Timestamp::now();
        let upload = new_id(initiated)?;
        let about = About {
            root: self.0.settings.root.clone(),
            key: key.as_str().to_owned(),
            attributes: request.attributes,
            checksum: request.checksum,
            explicit_checksum: request.explicit_checksum,
            initiator: request.initiator,
            initiated,
        };
        let (store, id) = (self.clone(), upload.clone());
        blocking(move || {
            staged::begin(&store.0.settings.staging, &id, &about).map_err(|error| store.unstaged(error))
        })
        .await?;
        Ok(upload)
    }

    pub(super) async fn part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        mut payload: Payload,
    ) -> Result<PartWritten> {
        let about = self.about(key, upload).await?;
        let announced = payload.checksum_algorithm();
        let algorithm = multipart::part_algorithm(about.checksum, about.explicit_checksum, announced)?;
        let mut digests = payload.digests(Some(algorithm));
        let draft = PartDraft::begin(self.clone(), upload.clone()).await?;
        while let Some(batch) = payload.read_some(BATCH).await? {
            let (store, file) = (self.clone(), draft.file.clone());
            let write = move |frames: &[bytes::Bytes]| {
                let mut file = &*file;
                let written = frames.iter().try_for_each(|frame| file.write_all(frame));
                written.map_err(|error| store.unstaged(error))
            };
            digests = digests.absorb_beside(batch, write).await?;
        }
        let verified = payload.verify(digests)?;
        if verified.size() > multipart::MAX_PART_SIZE {
            return Err(multipart::too_large("the part has more than 5 GiB", multipart::MAX_PART_SIZE));
        }
        let (size, md5, checksum) = (verified.size(), verified.md5(), verified.checksum().cloned());
        let recorded = RecordedPart { number, size, md5, checksum };
        let held = self.0.uploads.lock(upload).await;
        let (etag, checksum) = (recorded.etag(), recorded.checksum.clone());
        let (store, upload) = (self.clone(), upload.clone());
        blocking(move || {
            let _held = held;
            let staging = &store.0.settings.staging;
            let published = staged::publish(staging, &upload, &draft.path, &recorded);
            published.map_err(|error| store.unstaged(error))
        })
        .await?;
        Ok(PartWritten { etag, checksum, last_modified: Timestamp::now() })
    }

    pub(super) async fn parts(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<PartsPage> {
        let about = self.about(key, upload).await?;
        let mut parts = self.staged(upload).await?;
        parts.retain(|part| part.recorded.number.get() > after);
        let truncated = limit > 0 && parts.len() > limit;
        parts.truncate(limit);
        let listed = |part: Staged| ListedPart {
            number: part.recorded.number,
            size: part.recorded.size,
            etag: part.recorded.etag(),
            checksum: part.recorded.checksum,
            last_modified: part.modified,
        };
        let info = info(key.clone(), upload.clone(), &about);
        Ok(PartsPage { upload: info, parts: parts.into_iter().map(listed).collect(), truncated })
    }

    /// Goes on if the caller is dropped: a Complete that was given up can be repeated.
    pub(super) async fn complete(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
        let (store, key, upload) = (self.clone(), key.clone(), upload.clone());
        let completing = tokio::spawn(async move { store.complete_now(key, upload, request).await });
        let failed = |error| StoreError::new(StoreErrorKind::Internal, "a task failed").with_source(error);
        completing.await.map_err(failed)?
    }

    async fn complete_now(
        &self,
        key: ObjectKey,
        upload: UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
        let _held = self.0.uploads.lock(&upload).await;
        if let Some(written) = self.completed(&key, &upload) {
            return Ok(written);
        }
        let about = self.about(&key, &upload).await?;
        let staged = self.staged(&upload).await?;
        let recorded: Vec<RecordedPart> = staged.iter().map(|part| part.recorded.clone()).collect();
        let whole = multipart::assemble(about.checksum, about.explicit_checksum, &request, &recorded)?;
        let chosen: Vec<PathBuf> = staged
            .into_iter()
            .filter(|part| whole.parts.iter().any(|used| used.number == part.recorded.number.get()))
            .map(|part| part.path)
            .collect();
        let names = Names::of(&key)?;
        let draft = self.draft(&key, &names).await?;
        let (store, copied) = (self.clone(), key.clone());
        let draft = blocking(move || {
            let mut file = draft.file();
            for path in chosen {
                let mut part = File::open(&path).map_err(|error| store.unstaged(error))?;
                io::copy(&mut part, &mut file).map_err(|error| store.unwritten(&copied, error))?;
            }
            Ok(draft)
        })
        .await?;
        let written = self.publish(key.clone(), names, draft, about.attributes, request.conditions).await?;
        self.remember(&upload, &key, &written);
        // What is left here of an upload that is complete costs space, and nothing else.
        let _ = self.forget(&upload).await;
        Ok(written)
    }

    pub(super) async fn abort(&self, key: &ObjectKey, upload: &UploadId) -> Result<()> {
        let _held = self.0.uploads.lock(upload).await;
        self.about(key, upload).await?;
        self.forget(upload).await
    }

    async fn forget(&self, upload: &UploadId) -> Result<()> {
        let (store, upload) = (self.clone(), upload.clone());
        blocking(move || {
            let directory = staged::directory(&store.0.settings.staging, &upload);
            fs::remove_dir_all(directory).map_err(|error| store.unstaged(error))
        })
        .await
    }

    pub(super) async fn uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage> {
        let store = self.clone();
        let mut all = blocking(move || store.all_uploads()).await?;
        all.sort_by(|a, b| (a.key.as_str(), a.upload.as_str()).cmp(&(b.key.as_str(), b.upload.as_str())));
        let (after, upload) = (request.key_marker.as_deref(), request.upload_marker.as_ref());
        let (prefix, delimiter) = (request.prefix.as_str(), request.delimiter.as_deref());
        let query = Query { prefix, delimiter, after, limit: request.limit };
        let mut page = UploadsPage::default();
        let passed = after.and_then(|after| query.group(after));
        for info in all {
            let key = info.key.as_str();
            let follows = after.is_none_or(|after| {
                key > after || (key == after && upload.is_some_and(|upload| info.upload > *upload))
            });
            let group = query.group(key).map(str::to_owned);
            let is_same = |entry: &UploadEntry| matches!(entry, UploadEntry::CommonPrefix(last) if Some(last) == group.as_ref());
            if !key.starts_with(prefix)
                || !follows
                || (group.is_some() && group.as_deref() == passed)
                || page.entries.last().is_some_and(is_same)
            {
                continue;
            }
            if page.entries.len() == request.limit {
                page.truncated = request.limit > 0;
                break;
            }
            page.entries.push(group.map_or_else(|| UploadEntry::Upload(info), UploadEntry::CommonPrefix));
        }
        Ok(page)
    }

    fn all_uploads(&self) -> Result<Vec<UploadInfo>> {
        let staging = &self.0.settings.staging;
        let mut all = Vec::new();
        for upload in staged::uploads(staging).map_err(|error| self.unstaged(error))? {
            let about = staged::about(staging, &upload).map_err(|error| self.unstaged(error))?;
            let Some(about) = about.filter(|about| about.root == self.0.settings.root) else { continue };
            if let Ok(key) = ObjectKey::new(about.key.as_str()) {
                all.push(info(key, upload, &about));
            }
        }
        Ok(all)
    }

    /// Returns what an upload of this key was begun with.
    async fn about(&self, key: &ObjectKey, upload: &UploadId) -> Result<About> {
        let (store, id) = (self.clone(), upload.clone());
        let about = blocking(move || {
            staged::about(&store.0.settings.staging, &id).map_err(|error| store.unstaged(error))
        });
        let is_ours = |about: &About| about.root == self.0.settings.root && about.key == key.as_str();
        about.await?.filter(is_ours).ok_or_else(|| StoreErrorKind::NoSuchUpload.into())
    }

    async fn staged(&self, upload: &UploadId) -> Result<Vec<Staged>> {
        let (store, upload) = (self.clone(), upload.clone());
        blocking(move || {
            staged::parts(&store.0.settings.staging, &upload).map_err(|error| store.unstaged(error))
        })
        .await
    }

    fn completed(&self, key: &ObjectKey, upload: &UploadId) -> Option<Written> {
        let completed = self.0.completed.lock().unwrap_or_else(PoisonError::into_inner);
        completed.get(upload).filter(|(of, _)| of == key).map(|(_, written)| written.clone())
    }

    fn remember(&self, upload: &UploadId, key: &ObjectKey, written: &Written) {
        let mut completed = self.0.completed.lock().unwrap_or_else(PoisonError::into_inner);
        completed.insert(upload.clone(), (key.clone(), written.clone()));
        // Ids begin with their time: the first one is the oldest.
        if completed.len() > REMEMBERED {
            completed.pop_first();
        }
    }

    /// The error of the staging directory. What is missing there is an upload that has ended.
    fn unstaged(&self, error: io::Error) -> StoreError {
        if error.kind() == io::ErrorKind::NotFound {
            return StoreErrorKind::NoSuchUpload.into();
        }
        let staging = self.0.settings.staging.display();
        StoreError::io(format_args!("parts of uploads in {staging}"), error)
    }
}

fn info(key: ObjectKey, upload: UploadId, about: &About) -> UploadInfo {
    UploadInfo {
        key,
        upload,
        initiator: about.initiator.clone(),
        owner: None,
        initiated: about.initiated,
        checksum: about.checksum,
        explicit_checksum: about.explicit_checksum,
    }
}

/// A part that is being written. It is removed unless it has got its name.
struct PartDraft {
    file: Arc<File>,
    path: PathBuf,
}

impl PartDraft {
    async fn begin(store: LocalStore, upload: UploadId) -> Result<Self> {
        blocking(move || {
            let opened = staged::draft(&store.0.settings.staging, &upload);
            let (file, path) = opened.map_err(|error| store.unstaged(error))?;
            Ok(Self { file: Arc::new(file), path })
        })
        .await
    }
}

impl Drop for PartDraft {
    fn drop(&mut self) {
        // A part that was published has another name.
        let _ = fs::remove_file(&self.path);
    }
}
