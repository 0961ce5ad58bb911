//! Errors of a store: a kind that maps to an S3 error, a message for an operator, and the source.

use super::payload::PayloadError;
use crate::model::NoSuchVersion;
use std::{fmt, time::Duration};

/// `ENFILE` and `EMFILE`, which have these numbers on every Unix.
const NO_DESCRIPTORS: [i32; 2] = [23, 24];

/// The kinds of errors that callers distinguish. When in doubt, an error does not get its own kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreErrorKind {
    NoSuchKey,
    /// 404: the key may have an object, but none with this version id.
    NoSuchVersion,
    NoSuchUpload,
    /// 412, for reads and for writes. A read's date condition that does not hold has this kind, too.
    PreconditionFailed,
    /// 304: a read condition shows that the client already has the object.
    NotModified,
    /// 409 ConditionalRequestConflict: a concurrent writer published first.
    Conflict,
    /// 416, with the size of the object.
    InvalidRange {
        size: u64,
    },
    InvalidPartNumber {
        parts: usize,
    },
    InvalidPart,
    EntityTooSmall,
    EntityTooLarge,
    /// 400 BadDigest: the whole object does not have the checksum that Complete announced.
    BadDigest,
    InvalidRequest,
    /// 403: an archived object has to be restored before it is read.
    InvalidObjectState,
    /// 400: S3 has this storage class, and this storage does not.
    InvalidStorageClass,
    /// S3 allows the key, but it is too long for this storage, which may put a prefix before it.
    KeyTooLong,
    /// 400 AccessControlListNotSupported, as in a bucket of S3 whose object ownership is enforced.
    AclNotSupported,
    /// 403: the storage denies the gateway access to this entry.
    AccessDenied,
    /// 500: the storage reports something impossible about this entry, or cannot read it. Other entries may
    /// be fine.
    Broken,
    /// 501: this backend cannot do what the request asks for.
    NotImplemented,
    /// 503 SlowDown: the storage, or the gateway, has too much work.
    Busy,
    /// 503 ServiceUnavailable: the storage does not answer.
    Unavailable,
    /// 503 ServiceUnavailable: no connection to the storage can be made, and waiting does not help: it is not
    /// the expected storage, or it does not accept the gateway's credentials.
    NoConnection,
    /// 507: the storage has no space, or a quota is exceeded.
    StorageFull,
    /// 507: the gateway's own data directory has no space, not the storage behind the bucket.
    DataFull,
    /// The request body failed: the payload error in `source` says how.
    Payload,
    Internal,
}

#[derive(Debug, thiserror::Error)]
pub struct StoreError {
    kind: StoreErrorKind,
    message: String,
    /// How long the cause will last, if that is known.
    wait: Option<Duration>,
    /// Details that the S3 error sends to a client, under S3's names: `PartNumber`, `ETag`, …
    details: Vec<(&'static str, String)>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StoreError {
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), wait: None, details: Vec::new(), source: None }
    }

    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Records that the cause lasts for `wait`: after that, the same request can succeed.
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    pub fn with_detail(mut self, element: &'static str, value: impl fmt::Display) -> Self {
        self.details.push((element, value.to_string()));
        self
    }

    pub fn details(&self) -> &[(&'static str, String)] {
        &self.details
    }

    /// Creates the error for an operating-system error that occurred while doing `what`.
    pub fn io(what: impl fmt::Display, error: impl Into<std::io::Error>) -> Self {
        let error = error.into();
        let kind = match error.kind() {
            // Temporary: descriptors become free when other requests end.
            _ if error.raw_os_error().is_some_and(|code| NO_DESCRIPTORS.contains(&code)) => {
                StoreErrorKind::Busy
            }
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                StoreErrorKind::StorageFull
            }
            std::io::ErrorKind::StaleNetworkFileHandle => StoreErrorKind::Unavailable,
            // The file system does not support files of this size.
            std::io::ErrorKind::FileTooLarge => StoreErrorKind::EntityTooLarge,
            _ => StoreErrorKind::Internal,
        };
        Self::new(kind, what.to_string()).with_source(error)
    }

    /// Marks the error as one of the gateway's own data directory, where the missing space is there.
    pub fn in_data(mut self) -> Self {
        if self.kind == StoreErrorKind::StorageFull {
            self.kind = StoreErrorKind::DataFull;
        }
        self
    }

    /// Creates the error for an operating-system error about an entry that clients can name: a file, a
    /// folder, a link. It concerns that entry alone, unless space or descriptors are missing.
    pub fn of_entry(what: impl fmt::Display, error: impl Into<std::io::Error>) -> Self {
        use rustix::io::Errno;
        let error = error.into();
        let kind = match Errno::from_io_error(&error) {
            // The gateway may not read or change the entry, or a link leads out of the bucket or in a circle.
            Some(Errno::ACCESS | Errno::PERM | Errno::XDEV | Errno::LOOP) => StoreErrorKind::AccessDenied,
            Some(Errno::NAMETOOLONG) => StoreErrorKind::KeyTooLong,
            // The key needs a file or a folder with this name, and an entry of the other type, which is no
            // object, has it.
            Some(Errno::NOTDIR | Errno::ISDIR) => StoreErrorKind::InvalidRequest,
            // The server of a network file system no longer knows the handle: a retry opens a new one.
            Some(Errno::STALE) => StoreErrorKind::Unavailable,
            Some(Errno::IO) => StoreErrorKind::Broken,
            _ => return Self::io(what, error),
        };
        let words = match kind {
            StoreErrorKind::InvalidRequest => {
                "Something that is no object has the name of this key, or of a folder that it needs"
                    .to_owned()
            }
            _ => what.to_string(),
        };
        Self::new(kind, words).with_source(error)
    }

    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Returns the message. A client gets it where the kind allows that.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns how long the cause will last; `None` if that is unknown.
    pub fn wait(&self) -> Option<Duration> {
        self.wait
    }

    pub fn is_temporary(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Busy | StoreErrorKind::Unavailable)
    }

    /// Returns the same error for one more caller that waits for the same answer.
    pub fn again(&self) -> Self {
        Self {
            kind: self.kind,
            message: self.message.clone(),
            wait: self.wait,
            details: self.details.clone(),
            source: self.source.as_ref().map(|source| source.to_string().into()),
        }
    }

    /// Returns the payload error behind a `Payload` kind.
    pub fn payload(&self) -> Option<&PayloadError> {
        self.source.as_ref()?.downcast_ref()
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl From<PayloadError> for StoreError {
    fn from(error: PayloadError) -> Self {
        Self::new(StoreErrorKind::Payload, "the request body failed").with_source(error)
    }
}

impl From<NoSuchVersion> for StoreError {
    fn from(error: NoSuchVersion) -> Self {
        Self::new(StoreErrorKind::NoSuchVersion, error.to_string()).with_detail("VersionId", &error.0)
    }
}

impl From<StoreErrorKind> for StoreError {
    fn from(kind: StoreErrorKind) -> Self {
        Self::new(kind, format!("{kind:?}"))
    }
}
