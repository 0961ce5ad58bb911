//! The XML of storage protocols, both ways: requests of clients, replies of object stores and of WebDAV.
//! Reading is bounded in size, depth and number of elements, and knows no entities but XML's five: a document
//! type is refused, so nothing can expand. Writing escapes everything that is not markup.

mod children;
mod read;
mod write;

pub use children::Children;
pub use read::{Element, Malformed, parse, parse_reply};
pub use write::Writer;

/// `xmlns` of every S3 document.
pub const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
