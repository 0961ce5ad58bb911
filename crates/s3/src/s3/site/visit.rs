//! A request for a page of a website, as the edge hands it over.
//!
//! Invariants:
//! - it is anonymous, whatever credentials came with it, and asks for nothing by its query or by headers of
//!   S3;
//! - its host was resolved to its bucket: no other host can be in an address that is made of it.

use crate::{
    model::Principal,
    s3::{
        context::{Arrival, Context},
        operation::Operation,
        request::{Query, Request, Target},
    },
    store::payload::Payload,
};
use http::{HeaderMap, Method, header};

#[derive(Debug)]
pub struct Visit {
    /// The request for the page. Its key is the path without its first slash; `None` is the root.
    pub request: Request,
    /// As the client sent it, with its port.
    pub(super) host: String,
    /// As the client sent it.
    pub(super) query: Option<String>,
}

/// The parts of a request for a page.
#[derive(Debug)]
pub struct Asked {
    pub arrival: Arrival,
    pub method: Method,
    pub bucket: String,
    /// Decoded, without its first slash.
    pub path: String,
    pub host: String,
    pub query: Option<String>,
    pub headers: HeaderMap,
}

/// Which headers of the request for a page count for an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// All of them: the object is what the client asks for.
    Same,
    /// None that select a part of the object, or depend on its state: the client knows of no such object.
    Whole,
}

impl Visit {
    pub fn new(asked: Asked) -> Self {
        let Asked { arrival, method, bucket, path, host, query, mut headers } = asked;
        let foreign: Vec<_> =
            headers.keys().filter(|name| name.as_str().starts_with("x-amz-")).cloned().collect();
        for name in foreign.into_iter().chain([header::AUTHORIZATION]) {
            headers.remove(name);
        }
        let operation = match method {
            Method::GET => Some(Operation::GetObject),
            Method::HEAD => Some(Operation::HeadObject),
            _ => None,
        };
        let context = Context {
            arrival,
            principal: Principal::Anonymous,
            presigned: false,
            signature: None,
            operation,
            gateway: None,
        };
        let key = Some(path).filter(|path| !path.is_empty());
        let target = Target { bucket: Some(bucket), key, control: None };
        Self { request: request(context, method, target, headers), host, query }
    }

    pub(super) fn path(&self) -> &str {
        self.request.target.key.as_deref().unwrap_or_default()
    }

    /// The request that reads one object for this page.
    pub(super) fn of_object(&self, operation: Operation, key: &str, ask: Ask) -> Request {
        let Request { context, method, target, headers, .. } = &self.request;
        let context = Context { operation: Some(operation), ..context.clone() };
        let target = Target { bucket: target.bucket.clone(), key: Some(key.to_owned()), control: None };
        let mut headers = headers.clone();
        if ask == Ask::Whole {
            for name in [
                header::RANGE,
                header::IF_RANGE,
                header::IF_MATCH,
                header::IF_NONE_MATCH,
                header::IF_MODIFIED_SINCE,
                header::IF_UNMODIFIED_SINCE,
            ] {
                headers.remove(name);
            }
        }
        request(context, method.clone(), target, headers)
    }
}

fn request(context: Context, method: Method, target: Target, headers: HeaderMap) -> Request {
    let payload = Payload::from_bytes("");
    Request { context, method, target, query: Query::default(), headers, form: None, payload }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::tests;

    fn visit(method: Method, path: &str, headers: &[(&'static str, &str)]) -> Visit {
        Visit::new(Asked {
            arrival: tests::context().arrival,
            method,
            bucket: "bucket".to_owned(),
            path: path.to_owned(),
            host: "bucket.example.com".to_owned(),
            query: None,
            headers: tests::request(headers).headers,
        })
    }

    #[test]
    fn a_visit_is_anonymous_and_asks_for_nothing_of_s3() {
        let sent = [
            ("authorization", "AWS4-HMAC-SHA256 Credential=a"),
            ("x-amz-security-token", "token"),
            ("x-amz-request-payer", "requester"),
            ("x-amz-server-side-encryption-customer-key", "key"),
            ("referer", "https://a"),
            ("range", "bytes=0-1"),
        ];
        let visit = visit(Method::GET, "a", &sent);
        assert_eq!(visit.request.context.principal, Principal::Anonymous);
        let mut left: Vec<_> = visit.request.headers.keys().map(|name| name.as_str()).collect();
        left.sort_unstable();
        assert_eq!(left, ["range", "referer"]);
        let other = visit.of_object(Operation::HeadObject, "b", Ask::Whole);
        let left: Vec<_> = other.headers.keys().map(|name| name.as_str()).collect();
        assert_eq!((left, other.target.key.as_deref()), (vec!["referer"], Some("b")));
    }

    #[test]
    fn only_get_and_head_read_an_object() {
        let operation = |method| visit(method, "", &[]).request.context.operation;
        assert_eq!(operation(Method::GET), Some(Operation::GetObject));
        assert_eq!(operation(Method::HEAD), Some(Operation::HeadObject));
        for method in [Method::PUT, Method::POST, Method::DELETE, Method::OPTIONS, Method::PATCH] {
            assert_eq!(operation(method), None);
        }
    }
}
