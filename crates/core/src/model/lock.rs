//! Object lock: what keeps a version from being removed or replaced.

use super::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

/// The lock of one version. An object that never had one has no `ObjectLock` at all.
///
/// Invariant: a stored lock that cannot be read is a legal hold, and never no lock: whoever wrote it wanted
/// the object kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ObjectLock {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub legal_hold: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    pub mode: RetentionMode,
    pub until: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RetentionMode {
    /// Callers with a permission of their own may pass it by.
    Governance,
    /// No caller may.
    Compliance,
}

impl ObjectLock {
    /// The lock that stands for one that cannot be read.
    pub const UNREADABLE: Self = Self { retention: None, legal_hold: true };
}

impl<'de> Deserialize<'de> for ObjectLock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Known {
            #[serde(default)]
            retention: Option<Retention>,
            #[serde(default)]
            legal_hold: bool,
        }
        let stored = serde_json::Value::deserialize(deserializer)?;
        // A list would pass for a lock whose fields have no names.
        let known = Some(stored).filter(serde_json::Value::is_object).map(serde_json::from_value);
        Ok(match known {
            Some(Ok(Known { retention, legal_hold })) => Self { retention, legal_hold },
            _ => Self::UNREADABLE,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_cannot_be_read_is_a_legal_hold() {
        let read = |text: &str| serde_json::from_str::<ObjectLock>(text).expect("a lock");
        let lock = ObjectLock {
            retention: Some(Retention { mode: RetentionMode::Compliance, until: Timestamp::from_millis(5) }),
            legal_hold: false,
        };
        let text = r#"{"retention":{"mode":"COMPLIANCE","until":5}}"#;
        assert_eq!((serde_json::to_string(&lock).expect("a text").as_str(), read(text)), (text, lock));
        assert_eq!(read("{}"), ObjectLock::default());
        for unreadable in [
            r#"{"retention":{"mode":"FOREVER","until":5}}"#,
            r#"{"retention":{"mode":"GOVERNANCE"}}"#,
            r#"{"event_hold":true}"#,
            "[]",
            "null",
        ] {
            assert_eq!(read(unreadable), ObjectLock::UNREADABLE, "{unreadable}");
        }
    }
}
