//! One object, read by a client that may or may not have the right: decisions that depend on the object are
//! made about the very object that was opened.
//!
//! Invariant: nothing about an object leaves this module before that decision, not even which condition it
//! breaks. An operation that reads an object receives this and no store.

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

/// The storage's answer for a client that may read the object. The outer error means that the client may not,
/// or that it cannot be decided.
pub(super) type Read<T> = Result<store::Result<T>, S3Error>;

impl<'a> Reader<'a> {
    pub(super) fn new(
        context: &'a Context,
        operation: Operation,
        on: On,
        bucket: &'a Bucket,
        address: ObjectAddress<'a>,
    ) -> Self {
        let mut reader = Self { context, operation, on, bucket, address, decision: Decision::Deny };
        reader.decision = reader.decide(Resource::Object(bucket, address.key));
        reader
    }

    /// Whether the tags of the object may be shown, and counted.
    pub(super) fn shows_tags(&self) -> bool {
        decide(self.context, Action::GetObjectTagging, Resource::Object(self.bucket, self.address.key))
            == Decision::Allow
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

    /// Called before a copy reads the object, which opens it by itself.
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

    /// Decides all needs of the operation for this resource.
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
            // Which condition the object breaks is information about it, too.
            Err(_) => self.look().await?,
        };
        self.allowed(decision).map(|()| read)
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
    async fn look(&self) -> Result<Decision, S3Error> {
        match self.bucket.store().head(self.address, &Default::default()).await {
            Ok(info) => Ok(self.decide(Resource::Opened(self.bucket, self.address.key, &info))),
            Err(error) if self.is_absence(&error) => Ok(self.knows_of_nothing()),
            Err(error) => Err(error.into()),
        }
    }

    /// A client that may list the bucket may know that the object does not exist.
    fn knows_of_nothing(&self) -> Decision {
        decide(self.context, Action::ListBucket, Resource::Bucket(self.bucket))
    }
}
