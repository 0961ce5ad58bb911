//! One bucket behind the metadata cache.

use super::{
    counts::RequestKind,
    current::is_current,
    entries::{Depth, KnownObject},
    space::{Found, Space, Touched},
};
use crate::{
    model::{CacheUse, Notes, ObjectAddress, ObjectInfo, ObjectKey, PartNumber, UploadId},
    store::{
        Change, CompleteUpload, CopyPartRequest, CopyRequest, DeleteRequest, Deleted, GetReply, GetRequest,
        Layer, ListPage, ListRequest, NativeSource, PartWritten, PutRequest, Result, Store, Written,
        condition::{ReadConditions, WriteConditions},
        error::StoreErrorKind,
    },
};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct CachedStore {
    below: Arc<dyn Store>,
    space: Arc<Space>,
}

impl CachedStore {
    pub(super) fn new(below: Arc<dyn Store>, space: Arc<Space>) -> Self {
        Self { below, space }
    }

    async fn look(&self, key: &ObjectKey, conditions: &ReadConditions, depth: Depth) -> Result<ObjectInfo> {
        let kind = match depth {
            Depth::Head => RequestKind::Head,
            Depth::Whole => RequestKind::Describe,
        };
        let (seen, used) = match self.space.object(key, depth) {
            Found::Fresh(seen) => (Ok(seen), CacheUse::Hit),
            older => match (self.ask(key, depth).await, older) {
                // Stale answers are for heads only: copies take tags from `describe`, and no write may depend
                // on stale data.
                (Err(error), Found::Old(seen @ Some(_))) if error.is_temporary() && depth == Depth::Head => {
                    (Ok(seen), CacheUse::Stale)
                }
                (asked, _) => (asked, CacheUse::Miss),
            },
        };
        self.space.count(kind, used);
        let info = seen?.ok_or(StoreErrorKind::NoSuchKey)?;
        conditions.check(&info.etag, info.last_modified)?;
        Ok(ObjectInfo { notes: Notes { cache: Some(used), ..info.notes.clone() }, ..(*info).clone() })
    }

    /// Returns the storage's answer, and keeps it if that is allowed. Concurrent callers share one question.
    async fn ask(&self, key: &ObjectKey, depth: Depth) -> Result<KnownObject> {
        let Some(drawn) = self.space.draw(key) else { return ask(&*self.below, key, depth).await };
        let question = self.space.asks_object(key, depth, drawn);
        let ask = || {
            let (below, space, key) = (self.below.clone(), self.space.clone(), key.clone());
            Box::pin(async move {
                // The answer may have arrived between the check and this question.
                if let Found::Fresh(seen) = space.object(&key, depth) {
                    return Ok(seen);
                }
                let seen = ask(&*below, &key, depth).await?;
                space.keep_object(&key, drawn, &seen, depth);
                Ok(seen)
            }) as _
        };
        self.space.cache().objects.join(question, ask).await
    }

    async fn ask_page(&self, request: &Arc<ListRequest>) -> Result<Arc<ListPage>> {
        let Some(drawn) = self.space.draw_page() else {
            return self.below.list((**request).clone()).await.map(Arc::new);
        };
        let question = self.space.asks_page(request, drawn);
        let ask = || {
            let (below, space, request) = (self.below.clone(), self.space.clone(), request.clone());
            Box::pin(async move {
                if let Found::Fresh(page) = space.page(&request) {
                    return Ok(page);
                }
                let page = Arc::new(below.list((*request).clone()).await?);
                space.keep_page(&request, drawn, &page);
                Ok(page)
            }) as _
        };
        self.space.cache().pages.join(question, ask).await
    }
}

async fn ask(below: &dyn Store, key: &ObjectKey, depth: Depth) -> Result<KnownObject> {
    let all = ReadConditions::default();
    let asked = match depth {
        Depth::Head => below.head(key.current(), &all).await,
        Depth::Whole => below.describe(key.current(), &all).await,
    };
    match asked {
        Ok(info) => Ok(seen(&info)),
        Err(error) if error.kind() == StoreErrorKind::NoSuchKey => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns a reply in the form in which it is kept: notes on how it was obtained belong to that reply only.
fn seen(info: &ObjectInfo) -> KnownObject {
    Some(Arc::new(ObjectInfo { notes: Notes::default(), ..info.clone() }))
}

impl Layer for CachedStore {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    async fn head(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        if is_current(&*self.below, address) {
            self.look(address.key, conditions, Depth::Head).await
        } else {
            self.below.head(address, conditions).await
        }
    }

    async fn describe(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        if is_current(&*self.below, address) {
            self.look(address.key, conditions, Depth::Whole).await
        } else {
            self.below.describe(address, conditions).await
        }
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> Result<GetReply> {
        if !is_current(&*self.below, address) {
            return self.below.get(address, request).await;
        }
        let key = address.key;
        let kept = self.space.object(key, Depth::Head);
        if let Found::Fresh(seen) = &kept {
            let verdict = match seen {
                Some(info) => request.conditions.check(&info.etag, info.last_modified),
                None => Err(StoreErrorKind::NoSuchKey),
            };
            if let Err(kind) = verdict {
                self.space.count(RequestKind::Get, CacheUse::Hit);
                return Err(kind.into());
            }
        }
        let (drawn, conditions) = (self.space.draw(key), request.conditions.clone());
        let keep = |seen: &KnownObject| {
            if let Some(drawn) = drawn {
                self.space.keep_object(key, drawn, seen, Depth::Head);
            }
        };
        let mut outcome = CacheUse::Miss;
        let reply = match self.below.get(address, request).await {
            Ok(mut reply) => {
                keep(&seen(&reply.info));
                reply.info.notes.cache = Some(outcome);
                Ok(reply)
            }
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => {
                keep(&None);
                Err(error)
            }
            Err(error) => match kept {
                Found::Old(Some(info))
                    if error.is_temporary()
                        && conditions.check(&info.etag, info.last_modified)
                            == Err(StoreErrorKind::NotModified) =>
                {
                    outcome = CacheUse::Stale;
                    Err(StoreErrorKind::NotModified.into())
                }
                _ => Err(error),
            },
        };
        self.space.count(RequestKind::Get, outcome);
        reply
    }

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        let writing = self.space.write(key, Touched::ObjectAndListing);
        writing.settle(self.below.put(key, request).await)
    }

    async fn copy(&self, key: &ObjectKey, request: CopyRequest) -> Result<Written> {
        let writing = self.space.write(key, Touched::ObjectAndListing);
        writing.settle(self.below.copy(key, request).await)
    }

    async fn delete(&self, address: ObjectAddress<'_>, conditions: &WriteConditions) -> Result<Deleted> {
        let writing = self.space.write(address.key, Touched::ObjectAndListing);
        writing.settle(self.below.delete(address, conditions).await)
    }

    async fn delete_all(&self, requests: Vec<DeleteRequest>) -> Vec<Result<Deleted>> {
        let begin = |request: &DeleteRequest| self.space.write(&request.key, Touched::ObjectAndListing);
        let writings: Vec<_> = requests.iter().map(begin).collect();
        let outcomes = self.below.delete_all(requests).await;
        writings.into_iter().zip(outcomes).map(|(writing, outcome)| writing.settle(outcome)).collect()
    }

    async fn update(&self, address: ObjectAddress<'_>, change: Change) -> Result<()> {
        let writing = self.space.write(address.key, Touched::Object);
        writing.settle(self.below.update(address, change).await)
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        if request.limit == 0 {
            // This request cannot be cached.
            return self.below.list(request).await;
        }
        let request = Arc::new(request);
        let (page, used) = match self.space.page(&request) {
            Found::Fresh(page) => (Ok(page), CacheUse::Hit),
            older => match (self.ask_page(&request).await, older) {
                (Err(error), Found::Old(page)) if error.is_temporary() => (Ok(page), CacheUse::Stale),
                (asked, _) => (asked, CacheUse::Miss),
            },
        };
        self.space.count(RequestKind::List, used);
        Ok(ListPage { cache: Some(used), ..Arc::unwrap_or_clone(page?) })
    }

    async fn copy_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        request: CopyPartRequest,
    ) -> Result<PartWritten> {
        self.below.copy_part(key, upload, number, request).await
    }

    async fn complete_upload(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
        let writing = self.space.write(key, Touched::ObjectAndListing);
        writing.settle(self.below.complete_upload(key, upload, request).await)
    }

    /// Passes on the source below: the metadata cache holds no bytes.
    fn native_source(&self) -> Option<NativeSource<'_>> {
        self.below.native_source()
    }
}
