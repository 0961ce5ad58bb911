//! The error document: what is known about a failed request, and what S3 reports with each code.
//!
//! Invariant: the details of a code come in the order of the table in `error::code`. An operation attaches
//! what only it knows; what the request itself contains is filled in here, so that no operation can forget
//! it.

use super::{
    body::{Body, Response},
    context::RequestId,
    control,
    document::shown,
    error::S3Error,
    headers,
    reply::XML,
    request::{HeaderMapExt, Request, Target},
    xml,
};
use http::{Method, header};
use std::sync::Arc;

/// The parts of its request that an error document repeats, kept while the request itself is consumed.
#[derive(Debug, Clone)]
pub struct About {
    request_id: RequestId,
    target: Target,
    method: Option<Method>,
    /// By element, as far as the request says it.
    said: Vec<(&'static str, String)>,
}

type Say = fn(&Request) -> Option<&str>;

/// Parts of a request that an error document repeats.
const SAID: &[(&str, Say)] = &[
    ("Condition", headers::first_condition),
    ("PartNumberRequested", |request| request.query.get("partNumber")),
    ("RangeRequested", |request| text(request, "range").or_else(|| text(request, "x-amz-copy-source-range"))),
    ("StorageClassRequested", |request| text(request, headers::STORAGE_CLASS)),
    ("UploadId", |request| request.query.get("uploadId")),
    ("VersionId", |request| request.query.get("versionId")),
];

/// A header that cannot be read is reported by the code that needs it.
fn text<'r>(request: &'r Request, name: &'static str) -> Option<&'r str> {
    request.headers.amz(name).ok().flatten()
}

impl About {
    pub fn of(request: &Request) -> Self {
        let said =
            SAID.iter().filter_map(|(element, say)| Some((*element, say(request)?.to_owned()))).collect();
        let about = Self::new(&request.context.arrival.id, request.target.clone());
        Self { method: Some(request.method.clone()), said, ..about }
    }

    pub fn new(request_id: &RequestId, target: Target) -> Self {
        Self { request_id: request_id.clone(), target, method: None, said: Vec::new() }
    }

    /// The reply to a failed request. The error itself goes into the extensions, for the log.
    pub fn error(&self, error: S3Error) -> Response {
        let status = error.status();
        let mut document = xml::Writer::document();
        // The control plane has errors in an envelope.
        let in_error = |w: &mut xml::Writer| w.element("Error", |w| self.write(w, &error));
        match self.target.control {
            None => in_error(&mut document),
            Some(_) => document.root_of("ErrorResponse", control::NAMESPACE, |w| {
                in_error(w);
                self.write_ids(w);
            }),
        }
        let mut response = http::Response::new(Body::Full(document.finish()));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, XML);
        response.headers_mut().extend(error.headers.clone());
        response.extensions_mut().insert(Arc::new(error));
        response
    }

    fn write(&self, w: &mut xml::Writer, error: &S3Error) {
        w.text("Code", error.code.as_str());
        w.text("Message", shown(&error.message));
        for (element, value) in self.details(error) {
            w.text(element, shown(value));
        }
        let is_attached = error.details.iter().any(|(element, _)| *element == "BucketName");
        if let Some(bucket) = self.target.bucket.as_ref().filter(|_| !is_attached) {
            w.text("BucketName", shown(bucket));
        }
        w.text("Resource", shown(&self.resource()));
        self.write_ids(w);
    }

    fn write_ids(&self, w: &mut xml::Writer) {
        w.text("RequestId", &*self.request_id.0);
        w.text("HostId", &*self.request_id.0);
    }

    /// What is said about an error beyond its code and its message: the details of the code in the order of
    /// the table, and then what else was attached.
    pub(super) fn details<'a>(&'a self, error: &'a S3Error) -> Vec<(&'static str, &'a str)> {
        let attached = |element: &str| {
            error.details.iter().find(|(name, _)| *name == element).map(|(_, value)| value.as_str())
        };
        let expected = error.code.details();
        let known = expected
            .iter()
            .filter_map(|element| Some((*element, attached(element).or_else(|| self.known(element))?)));
        let others = error.details.iter().filter(|(element, _)| !expected.contains(element));
        known.chain(others.map(|(element, value)| (*element, value.as_str()))).collect()
    }

    pub(super) fn bucket(&self) -> Option<&str> {
        self.target.bucket.as_deref()
    }

    pub(super) fn request_id(&self) -> &str {
        &self.request_id.0
    }

    fn known(&self, element: &str) -> Option<&str> {
        match element {
            "Key" => self.target.key.as_deref(),
            "Method" => self.method.as_ref().map(Method::as_str),
            "ResourceType" => Some(self.resource_type()),
            _ => self.said.iter().find(|(name, _)| *name == element).map(|(_, value)| value.as_str()),
        }
    }

    fn resource(&self) -> String {
        let bucket = self.target.bucket.as_deref().unwrap_or_default();
        match &self.target.key {
            Some(key) => format!("/{bucket}/{key}"),
            None => format!("/{bucket}"),
        }
    }

    fn resource_type(&self) -> &'static str {
        match (&self.target.bucket, &self.target.key) {
            (None, _) => "SERVICE",
            (Some(_), None) => "BUCKET",
            (Some(_), Some(_)) if self.said.iter().any(|(element, _)| *element == "UploadId") => "UPLOAD",
            (Some(_), Some(_)) => "OBJECT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::{ErrorCode, Query, tests::request};

    fn document(request: &Request, error: impl Into<S3Error>) -> Vec<(String, String)> {
        let Body::Full(document) = About::of(request).error(error.into()).into_body() else {
            panic!("a document")
        };
        let root = xml::parse(&document, "Error").expect("well formed");
        let ours = ["Code", "Message", "BucketName", "Resource", "RequestId", "HostId"];
        root.children
            .into_iter()
            .filter(|child| !ours.contains(&&*child.name))
            .map(|child| (child.name, child.text))
            .collect()
    }

    fn elements(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_code_names_what_its_request_says() {
        let mut asked = request(&[("range", "bytes=9-"), ("if-none-match", "*")]);
        asked.query =
            Query::new(vec![("uploadId".into(), "upload".into()), ("partNumber".into(), "7".into())]);
        for (code, expected) in [
            (ErrorCode::NoSuchKey, &[("Key", "key")][..]),
            (ErrorCode::NoSuchUpload, &[("UploadId", "upload")]),
            (ErrorCode::InvalidRange, &[("RangeRequested", "bytes=9-")]),
            (ErrorCode::InvalidPartNumber, &[("PartNumberRequested", "7")]),
            (ErrorCode::PreconditionFailed, &[("Condition", "If-None-Match")]),
            (ErrorCode::MethodNotAllowed, &[("Method", "PUT"), ("ResourceType", "UPLOAD")]),
            (ErrorCode::AccessDenied, &[]),
        ] {
            assert_eq!(document(&asked, code), elements(expected), "{code:?}");
        }
    }

    #[test]
    fn what_an_operation_attaches_comes_in_the_order_of_the_table_and_overrides_the_request() {
        let asked = request(&[("range", "bytes=9-")]);
        let error = S3Error::from(ErrorCode::InvalidRange)
            .detail("ActualObjectSize", "3")
            .detail("Odd", "x")
            .detail("RangeRequested", "7-");
        assert_eq!(
            document(&asked, error),
            elements(&[("RangeRequested", "7-"), ("ActualObjectSize", "3"), ("Odd", "x")])
        );
        let source = S3Error::from(ErrorCode::NoSuchKey).detail("Key", "from");
        assert_eq!(document(&asked, source), elements(&[("Key", "from")]));
    }
}
