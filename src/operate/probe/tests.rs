//! What is wrong with a storage is found: each flaw here is one that real storages have.

use super::*;
use crate::{
    backend::{Backend, memory::MemoryBackend},
    catalog::{BucketId, BucketRecord, NewBucket},
    model::{
        Attributes, BucketName, ObjectAddress, ObjectInfo, ObjectKey, Owner, TagSet, Timestamp, UploadId,
    },
    store::{
        CompleteUpload, Deleted, GetReply, GetRequest, Layer, ListPage, ListRequest, ListUploadsRequest,
        PutRequest, Result, Written,
        condition::{ReadConditions, WriteConditions},
        error::StoreErrorKind,
    },
};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    None,
    ConditionsIgnored,
    ConditionsRefused,
    SlashesMerged,
    BlanksTrimmed,
    OrderReversed,
    TagsForgotten,
    DeletesRefused,
    WritesRefused,
}

#[derive(Debug)]
struct Flawed {
    inner: Arc<dyn Store>,
    flaw: Flaw,
}

impl Flawed {
    fn key(&self, key: &ObjectKey) -> ObjectKey {
        let text = match self.flaw {
            Flaw::SlashesMerged => key.as_str().replace("//", "/"),
            Flaw::BlanksTrimmed => key.as_str().trim_end().to_owned(),
            _ => return key.clone(),
        };
        ObjectKey::new(text).expect("a key")
    }

    fn conditions(&self, conditions: &WriteConditions) -> Result<WriteConditions> {
        match self.flaw {
            Flaw::ConditionsIgnored => Ok(WriteConditions::default()),
            Flaw::ConditionsRefused if !conditions.is_empty() => Err(StoreErrorKind::NotImplemented.into()),
            _ => Ok(conditions.clone()),
        }
    }
}

impl Layer for Flawed {
    fn below(&self) -> &dyn Store {
        &*self.inner
    }

    async fn head(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        self.inner.head(self.key(address.key).current(), conditions).await
    }

    async fn describe(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        self.inner.describe(self.key(address.key).current(), conditions).await
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> Result<GetReply> {
        self.inner.get(self.key(address.key).current(), request).await
    }

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        // The replies are late, like those of a slow storage.
        tokio::task::yield_now().await;
        if self.flaw == Flaw::WritesRefused {
            return Err(StoreErrorKind::Internal.into());
        }
        let conditions = self.conditions(&request.conditions)?;
        let tags = if self.flaw == Flaw::TagsForgotten {
            TagSet::default()
        } else {
            request.attributes.tags.clone()
        };
        let attributes = Attributes { tags, ..request.attributes };
        self.inner.put(&self.key(key), PutRequest { attributes, conditions, ..request }).await
    }

    async fn delete(&self, address: ObjectAddress<'_>, conditions: &WriteConditions) -> Result<Deleted> {
        if self.flaw == Flaw::DeletesRefused {
            return Err(StoreErrorKind::Internal.into());
        }
        self.inner.delete(self.key(address.key).current(), &self.conditions(conditions)?).await
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        let mut page = self.inner.list(request).await?;
        if self.flaw == Flaw::OrderReversed {
            page.entries.reverse();
        }
        Ok(page)
    }

    async fn complete_upload(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
        let conditions = self.conditions(&request.conditions)?;
        self.inner.complete_upload(key, upload, CompleteUpload { conditions, ..request }).await
    }
}

/// A storage, and the same with a flaw.
async fn storage(flaw: Flaw) -> (Arc<dyn Store>, Arc<dyn Store>) {
    let name = BucketName::parse("trial").expect("a name");
    let owner = Owner { id: "o".into(), display_name: "o".into() };
    let created = Timestamp::from_millis(0);
    let bucket = NewBucket {
        name,
        owner,
        created,
        tenant: Default::default(),
        backend: "m".into(),
        location: "trial".into(),
    };
    let inner =
        MemoryBackend::new().open(&BucketRecord::new(BucketId(1), bucket)).await.expect("opens").store;
    (inner.clone(), Arc::new(Flawed { inner, flaw }))
}

/// How many objects and uploads there are.
async fn left(store: &dyn Store) -> usize {
    let objects =
        store.list(ListRequest { limit: 1000, ..Default::default() }).await.expect("listed").entries.len();
    objects
        + store
            .list_uploads(ListUploadsRequest { limit: 1000, ..Default::default() })
            .await
            .expect("listed")
            .entries
            .len()
}

/// The report on a storage with a flaw, and what is left there.
async fn tried(flaw: Flaw) -> (Report, usize) {
    let (inner, flawed) = storage(flaw).await;
    let report = probe(flawed, Depth::Everything, std::future::pending).await;
    (report, left(&*inner).await)
}

fn with(report: &Report, outcome: StepOutcome) -> Vec<&str> {
    report.steps.iter().filter(|step| step.outcome == outcome).map(|step| step.step.as_str()).collect()
}

const CONDITIONS: [&str; 5] = [
    "create only if absent",
    "of 8 creators one wins",
    "compare and swap",
    "conditional delete",
    "upload only if absent",
];

#[tokio::test]
async fn a_storage_without_flaws_has_none_and_nothing_is_left_in_it() {
    let (report, left) = tried(Flaw::None).await;
    assert_eq!(
        (report.count(StepOutcome::Failed), report.count(StepOutcome::No), left),
        (0, 0, 0),
        "{:?}",
        report.steps
    );
    assert!(
        report.complete && report.is_sound() && report.promises["conditional_writes"] == "by the storage"
    );
}

#[tokio::test]
async fn conditions_that_are_ignored_fail_and_those_that_are_refused_do_not() {
    let (ignored, left) = tried(Flaw::ConditionsIgnored).await;
    assert_eq!((with(&ignored, StepOutcome::Failed), left), (CONDITIONS.to_vec(), 0));
    let (refused, left) = tried(Flaw::ConditionsRefused).await;
    assert_eq!((with(&refused, StepOutcome::No), refused.is_sound(), left), (CONDITIONS.to_vec(), true, 0));
}

#[tokio::test]
async fn keys_that_come_back_as_others_fail_and_are_removed() {
    let (report, left) = tried(Flaw::SlashesMerged).await;
    assert_eq!(
        (with(&report, StepOutcome::Failed), left),
        (vec!["key \"a//b\"", "key \"/a\"", "no other key appears"], 0)
    );
    let (report, left) = tried(Flaw::BlanksTrimmed).await;
    assert_eq!((with(&report, StepOutcome::Failed), left), (vec!["key \" x \"", "no other key appears"], 0));
}

#[tokio::test]
async fn a_wrong_order_of_listings_fails() {
    let (report, _) = tried(Flaw::OrderReversed).await;
    assert!(with(&report, StepOutcome::Failed).contains(&"order of listings"));
}

#[tokio::test]
async fn tags_that_are_forgotten_fail() {
    let (report, _) = tried(Flaw::TagsForgotten).await;
    assert_eq!(with(&report, StepOutcome::Failed), ["tags"]);
}

#[tokio::test]
async fn what_cannot_be_removed_is_told() {
    let (report, left) = tried(Flaw::DeletesRefused).await;
    let failed = with(&report, StepOutcome::Failed);
    assert!(left > 0 && failed.contains(&"delete") && failed.contains(&"clean up"), "{failed:?}");
}

#[tokio::test]
async fn of_a_storage_that_takes_nothing_nothing_more_is_tried_or_promised() {
    let (report, left) = tried(Flaw::WritesRefused).await;
    assert_eq!(
        report.steps.iter().map(|step| step.step.as_str()).collect::<Vec<_>>(),
        ["reach and list", "write", "clean up"]
    );
    assert!(!report.complete && !report.is_sound() && report.promises.is_empty() && left == 0);
}

#[tokio::test]
async fn an_interrupted_trial_removes_what_it_wrote() {
    let (inner, store) = storage(Flaw::None).await;
    // Stops once something was written, and not again.
    let stopped = std::sync::atomic::AtomicBool::new(false);
    let stop = async || {
        if stopped.swap(true, std::sync::atomic::Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        while left(&*inner).await == 0 {
            tokio::task::yield_now().await;
        }
    };
    let report = probe(store, Depth::Everything, stop).await;
    let last: Vec<&str> = report.steps.iter().rev().take(2).map(|step| step.step.as_str()).collect();
    assert_eq!((last, left(&*inner).await), (vec!["clean up", "interrupted"], 0));
    assert!(!report.complete && !report.is_sound());
}
