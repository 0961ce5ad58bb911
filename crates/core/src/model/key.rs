//! Object keys.

use std::{borrow::Borrow, fmt, sync::Arc};

/// S3 User Guide, "Naming Amazon S3 objects": at most 1,024 bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = 1024;

/// A key has 1 to 1,024 bytes of UTF-8 and may hold anything: `..`, `a//b`, control characters, NUL. It is
/// never a path: only a driver's key codec may turn it into one. Keys are ordered by their bytes, as S3 lists
/// them.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(Arc<str>);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ObjectKeyError {
    #[error("an object key cannot be empty")]
    Empty,
    #[error("your key is too long: {0} bytes of at most 1024")]
    TooLong(usize),
}

impl ObjectKey {
    pub fn new(key: impl AsRef<str> + Into<Arc<str>>) -> Result<Self, ObjectKeyError> {
        match key.as_ref().len() {
            0 => Err(ObjectKeyError::Empty),
            1..=MAX_KEY_BYTES => Ok(Self(key.into())),
            n => Err(ObjectKeyError::TooLong(n)),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ObjectKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
