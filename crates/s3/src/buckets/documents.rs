//! Changes the settings of an open bucket, and reads them again after others changed them.
//!
//! The catalog's documents are the truth. What a document means is in `settings`.
//!
//! Invariant: settings are in force only after the catalog has them.

use super::{
    Buckets,
    bucket::Bucket,
    error::BucketError,
    settings::{BucketSettings, Registered, document},
};
use crate::catalog::{CatalogError, CatalogErrorKind, Expected};

impl Buckets {
    /// Replaces a document of a bucket, whatever it contained: in S3, the last writer wins.
    pub async fn set<K: Registered>(&self, bucket: &Bucket, value: &K::Value) -> Result<(), BucketError> {
        let gone = |error: CatalogError| match error.kind() {
            CatalogErrorKind::NotFound => BucketError::NoSuchBucket,
            _ => error.into(),
        };
        match document::<K>(value) {
            Some(document) => {
                self.catalog().set_document(bucket.id(), Expected::Any, document).await.map_err(gone)?;
            }
            None => {
                self.catalog().delete_document(bucket.id(), K::NAME, Expected::Any).await.map_err(gone)?;
            }
        }
        self.read_settings(bucket).await
    }

    /// Puts changes by others since the last read in force. Returns whether there were any.
    pub async fn refresh(&self, bucket: &Bucket) -> Result<bool, BucketError> {
        let stored =
            self.catalog().documents_revision(bucket.id()).await?.ok_or(BucketError::NoSuchBucket)?;
        let has_moved = bucket.settings.are_older_than(stored);
        if has_moved {
            self.read_settings(bucket).await?;
        }
        Ok(has_moved)
    }

    async fn read_settings(&self, bucket: &Bucket) -> Result<(), BucketError> {
        let documents = self.catalog().documents(bucket.id()).await?.ok_or(BucketError::NoSuchBucket)?;
        bucket.settings.advance(BucketSettings::parse(&documents)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backend::{Backend, memory::MemoryBackend},
        buckets::{CreateBucket, Setup, settings::Acl},
        catalog::{NewDocument, sqlite::SqliteCatalog},
        model::{BucketName, CannedAcl, Owner},
        store::Durability,
    };
    use std::sync::Arc;
    use tempfile::TempDir;

    /// A gateway over the catalog in a directory.
    fn gateway(dir: &TempDir) -> Arc<Buckets> {
        let catalog = SqliteCatalog::open(dir.path(), Durability::Relaxed).expect("a catalog");
        let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let backends = [("memory".to_owned(), memory)].into();
        Arc::new(Buckets::of(
            Arc::new(catalog),
            Setup { backends, default_backend: Some("memory".to_owned()), ..Setup::default() },
        ))
    }

    async fn photos(buckets: &Arc<Buckets>) -> Arc<Bucket> {
        let owner = Owner { id: "alice".into(), display_name: "alice".into() };
        let name = BucketName::parse("photos").expect("a name");
        let create =
            CreateBucket { name, owner, acl: CannedAcl::PublicRead, ownership: None, location: "EU".into() };
        buckets.create(create).await.expect("made")
    }

    #[tokio::test]
    async fn what_was_set_when_a_bucket_was_made_or_later_is_there_when_it_is_opened_again() {
        let dir = TempDir::new().expect("a directory");
        let buckets = gateway(&dir);
        let made = photos(&buckets).await;
        assert_eq!((made.acl(), &*made.location()), (CannedAcl::PublicRead, "EU"));
        buckets.set::<Acl>(&made, &CannedAcl::AuthenticatedRead).await.expect("set");
        assert_eq!(made.acl(), CannedAcl::AuthenticatedRead);
        let again = gateway(&dir).get(made.name()).await.expect("opened");
        assert_eq!((again.acl(), &*again.location()), (CannedAcl::AuthenticatedRead, "EU"));
        buckets.set::<Acl>(&made, &CannedAcl::Private).await.expect("set");
        assert_eq!(gateway(&dir).get(made.name()).await.expect("opened").acl(), CannedAcl::Private);
    }

    #[tokio::test]
    async fn what_another_gateway_has_set_is_in_force_after_a_refresh() {
        let dir = TempDir::new().expect("a directory");
        let (one, other) = (gateway(&dir), gateway(&dir));
        let ours = photos(&one).await;
        let theirs = other.get(ours.name()).await.expect("opened");
        assert!(!one.refresh(&ours).await.expect("nothing has moved"));
        other.set::<Acl>(&theirs, &CannedAcl::PublicReadWrite).await.expect("set");
        assert_eq!(ours.acl(), CannedAcl::PublicRead);
        assert!(one.refresh(&ours).await.expect("it has moved"));
        assert_eq!((ours.acl(), &*ours.location()), (CannedAcl::PublicReadWrite, "EU"));
        assert!(!one.refresh(&ours).await.expect("nothing has moved since"));
        one.catalog().delete_bucket(ours.id()).await.expect("deleted");
        for outcome in
            [other.refresh(&theirs).await.map(drop), other.set::<Acl>(&theirs, &CannedAcl::PublicRead).await]
        {
            assert!(matches!(outcome, Err(BucketError::NoSuchBucket)), "{outcome:?}");
        }
    }

    #[tokio::test]
    async fn a_bucket_with_settings_that_are_not_understood_is_not_opened() {
        let dir = TempDir::new().expect("a directory");
        let buckets = gateway(&dir);
        let made = photos(&buckets).await;
        let unknown = NewDocument { kind: "of a later release".into(), body: "{}".into() };
        buckets.catalog().set_document(made.id(), Expected::ABSENT, unknown).await.expect("set");
        let refused = gateway(&dir).get(made.name()).await.expect_err("a later release's");
        let BucketError::Store(error) = &refused else { panic!("{refused:?}") };
        assert!(
            std::error::Error::source(error)
                .expect("a cause")
                .to_string()
                .contains("of kind 'of a later release'"),
            "{error:?}"
        );
        assert!(buckets.refresh(&made).await.is_err());
        assert_eq!(made.acl(), CannedAcl::PublicRead, "what was in force stays");
    }
}
