//! The settings of a bucket: the parsed and typed content of its documents in the catalog, and the registry
//! of their kinds.
//!
//! Owns the meaning of a document of each kind, not where it is stored. To add a kind: a file below with its
//! parser and its error texts, and a row in `kinds!`.
//!
//! Invariants:
//! - settings are of one revision: never of one document before a change and of another after it;
//! - a document of an unknown kind, or one that cannot be read, is an error, never ignored: it may be what
//!   forbids something;
//! - without a document, the kind's default applies, which is not stored.

mod acl;
mod configurations;
mod cors;
mod json;
mod location;
mod migration;
mod ownership;
mod policy;
mod public_access;
mod tagging;
mod website;
mod words;

use crate::catalog::{Documents, NewDocument, Revision};
pub use acl::BucketAcl;
pub use configurations::{Analytics, Configurations, IntelligentTiering, Metrics, TooMany};
pub use cors::Cors;
pub use location::Location;
pub use migration::MigrationDocument;
pub use ownership::OwnershipControls;
pub use policy::{BucketPolicy, PolicyDocument, PolicyRefused};
pub use public_access::PublicAccessBlock;
use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};
pub use tagging::Tagging;
pub use website::WebsiteConfiguration;
pub use words::{Abac, AbacStatus, Accelerate, Acceleration, Payer, RequestPayment};

/// A kind of document.
pub trait DocumentKind {
    type Value: Clone + PartialEq + fmt::Debug + Default + Send + Sync + 'static;

    /// The name under which the catalog stores the kind: it must never change.
    const NAME: &'static str;

    /// Parses a body, or returns what is wrong with it.
    fn parse(body: &str) -> Result<Self::Value, String>;

    fn write(value: &Self::Value) -> String;
}

/// A kind that the registry has.
pub trait Registered: DocumentKind {
    fn of(settings: &BucketSettings) -> &Self::Value;
}

/// The document of a value. `None` means that the value is the default, which has no document.
pub fn document<K: DocumentKind>(value: &K::Value) -> Option<NewDocument> {
    (*value != K::Value::default()).then(|| NewDocument { kind: K::NAME.to_owned(), body: K::write(value) })
}

macro_rules! kinds {
    ($($kind:ident in $field:ident),* $(,)?) => {
        /// The content of all documents of a bucket.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct BucketSettings {
            revision: Revision,
            $($field: <$kind as DocumentKind>::Value,)*
        }

        impl BucketSettings {
            /// The kinds that there are, by name.
            pub const KINDS: &'static [&'static str] = &[$(<$kind as DocumentKind>::NAME),*];

            /// `Err` means that a document cannot be parsed.
            pub fn parse(documents: &Documents) -> Result<Self, SettingsError> {
                let mut settings = Self { revision: documents.revision, ..Self::default() };
                for document in &documents.all {
                    let malformed = |why| SettingsError::Malformed { kind: document.kind.clone(), why };
                    match document.kind.as_str() {
                        $(<$kind as DocumentKind>::NAME => settings.$field = <$kind as DocumentKind>::parse(&document.body).map_err(malformed)?,)*
                        other => return Err(SettingsError::Unknown(other.to_owned())),
                    }
                }
                Ok(settings)
            }
        }
        $(impl Registered for $kind {
            fn of(settings: &BucketSettings) -> &Self::Value {
                &settings.$field
            }
        })*
    };
}

// The registry: one row for each kind.
kinds! {
    Abac in abac,
    Acceleration in acceleration,
    Analytics in analytics,
    BucketAcl in acl,
    Cors in cors,
    IntelligentTiering in intelligent_tiering,
    Location in location,
    Metrics in metrics,
    MigrationDocument in migration,
    OwnershipControls in ownership,
    PolicyDocument in policy,
    PublicAccessBlock in public_access,
    RequestPayment in request_payment,
    Tagging in tagging,
    WebsiteConfiguration in website,
}

impl BucketSettings {
    pub fn get<K: Registered>(&self) -> &K::Value {
        K::of(self)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error(
        "the bucket has settings of kind '{0}', which this release does not know: use the release that wrote them, or a later one"
    )]
    Unknown(String),
    #[error("the bucket's settings of kind '{kind}' cannot be read: {why}")]
    Malformed { kind: String, why: String },
}

/// The settings of an open bucket that are in force.
#[derive(Debug)]
pub(super) struct SettingsInForce(RwLock<Arc<BucketSettings>>);

impl SettingsInForce {
    pub(super) fn of(documents: &Documents) -> Result<Self, SettingsError> {
        Ok(Self(RwLock::new(Arc::new(BucketSettings::parse(documents)?))))
    }

    pub(super) fn now(&self) -> Arc<BucketSettings> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks without holding on to all of them.
    pub(super) fn read<T>(&self, read: impl FnOnce(&BucketSettings) -> T) -> T {
        read(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns whether the settings in force are older than a revision of the bucket's documents.
    pub(super) fn are_older_than(&self, stored: Revision) -> bool {
        self.read(|settings| settings.revision < stored)
    }

    /// Puts newer settings in force. Settings that were read earlier may arrive later, and are dropped.
    pub(super) fn advance(&self, newer: BucketSettings) {
        let mut now = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if now.revision < newer.revision {
            *now = Arc::new(newer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalog::Document, model::CannedAcl};

    fn documents(all: &[(&str, &str)]) -> Documents {
        let document = |(kind, body): &(&str, &str)| Document {
            kind: (*kind).into(),
            body: (*body).into(),
            revision: Revision(3),
        };
        Documents { revision: Revision(3), all: all.iter().map(document).collect() }
    }

    #[test]
    fn settings_say_what_documents_say_and_otherwise_the_default() {
        let none = BucketSettings::parse(&Documents::default()).expect("no documents");
        assert_eq!(
            (none.get::<BucketAcl>().clone(), &**none.get::<Location>()),
            (CannedAcl::Private.into(), "")
        );
        let both = BucketSettings::parse(&documents(&[("acl", "public-read"), ("location", "eu-west-1")]))
            .expect("read");
        assert_eq!(
            (both.get::<BucketAcl>().clone(), &**both.get::<Location>()),
            (CannedAcl::PublicRead.into(), "eu-west-1")
        );
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let parse = |all| BucketSettings::parse(&documents(all)).expect_err("refused");
        assert_eq!(
            parse(&[("acl", "private"), ("lifecycle", "{}")]),
            SettingsError::Unknown("lifecycle".into())
        );
        assert!(
            parse(&[("acl", "everybody")])
                .to_string()
                .contains("of kind 'acl' cannot be read: 'everybody' is no ACL that this release knows")
        );
    }

    #[test]
    fn every_kind_has_a_name_of_its_own_and_its_default_is_not_stored() {
        let names: std::collections::BTreeSet<_> = BucketSettings::KINDS.iter().collect();
        assert_eq!(names.len(), BucketSettings::KINDS.len());
        assert_eq!(document::<BucketAcl>(&CannedAcl::Private.into()), None);
        assert_eq!(document::<Location>(&"".into()), None);
        let public = document::<BucketAcl>(&CannedAcl::PublicRead.into()).expect("a document");
        assert_eq!((public.kind.as_str(), public.body.as_str()), ("acl", "public-read"));
    }

    #[test]
    fn settings_that_were_read_earlier_do_not_replace_newer_ones() {
        let in_force = SettingsInForce::of(&documents(&[("acl", "public-read")])).expect("read");
        let of = |revision| BucketSettings { revision: Revision(revision), ..BucketSettings::default() };
        in_force.advance(of(2));
        assert_eq!(*in_force.now().get::<BucketAcl>(), CannedAcl::PublicRead.into());
        in_force.advance(of(4));
        assert_eq!(*in_force.now().get::<BucketAcl>(), CannedAcl::Private.into());
    }
}
