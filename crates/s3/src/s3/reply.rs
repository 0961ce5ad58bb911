//! The shapes most replies have: an XML document, or a status alone.

use super::{
    body::{Body, Response},
    control, xml,
};
use http::{HeaderValue, StatusCode, header};

pub(super) const XML: HeaderValue = HeaderValue::from_static("application/xml");

/// 200 with a document of S3's namespace.
pub(super) fn document(root: &str, content: impl FnOnce(&mut xml::Writer)) -> Response {
    document_of(xml::NAMESPACE, root, content)
}

/// 200 with a document of the control plane.
pub(super) fn control_document(root: &str, content: impl FnOnce(&mut xml::Writer)) -> Response {
    document_of(control::NAMESPACE, root, content)
}

fn document_of(namespace: &str, root: &str, content: impl FnOnce(&mut xml::Writer)) -> Response {
    let mut writer = xml::Writer::document();
    writer.root_of(root, namespace, content);
    let mut response = http::Response::new(Body::Full(writer.finish()));
    response.headers_mut().insert(header::CONTENT_TYPE, XML);
    response
}

pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = http::Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}
