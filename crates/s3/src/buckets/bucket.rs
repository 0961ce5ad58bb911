//! An open bucket: its record, its settings and the stores behind it.
//!
//! Owns nothing that changes but the settings in force. The table of open buckets replaces a bucket whose owner
//! or grants change.

use super::{
    accounts::AccountsInForce,
    settings::{
        BucketAcl, BucketSettings, Location, Payer, PublicAccessBlock, RequestPayment, SettingsInForce,
    },
};
use crate::{
    backend::{OpenedBucket, Upkeep},
    catalog::{BucketId, BucketRecord},
    model::{Acl, BucketName, Grants, Owner, PublicAccess, Timestamp, account_id},
    store::Store,
};
use std::{
    fmt,
    sync::{Arc, OnceLock},
};

/// An open bucket.
pub struct Bucket {
    pub(super) record: BucketRecord,
    /// Shared with the bucket that replaces this one when its owner or grants change, so that no setting is
    /// lost.
    pub(super) settings: Arc<SettingsInForce>,
    pub(super) grants: Arc<Grants>,
    /// The account id of the owner, once it was asked for.
    pub(super) account: OnceLock<Arc<str>>,
    /// What the account of the owner has set for all of its buckets.
    pub(super) accounts: AccountsInForce,
    /// The bucket as its backend opened it.
    pub(super) base: OpenedBucket,
    /// The same, or while the bucket migrates the layer over both places.
    pub(super) opened: OpenedBucket,
    /// Shared by all that have the bucket as it was opened: when a layer is put over it, those before it are
    /// known to have ended once nobody holds this.
    pub(super) held: Arc<()>,
}

impl Bucket {
    pub fn id(&self) -> BucketId {
        self.record.id
    }

    pub fn record(&self) -> &BucketRecord {
        &self.record
    }

    pub fn name(&self) -> &BucketName {
        &self.record.bucket.name
    }

    pub fn owner(&self) -> &Owner {
        &self.record.bucket.owner
    }

    /// The account that the bucket belongs to, as policies name it.
    pub fn account(&self) -> &str {
        self.account.get_or_init(|| account_id(&self.owner().id))
    }

    pub fn created(&self) -> Timestamp {
        self.record.bucket.created
    }

    /// The current settings made by clients. A request that calls this once sees one state of them.
    pub fn settings(&self) -> Arc<BucketSettings> {
        self.settings.now()
    }

    pub fn location(&self) -> Arc<str> {
        self.settings.read(|settings| settings.get::<Location>().clone())
    }

    pub fn acl(&self) -> Acl {
        self.settings.read(|settings| settings.get::<BucketAcl>().clone())
    }

    /// Who pays for requests.
    pub fn payer(&self) -> Payer {
        self.settings.read(|settings| *settings.get::<RequestPayment>())
    }

    /// The block of public access that is in force: a rule of the bucket, or of its account.
    pub fn public_access(&self) -> PublicAccess {
        let own = self.settings.read(|settings| *settings.get::<PublicAccessBlock>()).unwrap_or_default();
        own.and(self.accounts.public_access(&self.owner().id))
    }

    /// The rights of others than the owner.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.opened.store
    }

    /// The store without caches: it returns the current state of the storage.
    pub fn uncached(&self) -> &Arc<dyn Store> {
        &self.opened.uncached
    }

    pub fn upkeep(&self) -> &dyn Upkeep {
        &*self.opened.upkeep
    }

    /// A copy of the open bucket, to be changed where it differs.
    pub(super) fn again(&self) -> Self {
        let Self { record, settings, grants, account: _, accounts, base, opened, held } = self;
        Self {
            record: record.clone(),
            settings: settings.clone(),
            grants: grants.clone(),
            // It follows from the owner, which may be what changes.
            account: OnceLock::new(),
            accounts: accounts.clone(),
            base: base.clone(),
            opened: opened.clone(),
            held: held.clone(),
        }
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bucket").field(self.name()).finish()
    }
}
