//! Configurations of which a bucket has many, each with an id: analytics, intelligent tiering, metrics.
//!
//! Owns how many there may be and how they are stored. What is in one of them is text here: `s3` has checked
//! it, and shows it again as it is. Nothing of it acts.

use super::{DocumentKind, json};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// The limit of S3.
const MAX_COUNT: usize = 1000;
/// Maximum number of bytes of all of them, which are in memory while the bucket is open.
const MAX_BYTES: usize = 1 << 20;

/// Configurations by id. Cloning is cheap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Configurations(Arc<BTreeMap<String, String>>);

/// The bucket has as many configurations as it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

impl Configurations {
    pub fn get(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }

    /// Those behind an id, in order.
    pub fn after<'a>(&'a self, id: Option<&'a str>) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0
            .iter()
            .map(|(id, text)| (id.as_str(), text.as_str()))
            .filter(move |(own, _)| id.is_none_or(|id| *own > id))
    }

    /// These, with one added or replaced.
    pub fn with(&self, id: &str, text: String) -> Result<Self, TooMany> {
        let mut all = BTreeMap::clone(&self.0);
        all.insert(id.to_owned(), text);
        let bytes: usize = all.iter().map(|(id, text)| id.len() + text.len()).sum();
        if all.len() > MAX_COUNT || bytes > MAX_BYTES { Err(TooMany) } else { Ok(Self(all.into())) }
    }

    /// These, without one. `None`: there is none with this id.
    pub fn without(&self, id: &str) -> Option<Self> {
        let mut all = BTreeMap::clone(&self.0);
        all.remove(id)?;
        Some(Self(all.into()))
    }
}

macro_rules! kinds {
    ($($kind:ident $name:literal),+) => {$(
        #[derive(Debug)]
        pub enum $kind {}

        impl DocumentKind for $kind {
            type Value = Configurations;
            const NAME: &'static str = $name;

            fn parse(body: &str) -> Result<Configurations, String> {
                json::parse(body)
            }

            fn write(configurations: &Configurations) -> String {
                json::write(configurations)
            }
        }
    )+};
}

kinds! { Analytics "analytics", IntelligentTiering "intelligent-tiering", Metrics "metrics" }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_are_ordered_by_id_and_read_back() {
        let none = Configurations::default();
        let two = none.with("b", "2".into()).and_then(|one| one.with("a", "1".into())).expect("two");
        assert_eq!(two.after(None).collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        assert_eq!(two.after(Some("a")).collect::<Vec<_>>(), [("b", "2")]);
        assert_eq!(Metrics::parse(&Metrics::write(&two)), Ok(two.clone()));
        assert_eq!(two.without("c"), None);
        assert_eq!(two.without("a").and_then(|one| one.without("b")), Some(none));
    }

    #[test]
    fn a_bucket_has_a_thousand_of_them_or_a_mebibyte() {
        let mut all = Configurations::default();
        for n in 0..MAX_COUNT {
            all = all.with(&n.to_string(), "x".repeat(500)).expect("room");
        }
        assert_eq!(all.with("one more", String::new()), Err(TooMany));
        assert!(all.with("7", "other".into()).is_ok());
        assert_eq!(all.with("7", "x".repeat(MAX_BYTES)), Err(TooMany));
    }
}
