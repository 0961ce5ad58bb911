//! S3: from an authenticated request to a reply. One file per operation, each reading its own headers, query and XML.
//!
//! Owns the closed set of operations, authorization (one table, one gate), S3's XML and its error codes. Knows nothing
//! of connections, signatures or storage technology.

mod about;
mod acl;
mod body;
mod call;
mod copying;
mod crossing;
mod document;
mod error;
mod gate;
mod headers;
mod identification;
mod keep_alive;
mod limits;
mod listing;
mod multipart;
mod operation;
mod reader;
mod reading;
mod region;
mod reply;
mod request;
mod service;
mod tagging;

mod ops;

pub use about::About;
pub use body::Body;
pub use call::{BucketCall, ObjectCall, ReadCall, ServiceCall};
pub use error::{ErrorCode, S3Error};
pub use operation::{Operation, route};
pub use request::{HeaderMapExt, Query, Request, RequestId, Target};
pub use service::{Response, Service, Settings};

use crate::xml;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::Principal, store::payload::Payload};
    use http::{HeaderMap, HeaderName, HeaderValue, Method};

    /// A request of which only the headers matter.
    pub(in crate::s3) fn request(headers: &[(&'static str, &str)]) -> Request {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
            map.append(HeaderName::try_from(*name).expect("a header name"), value);
        }
        Request {
            id: RequestId("test".into()),
            method: Method::PUT,
            target: Target { bucket: Some("bucket".into()), key: Some("key".into()) },
            query: Query::default(),
            headers: map,
            principal: Principal::Anonymous,
            presigned: false,
            payload: Payload::from_bytes(""),
        }
    }
}
