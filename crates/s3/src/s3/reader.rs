//! One object, read by somebody who may or may not: what depends on the object is decided about the very object that was opened.
//!
//! Invariant: nothing of an object leaves here, not even which condition it breaks, before that was decided. An operation that reads an
//! object is handed this and no store.

use super::{
    abilities::Abilities,
    action::Action,
    context::Context,
    error::S3Error,
    gate::{self, Decision, Resource, decide},
    operation::{On, Operation},
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

#[derive(Debug)]
pub(super) struct Reader<'a> {
    context: &'a Context,
    operation: Operation,
    /// Which of the operation's needs are about this object.
    on: On,
    bucket: &'a Bucket,
    address: ObjectAddress<'a>,
    /// What can be said before the object is opened.
    decision: Decision,
}

/// What the storage answers to somebody who may read it. The outer error: he may not, or it cannot be decided.
pub(super) type Read<T> = Result<store::Result<T>, S3Error>;

impl<'a> Reader<'a> {
    pub(super) fn new(context: &'a Context, operation: Operation, on: On, bucket: &'a Bucket, address: ObjectAddress<'a>) -> Self {
        let mut reader = Self { context, operation, on, bucket, address, decision: Decision::Deny };
        reader.decision = reader.decide(Resource::Object(bucket, address.key));
        reader
    }

    /// Whether the tags of the object may be shown, and counted.
    pub(super) fn shows_tags(&self) -> bool {
        decide(self.context, Action::GetObjectTagging, Resource::Object(self.bucket, self.address.key)) == Decision::Allow
    }

    pub(super) async fn get(&self, request: GetRequest) -> Read<GetReply> {
        self.refuse_early()?;
        let opened = self.bucket.store().get(self.address, request).await;
        self.decided(opened, |reply| &reply.info).await
    }

    pub(super) async fn head(&self, conditions: &ReadConditions) -> Read<ObjectInfo> {
        self.refuse_early()?;
        let found = self.bucket.store().head(self.address, conditions).await;
        self.decided(found, |info| info).await
    }

    pub(super) async fn describe(&self, conditions: &ReadConditions) -> Read<ObjectInfo> {
        self.refuse_early()?;
        let found = self.bucket.store().describe(self.address, conditions).await;
        self.decided(found, |info| info).await
    }

    /// Before a copy reads it, which opens it by itself.
    pub(super) async fn allow(&self) -> Result<(), S3Error> {
        match self.decision {
            Decision::Depends => self.allowed(self.look().await?),
            decided => self.allowed(decided),
        }
    }

    fn refuse_early(&self) -> Result<(), S3Error> {
        if self.decision == Decision::Deny { Err(self.denied()) } else { Ok(()) }
    }

    fn allowed(&self, decision: Decision) -> Result<(), S3Error> {
        if decision == Decision::Allow { Ok(()) } else { Err(self.denied()) }
    }

    fn denied(&self) -> S3Error {
        gate::denied(self.context, Resource::Object(self.bucket, self.address.key))
    }

    /// All that the operation needs of this resource.
    fn decide(&self, resource: Resource<'_>) -> Decision {
        let needs = self.operation.facts().needs.iter().filter(|need| need.on == self.on);
        let decisions = needs.map(|need| decide(self.context, need.action, resource));
        decisions.reduce(Decision::and).unwrap_or(Decision::Deny)
    }

    async fn decided<T>(&self, read: store::Result<T>, info: impl Fn(&T) -> &ObjectInfo) -> Read<T> {
        if self.decision == Decision::Allow {
            return Ok(read);
        }
        let decision = match &read {
            Ok(found) => self.decide(Resource::Opened(self.bucket, self.address.key, info(found))),
            Err(error) if self.is_absence(error) => self.knows_of_nothing(),
            Err(error) if error.kind() == StoreErrorKind::NoSuchVersion => return Ok(read),
            // A condition that it breaks says something about it, too.
            Err(_) => self.look().await?,
        };
        self.allowed(decision).map(|()| read)
    }

    /// Whether an error says that there is no such object. Where no versions are kept, every id but `null` is unknown, whatever the
    /// bucket holds: that says nothing of the object.
    fn is_absence(&self, error: &StoreError) -> bool {
        match error.kind() {
            StoreErrorKind::NoSuchKey => true,
            StoreErrorKind::NoSuchVersion => Abilities::of(self.bucket).keeps_versions(),
            _ => false,
        }
    }

    /// What is decided about the object that is there now.
    async fn look(&self) -> Result<Decision, S3Error> {
        match self.bucket.store().head(self.address, &Default::default()).await {
            Ok(info) => Ok(self.decide(Resource::Opened(self.bucket, self.address.key, &info))),
            Err(error) if self.is_absence(&error) => Ok(self.knows_of_nothing()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whoever may list may know that there is nothing.
    fn knows_of_nothing(&self) -> Decision {
        decide(self.context, Action::ListBucket, Resource::Bucket(self.bucket))
    }
}
