//! One object, read by a client that may or may not have the right: decisions that depend on the object are
//! made about the very object that was opened.
//!
//! Invariant: nothing about an object leaves this module before that decision, not even which condition it
//! breaks, or that it does not exist. An operation that reads an object receives this and no store.

use super::{
    abilities::Abilities,
    action::Action,
    asker::Asker,
    error::S3Error,
    gate::{self, Decision, decide},
    operation::{On, Operation},
    resource::Resource,
};
use crate::{
    buckets::Bucket,
    model::{ObjectAddress, ObjectInfo},
    store::{
        self, GetReply, GetRequest,
        condition::ReadConditions,
        error::{StoreError, StoreErrorKind},
    },
};
use std::borrow::Cow;

#[derive(Debug)]
pub(super) struct Reader<'a> {
    asker: Asker<'a>,
    operation: Operation,
    /// Which of the operation's needs are about this object.
    on: On,
    bucket: &'a Bucket,
    address: ObjectAddress<'a>,
    /// What can be said before the object is opened.
    decision: Decision,
}

/// The storage's answer for a client that may read the object. The outer error means that the client may not,
/// or that it cannot be decided.
pub(super) type Read<T> = Result<store::Result<T>, S3Error>;

impl<'a> Reader<'a> {
    pub(super) fn new(
        asker: Asker<'a>,
        operation: Operation,
        on: On,
        bucket: &'a Bucket,
        address: ObjectAddress<'a>,
    ) -> Self {
        let mut reader = Self { asker, operation, on, bucket, address, decision: Decision::Deny };
        reader.decision = reader.decide(reader.unopened());
        reader
    }

    pub(super) fn bucket(&self) -> &'a Bucket {
        self.bucket
    }

    /// Whether the number of tags of an object that was opened may be shown. Where the tags themselves decide
    /// about that, it is not.
    pub(super) fn shows_tags(&self, info: &ObjectInfo) -> bool {
        const TAGS: Action = Action::GetObjectTagging;
        if info.tag_count == 0 {
            return false;
        }
        match decide(&self.asker, TAGS, self.unopened()) {
            Decision::Depends if gate::reads_tags(&self.asker, [TAGS].into_iter(), self.bucket) => false,
            Decision::Depends => decide(&self.asker, TAGS, self.opened(info)) == Decision::Allow,
            decided => decided == Decision::Allow,
        }
    }

    /// Called before a copy opens its source by itself, like `allow`. Returns whether the client may read the
    /// tags of the object that is there now.
    pub(super) async fn allow_copy(&self) -> Result<bool, S3Error> {
        const TAGS: Action = Action::GetObjectTagging;
        let tags = decide(&self.asker, TAGS, self.unopened());
        if ![self.decision, tags].contains(&Decision::Depends) {
            return self.allow().await.map(|()| tags == Decision::Allow);
        }
        match self.describe(&Default::default()).await? {
            Ok(info) => Ok(decide(&self.asker, TAGS, self.opened(&info)) == Decision::Allow),
            // The copy itself says so.
            Err(error)
                if matches!(error.kind(), StoreErrorKind::NoSuchKey | StoreErrorKind::NoSuchVersion) =>
            {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn get(&self, request: GetRequest) -> Read<GetReply> {
        self.refuse_early()?;
        let opened = self.bucket.store().get(self.address, request).await;
        self.allow_read(opened.as_ref().map(|reply| &reply.info)).await?;
        Ok(opened)
    }

    pub(super) async fn head(&self, conditions: &ReadConditions) -> Read<ObjectInfo> {
        self.refuse_early()?;
        let found = self.bucket.store().head(self.address, conditions).await;
        self.allow_read(found.as_ref()).await?;
        Ok(found)
    }

    pub(super) async fn describe(&self, conditions: &ReadConditions) -> Read<ObjectInfo> {
        self.refuse_early()?;
        let found = self.bucket.store().describe(self.address, conditions).await;
        self.allow_read(found.as_ref()).await?;
        Ok(found)
    }

    /// Called before an operation that opens the object by itself: a copy, or a change of its tags. What it
    /// opens may be a newer object.
    pub(super) async fn allow(&self) -> Result<(), S3Error> {
        match self.decision {
            Decision::Depends => self.describe(&Default::default()).await?.map(drop).map_err(S3Error::from),
            decided => self.allowed(decided, self.unopened()),
        }
    }

    /// Whether the client may know that there is no such object.
    pub(super) fn may_miss(&self) -> bool {
        gate::may_miss(&self.asker, self.bucket, self.address.key)
    }

    fn unopened(&self) -> Resource<'a> {
        Resource::Object(self.bucket, self.address)
    }

    fn opened<'o>(&'o self, info: &'o ObjectInfo) -> Resource<'o> {
        Resource::Opened(self.bucket, self.address, info)
    }

    fn refuse_early(&self) -> Result<(), S3Error> {
        if self.decision == Decision::Deny { Err(self.denied(self.unopened())) } else { Ok(()) }
    }

    fn allowed(&self, decision: Decision, resource: Resource<'_>) -> Result<(), S3Error> {
        if decision == Decision::Allow { Ok(()) } else { Err(self.denied(resource)) }
    }

    /// The refusal, which the log explains by the first action that is not allowed.
    fn denied(&self, resource: Resource<'_>) -> S3Error {
        let is_denied = |action: &Action| decide(&self.asker, *action, resource) != Decision::Allow;
        let action = self.actions().find(is_denied).unwrap_or(Action::ListBucket);
        gate::denied(&self.asker, action, resource)
    }

    /// What the operation does to this object.
    fn actions(&self) -> impl Iterator<Item = Action> {
        self.operation.facts().needs.iter().filter(|need| need.on == self.on).map(|need| need.action)
    }

    /// Decides all needs of the operation for this resource.
    fn decide(&self, resource: Resource<'_>) -> Decision {
        let decisions = self.actions().map(|action| gate::judge(&self.asker, action, resource));
        decisions.reduce(Decision::and).unwrap_or(Decision::Deny)
    }

    /// Decides whether the client may have what the storage answered. What looks again is boxed: most reads are
    /// decided without it.
    async fn allow_read(&self, read: std::result::Result<&ObjectInfo, &StoreError>) -> Result<(), S3Error> {
        if let Err(error) = read
            && self.is_absence(error)
        {
            return if self.may_miss() { Ok(()) } else { Err(self.denied(self.unopened())) };
        }
        if self.decision == Decision::Allow {
            return Ok(());
        }
        match read {
            Ok(info) => Box::pin(self.allow_opened(info)).await,
            Err(error) if error.kind() == StoreErrorKind::NoSuchVersion => Ok(()),
            // Which condition the object breaks is information about it, too.
            Err(_) => Box::pin(self.look()).await,
        }
    }

    async fn allow_opened(&self, info: &ObjectInfo) -> Result<(), S3Error> {
        let info = self.with_tags(info).await?;
        self.allowed(self.decide(self.opened(&info)), self.opened(&info))
    }

    /// Whether an error says that there is no such object. Where no versions are kept, every id but `null` is
    /// unknown, whatever the bucket holds: that says nothing of the object.
    fn is_absence(&self, error: &StoreError) -> bool {
        match error.kind() {
            StoreErrorKind::NoSuchKey => true,
            StoreErrorKind::NoSuchVersion => Abilities::of(self.bucket).keeps_versions(),
            _ => false,
        }
    }

    /// Decides about the object that is there now.
    async fn look(&self) -> Result<(), S3Error> {
        match self.bucket.store().head(self.address, &Default::default()).await {
            Ok(info) => self.allow_opened(&info).await,
            Err(error) if self.is_absence(&error) => self.allowed(self.may_miss().into(), self.unopened()),
            Err(error) => Err(error.into()),
        }
    }

    /// An object with its tags, if they decide: some storages keep them elsewhere. They have to be those of
    /// the object that was opened, so another one that is there by now is an error that passes.
    async fn with_tags<'i>(&self, info: &'i ObjectInfo) -> Result<Cow<'i, ObjectInfo>, S3Error> {
        let is_complete = info.attributes.tags.len() == info.tag_count;
        if is_complete || !gate::reads_tags(&self.asker, self.actions(), self.bucket) {
            return Ok(Cow::Borrowed(info));
        }
        let described = self.bucket.store().describe(self.address, &Default::default()).await?;
        if described.etag != info.etag || described.last_modified != info.last_modified {
            let why = "the object was overwritten while its tags were read";
            return Err(StoreError::new(StoreErrorKind::Busy, why).into());
        }
        Ok(Cow::Owned(described))
    }
}
