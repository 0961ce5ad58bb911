//! What HTTP and every client expect of a reply, whatever the operation: identification, a body only where
//! one is allowed, its length, what a page of another origin may see, and whether the connection stays open.
//!
//! Invariant: every reply passes [`Reply::finish`], also replies to refused, overloaded and failed requests.
//! Headers of all replies are added there.

use crate::{
    model::CorsRules,
    s3::{Body, CrossOrigin, RequestId, Response},
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version, header};
use http_body::Body as _;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Set once the body of a request was polled: the client was then sent `100 Continue`.
#[derive(Debug, Clone, Default)]
pub(super) struct Attended(Arc<AtomicBool>);

impl Attended {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The properties of a request that decide the form of its reply.
#[derive(Debug)]
pub struct Reply {
    id: RequestId,
    head: bool,
    /// The client waits for `100 Continue` before it sends its body.
    waits: Option<Waits>,
    /// The request is of a page of another origin.
    page: Option<CrossOrigin>,
}

#[derive(Debug)]
struct Waits {
    attended: Attended,
    empty: bool,
}

impl Reply {
    /// Called before the request is admitted: leaves a marker in its extensions that shows whether its body
    /// was polled.
    pub fn to<B>(request: &mut Request<B>, id: RequestId) -> Self {
        let waits =
            (request.version() == Version::HTTP_11 && expects_continue(request.headers())).then(|| {
                let attended = Attended::default();
                request.extensions_mut().insert(attended.clone());
                let empty = request.headers().get(header::CONTENT_LENGTH).is_some_and(|length| length == "0");
                Waits { attended, empty }
            });
        Self { id, head: request.method() == Method::HEAD, waits, page: None }
    }

    /// Notes whether a page of another origin sent the request.
    pub fn with(self, page: Option<CrossOrigin>) -> Self {
        Self { page, ..self }
    }

    pub fn page(&self) -> Option<&CrossOrigin> {
        self.page.as_ref()
    }

    /// `rules` are those for the page that sent the request, if one did.
    pub fn finish(self, mut response: Response, rules: &CorsRules) -> Response {
        let bodyless = matches!(response.status(), StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT);
        let length = response.body().size_hint().exact();
        let headers = response.headers_mut();
        if bodyless {
            headers.remove(header::CONTENT_LENGTH);
            headers.remove(header::CONTENT_TYPE);
        } else if let Some(length) = length
            && !(self.head && headers.contains_key(header::CONTENT_LENGTH))
        {
            // The reply to a HEAD may state the length of a body that it never made.
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        headers.insert(header::SERVER, HeaderValue::from_static("Causeway"));
        if let Ok(id) = HeaderValue::try_from(&*self.id.0) {
            headers.insert("x-amz-request-id", id.clone());
            headers.insert("x-amz-id-2", id);
        }
        if let Some(page) = &self.page {
            page.allow(rules, headers);
        }
        // Without a 100 the client either sends its body or does not, and nobody can know which. Clients such
        // as botocore misread what follows on a connection where the 100 for an empty body never came.
        if self.waits.is_some_and(|waits| waits.empty || !waits.attended.is_set()) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if self.head || bodyless {
            *response.body_mut() = Body::Empty;
        }
        response
    }
}

fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        headers
            .iter()
            .fold(Request::builder(), |builder, (name, value)| builder.header(*name, *value))
            .body(())
            .expect("a request")
    }

    fn reply(mut request: Request<()>, response: Response) -> Response {
        Reply::to(&mut request, RequestId("id-1".into())).finish(response, &CorsRules::default())
    }

    fn response(status: u16, body: &'static str) -> Response {
        let response = http::Response::builder().status(status).header("content-type", "application/xml");
        response.body(Body::Full(Bytes::from_static(body.as_bytes()))).expect("a response")
    }

    fn header(response: &Response, name: &str) -> Option<String> {
        response.headers().get(name).map(|value| value.to_str().expect("ASCII").to_owned())
    }

    #[test]
    fn every_reply_names_its_request_and_its_length() {
        let response = reply(request(&[]), response(200, "hello"));
        assert_eq!(header(&response, "x-amz-request-id").as_deref(), Some("id-1"));
        assert_eq!(header(&response, "x-amz-id-2").as_deref(), Some("id-1"));
        assert_eq!(header(&response, "server").as_deref(), Some("Causeway"));
        assert_eq!(header(&response, "content-length").as_deref(), Some("5"));
        assert!(matches!(response.body(), Body::Full(bytes) if bytes == "hello"));
    }

    #[test]
    fn a_reply_to_head_has_the_length_but_not_the_body() {
        let head = || Request::head("/").body(()).expect("a request");
        let error = reply(head(), response(404, "<Error/>"));
        assert_eq!(header(&error, "content-length").as_deref(), Some("8"));
        assert!(matches!(error.body(), Body::Empty));
        let mut stated = http::Response::new(Body::Empty);
        stated.headers_mut().insert("content-length", HeaderValue::from_static("1234"));
        assert_eq!(header(&reply(head(), stated), "content-length").as_deref(), Some("1234"));
    }

    #[test]
    fn not_modified_and_no_content_have_no_body_to_speak_of() {
        for status in [304, 204] {
            let response = reply(request(&[]), response(status, "<Error/>"));
            assert!(matches!(response.body(), Body::Empty));
            assert_eq!(
                (header(&response, "content-length"), header(&response, "content-type")),
                (None, None)
            );
        }
    }

    #[test]
    fn a_connection_ends_when_the_client_was_not_told_to_continue() {
        let expect = ("expect", "100-Continue");
        let closes = |request: Request<()>, read: bool| {
            let mut request = request;
            let reply = Reply::to(&mut request, RequestId("id".into()));
            if read && let Some(attended) = request.extensions().get::<Attended>() {
                attended.set();
            }
            header(&reply.finish(response(200, ""), &CorsRules::default()), "connection").is_some()
        };
        assert!(closes(request(&[expect, ("content-length", "3")]), false));
        assert!(!closes(request(&[expect, ("content-length", "3")]), true));
        assert!(closes(request(&[expect, ("content-length", "0")]), true));
        assert!(!closes(request(&[("content-length", "3")]), false));
        let mut h2 = request(&[expect]);
        *h2.version_mut() = Version::HTTP_2;
        assert!(!closes(h2, false));
    }
}
