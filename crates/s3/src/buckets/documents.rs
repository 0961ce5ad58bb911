//! Changes the settings of an open bucket, and reads them again after others changed them.
//!
//! The catalog's documents are the truth. What a document means is in `settings`.
//!
//! Invariant: settings are in force only after the catalog has them.

use super::{
    Buckets,
    bucket::Bucket,
    error::BucketError,
    settings::{BucketSettings, Cors, Registered, SettingsError, document},
};
use crate::{
    catalog::{CatalogError, CatalogErrorKind, Expected, Revision},
    model::{BucketName, CorsRules},
};

impl Buckets {
    /// Replaces a document of a bucket, whatever it contained: in S3, the last writer wins.
    pub async fn set<K: Registered>(&self, bucket: &Bucket, value: &K::Value) -> Result<(), BucketError> {
        self.store::<K>(bucket, value, Expected::Any).await.map_err(gone)?;
        self.read_settings(bucket).await
    }

    /// Replaces a document by what is made of it. If another request changed it meanwhile, it is read again.
    pub async fn change<K, E>(
        &self,
        bucket: &Bucket,
        make: impl Fn(&K::Value) -> Result<K::Value, E>,
    ) -> Result<(), E>
    where
        K: Registered,
        E: From<BucketError>,
    {
        loop {
            let found = self.catalog().document(bucket.id(), K::NAME).await.map_err(BucketError::from)?;
            let (revision, value) = match found {
                Some(found) => (found.revision, read::<K>(&found.body)?),
                None => (Revision::NONE, K::Value::default()),
            };
            match self.store::<K>(bucket, &make(&value)?, Expected::Exactly(revision)).await {
                Ok(()) => return Ok(self.read_settings(bucket).await?),
                Err(error) if error.kind() == CatalogErrorKind::Conflict => {}
                Err(error) => return Err(gone(error).into()),
            }
        }
    }

    async fn store<K: Registered>(
        &self,
        bucket: &Bucket,
        value: &K::Value,
        expected: Expected,
    ) -> Result<(), CatalogError> {
        match document::<K>(value) {
            Some(document) => self.catalog().set_document(bucket.id(), expected, document).await.map(drop),
            None => self.catalog().delete_document(bucket.id(), K::NAME, expected).await.map(drop),
        }
    }

    /// The CORS rules for requests on a bucket, which need not exist: those of its document, or else those of
    /// the configuration. Without a name, those of the configuration. The storage behind the bucket is not
    /// asked: a page is told that it fails.
    pub async fn cors(&self, name: Option<&str>) -> Result<CorsRules, BucketError> {
        let Some(name) = name.and_then(|name| BucketName::parse(name).ok()) else {
            return Ok(self.setup().cors.clone());
        };
        let settings = match self.opened(&name) {
            Some(bucket) => Some(bucket.settings()),
            None => match self.catalog().bucket(&name).await? {
                Some(record) => Some(BucketSettings::parse(&record.documents)?.into()),
                None => None,
            },
        };
        Ok(self.or_default(settings.map(|settings| settings.get::<Cors>().clone())))
    }

    /// The same, as far as memory tells it: none for a bucket that is not open.
    pub fn cors_at_once(&self, name: Option<&str>) -> CorsRules {
        let Some(name) = name.and_then(|name| BucketName::parse(name).ok()) else {
            return self.setup().cors.clone();
        };
        let Some(bucket) = self.opened(&name) else { return CorsRules::default() };
        self.or_default(Some(bucket.settings().get::<Cors>().clone()))
    }

    fn or_default(&self, rules: Option<CorsRules>) -> CorsRules {
        rules.filter(|rules| !rules.is_empty()).unwrap_or_else(|| self.setup().cors.clone())
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

fn gone(error: CatalogError) -> BucketError {
    match error.kind() {
        CatalogErrorKind::NoSuchBucket => BucketError::NoSuchBucket,
        _ => error.into(),
    }
}

fn read<K: Registered>(body: &str) -> Result<K::Value, BucketError> {
    let malformed = |why| SettingsError::Malformed { kind: K::NAME.to_owned(), why };
    Ok(K::parse(body).map_err(malformed)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backend::{Backend, memory::MemoryBackend},
        buckets::{
            CreateBucket, Setup,
            settings::{BucketAcl, Configurations, Metrics},
        },
        catalog::{NewDocument, sqlite::SqliteCatalog},
        model::{CannedAcl, CorsMethod, CorsPattern, CorsRule, Owner},
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
        let create = CreateBucket {
            name,
            owner,
            acl: CannedAcl::PublicRead.into(),
            ownership: None,
            location: "EU".into(),
        };
        buckets.create(create).await.expect("made")
    }

    #[tokio::test]
    async fn what_was_set_when_a_bucket_was_made_or_later_is_there_when_it_is_opened_again() {
        let dir = TempDir::new().expect("a directory");
        let buckets = gateway(&dir);
        let made = photos(&buckets).await;
        assert_eq!((made.acl(), &*made.location()), (CannedAcl::PublicRead.into(), "EU"));
        buckets.set::<BucketAcl>(&made, &CannedAcl::AuthenticatedRead.into()).await.expect("set");
        assert_eq!(made.acl(), CannedAcl::AuthenticatedRead.into());
        let again = gateway(&dir).get(made.name()).await.expect("opened");
        assert_eq!((again.acl(), &*again.location()), (CannedAcl::AuthenticatedRead.into(), "EU"));
        buckets.set::<BucketAcl>(&made, &CannedAcl::Private.into()).await.expect("set");
        assert_eq!(gateway(&dir).get(made.name()).await.expect("opened").acl(), CannedAcl::Private.into());
    }

    #[tokio::test]
    async fn what_another_gateway_has_set_is_in_force_after_a_refresh() {
        let dir = TempDir::new().expect("a directory");
        let (one, other) = (gateway(&dir), gateway(&dir));
        let ours = photos(&one).await;
        let theirs = other.get(ours.name()).await.expect("opened");
        assert!(!one.refresh(&ours).await.expect("nothing has moved"));
        other.set::<BucketAcl>(&theirs, &CannedAcl::PublicReadWrite.into()).await.expect("set");
        assert_eq!(ours.acl(), CannedAcl::PublicRead.into());
        assert!(one.refresh(&ours).await.expect("it has moved"));
        assert_eq!((ours.acl(), &*ours.location()), (CannedAcl::PublicReadWrite.into(), "EU"));
        assert!(!one.refresh(&ours).await.expect("nothing has moved since"));
        one.catalog().delete_bucket(ours.id()).await.expect("deleted");
        for outcome in [
            other.refresh(&theirs).await.map(drop),
            other.set::<BucketAcl>(&theirs, &CannedAcl::PublicRead.into()).await,
        ] {
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
        assert_eq!(made.acl(), CannedAcl::PublicRead.into(), "what was in force stays");
    }

    fn anywhere(method: CorsMethod) -> CorsRules {
        let origins = vec![CorsPattern::parse("*").expect("a pattern")];
        let (headers, exposed) = Default::default();
        let rule = CorsRule { id: None, origins, methods: vec![method], headers, exposed, max_age: None };
        CorsRules::new(vec![rule]).expect("rules")
    }

    #[tokio::test]
    async fn rules_of_a_bucket_replace_those_of_the_configuration_whether_it_is_open_or_not() {
        let dir = TempDir::new().expect("a directory");
        let buckets = gateway(&dir);
        let made = photos(&buckets).await;
        let default = anywhere(CorsMethod::Get);
        buckets.replace(Setup { cors: default.clone(), ..(*buckets.setup()).clone() });
        for name in [None, Some("photos"), Some("missing"), Some("No Name")] {
            assert_eq!(buckets.cors(name).await.expect("rules"), default, "{name:?}");
        }
        let own = anywhere(CorsMethod::Put);
        buckets.set::<Cors>(&made, &own).await.expect("set");
        assert_eq!(buckets.cors(Some("photos")).await.expect("rules"), own);
        assert_eq!(buckets.cors_at_once(Some("photos")), own);
        let closed = gateway(&dir);
        assert_eq!(closed.cors_at_once(Some("photos")), CorsRules::default());
        assert_eq!(closed.cors(Some("photos")).await.expect("rules"), own);
    }

    #[tokio::test]
    async fn changes_of_one_document_at_the_same_time_are_all_kept() {
        let dir = TempDir::new().expect("a directory");
        let buckets = gateway(&dir);
        let made = photos(&buckets).await;
        let changes = (0..20).map(|n| {
            let (buckets, made) = (buckets.clone(), made.clone());
            tokio::spawn(async move {
                let add = |all: &Configurations| {
                    Ok::<_, BucketError>(all.with(&n.to_string(), "x".into()).expect("room"))
                };
                buckets.change::<Metrics, _>(&made, add).await
            })
        });
        for change in changes.collect::<Vec<_>>() {
            change.await.expect("no panic").expect("changed");
        }
        assert_eq!(made.settings().get::<Metrics>().after(None).count(), 20);
    }
}
