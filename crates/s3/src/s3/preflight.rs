//! Preflights: what a browser asks before it sends a request of a page from another origin. They are answered
//! without authentication.
//!
//! Owns the question and the answer. The edge reads the one and sends the other; a setting of the bucket
//! decides which origins are allowed. No bucket has this setting yet, so all are refused, with the text of
//! S3.

use super::{
    about::About,
    body::Response,
    context::Arrival,
    error::{ErrorCode, S3Error},
    request::Target,
};
use http::{HeaderMap, Method, header};

#[derive(Debug)]
pub struct Preflight {
    pub arrival: Arrival,
    pub target: Target,
    /// The method of the request that is to follow.
    pub wanted: String,
}

impl Preflight {
    /// `None`: the request is none.
    pub fn read(
        method: &Method,
        headers: &HeaderMap,
        target: &Target,
        arrival: &Arrival,
    ) -> Result<Option<Self>, S3Error> {
        let malformed = |message: &str| Err(S3Error::new(ErrorCode::BadRequest, message));
        if method != Method::OPTIONS {
            return Ok(None);
        }
        if !headers.contains_key(header::ORIGIN) {
            return malformed("Insufficient information. Origin request header needed.");
        }
        let Some(wanted) = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD) else {
            return malformed("Invalid Access-Control-Request-Method: null");
        };
        let wanted = String::from_utf8_lossy(wanted.as_bytes()).into_owned();
        Ok(Some(Self { arrival: arrival.clone(), target: target.clone(), wanted }))
    }

    pub(super) fn answer(self) -> Response {
        let Self { arrival, target, wanted } = self;
        let error = S3Error::from(ErrorCode::AccessForbidden).detail("Method", wanted);
        About::new(&arrival.id, target.bucket, target.key).error(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::{Body, tests, xml};

    fn read(method: Method, headers: &[(&'static str, &str)]) -> Result<Option<Preflight>, ErrorCode> {
        let request = tests::request(headers);
        Preflight::read(&method, &request.headers, &request.target, &request.context.arrival)
            .map_err(|error| error.code)
    }

    #[test]
    fn a_preflight_is_refused_with_the_method_that_it_asks_about() {
        let asked = [("origin", "https://example.com"), ("access-control-request-method", "PUT")];
        let reply = read(Method::OPTIONS, &asked).expect("read").expect("a preflight").answer();
        assert_eq!(reply.status(), 403);
        let Body::Full(document) = reply.into_body() else { panic!("a document") };
        let document = xml::parse(&document, "Error").expect("well formed");
        let shown =
            ["Code", "Method", "ResourceType"].map(|element| document.value(element).map(str::to_owned));
        assert_eq!(shown, ["AccessForbidden", "PUT", "OBJECT"].map(|text| Some(text.to_owned())));
    }

    #[test]
    fn other_methods_are_no_preflight_and_half_a_question_is_malformed() {
        assert!(read(Method::GET, &[("origin", "https://example.com")]).expect("read").is_none());
        assert_eq!(read(Method::OPTIONS, &[]).map(|_| ()), Err(ErrorCode::BadRequest));
        assert_eq!(
            read(Method::OPTIONS, &[("origin", "https://example.com")]).map(|_| ()),
            Err(ErrorCode::BadRequest)
        );
    }
}
