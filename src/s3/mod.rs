//! S3: from an authenticated request to a reply. One file per operation, each reading its own headers, query and XML.
//!
//! Owns the closed set of operations, authorization (one table, one gate), S3's XML and its error codes. Knows nothing
//! of connections, signatures or storage technology.

mod acl;
mod body;
mod call;
mod error;
mod gate;
mod listing;
mod operation;
mod reply;
mod request;
mod service;
pub mod xml;

mod ops;

pub use body::Body;
pub use call::{BucketCall, ObjectCall, ServiceCall};
pub use error::{ErrorCode, S3Error};
pub use operation::{Operation, route};
pub use request::{HeaderMapExt, Query, Request, RequestId, Target};
pub use service::{About, Response, Service, Settings};
