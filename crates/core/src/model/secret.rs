//! Secret text, which must never be shown.

use super::Timestamp;
use std::{fmt, sync::Arc};

/// A secret string. `Debug` and `Display` never print it; reading it takes an explicit `expose`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// The secrets of one access key: two are valid while one replaces the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    pub current: Secret,
    pub previous: Option<ReplacedSecret>,
}

/// A secret that was replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplacedSecret {
    pub secret: Secret,
    /// The end of its validity. `None`: it is valid until somebody removes it.
    pub until: Option<Timestamp>,
}

impl Secrets {
    /// The secrets that are valid at a time, the current one first.
    pub fn valid(&self, now: Timestamp) -> impl Iterator<Item = &Secret> {
        let previous = self.previous.as_ref();
        let previous = previous.filter(move |replaced| replaced.until.is_none_or(|until| now < until));
        std::iter::once(&self.current).chain(previous.map(|replaced| &replaced.secret))
    }
}

impl From<Secret> for Secrets {
    fn from(current: Secret) -> Self {
        Self { current, previous: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_secret_is_valid_until_its_time_is_over() {
        let (current, at) = (Secret::new("new"), Timestamp::from_millis);
        let secrets = |until| Secrets {
            current: current.clone(),
            previous: Some(ReplacedSecret { secret: Secret::new("old"), until }),
        };
        let valid = |secrets: Secrets, now| {
            secrets.valid(at(now)).map(|secret| secret.expose().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(valid(secrets(Some(at(5))), 4), ["new", "old"]);
        assert_eq!(valid(secrets(Some(at(5))), 5), ["new"]);
        assert_eq!(valid(secrets(None), i64::MAX), ["new", "old"]);
        assert_eq!(valid(current.clone().into(), 0), ["new"]);
        assert!(!format!("{:?}", secrets(None)).contains("old"));
    }

    #[test]
    fn debug_does_not_show_a_secret() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "<secret>");
    }
}
