//! The stored form of settings that are more than a word: JSON.
//!
//! Invariant: a value that was written is read back as the same value.

use serde::{Serialize, de::DeserializeOwned};

pub(super) fn parse<T: DeserializeOwned>(body: &str) -> Result<T, String> {
    serde_json::from_str(body).map_err(|error| error.to_string())
}

pub(super) fn write<T: Serialize>(value: &T) -> String {
    // Maps with keys that are no text would be an error; no setting has one.
    serde_json::to_string(value).unwrap_or_default()
}
