//! Tenants: names of buckets and ids of owners are unique within a tenant.

use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// A tenant's id: 1 to 63 lower-case letters, digits and hyphens. A gateway without tenants has one, the
/// default.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(Arc<str>);

/// The name is stored: never change it.
const DEFAULT: &str = "default";
const LONGEST: usize = 63;

impl TenantId {
    pub fn parse(text: &str) -> Option<Self> {
        let is_sound = (1..=LONGEST).contains(&text.len())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        is_sound.then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_default(&self) -> bool {
        self.as_str() == DEFAULT
    }
}

impl Default for TenantId {
    fn default() -> Self {
        Self(DEFAULT.into())
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TenantId {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        Self::parse(&text).ok_or("a tenant's id has 1 to 63 lower-case letters, digits and hyphens")
    }
}

impl From<TenantId> for String {
    fn from(tenant: TenantId) -> Self {
        tenant.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_lower_case_letters_digits_and_hyphens() {
        for id in ["a", "acme-2", &"a".repeat(63)] {
            assert_eq!(TenantId::parse(id).map(String::from).as_deref(), Some(id));
        }
        for id in ["", "A", "a b", "a/b", "a.b", "ä", &"a".repeat(64)] {
            assert_eq!(TenantId::parse(id), None, "{id}");
        }
    }

    #[test]
    fn the_default_tenant_is_one_that_stored_names_know() {
        let default = TenantId::default();
        assert!(default.is_default());
        assert_eq!(TenantId::parse("default"), Some(default));
        assert!(TenantId::parse("acme").is_some_and(|tenant| !tenant.is_default()));
    }
}
