//! Preflights: what a browser asks before it sends a request of a page from another origin. They are answered
//! without authentication.
//!
//! Owns the question and the answer. The edge reads the one and sends the other; the CORS rules of the bucket
//! decide (`cross_origin`).
//!
//! Invariant: a bucket without rules, one that does not exist and one whose rules cannot be read are answered
//! alike.

use super::{
    about::About,
    body::{Body, Response},
    context::Arrival,
    cross_origin,
    error::{ErrorCode, S3Error},
    request::Target,
};
use crate::model::CorsRules;
use http::{HeaderMap, Method, header};

/// As S3 says it.
const NOT_ALLOWED: &str = "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / \
     Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.";

#[derive(Debug)]
pub struct Preflight {
    pub arrival: Arrival,
    pub target: Target,
    /// The method of the request that is to follow.
    pub wanted: String,
    origin: String,
    /// The headers that are to follow, as they were sent.
    headers: String,
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
        let Some(origin) = cross_origin::text(headers, header::ORIGIN) else {
            return malformed("Insufficient information. Origin request header needed.");
        };
        let Some(wanted) = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD) else {
            return malformed("Invalid Access-Control-Request-Method: null");
        };
        let wanted = String::from_utf8_lossy(wanted.as_bytes()).into_owned();
        // A list may come in several headers.
        let names = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
        let names: Option<Vec<_>> = names.map(|value| value.to_str().ok()).collect();
        let Some(names) = names else {
            return malformed("Invalid Access-Control-Request-Headers");
        };
        let (arrival, target, headers) = (arrival.clone(), target.clone(), names.join(","));
        Ok(Some(Self { arrival, target, wanted, origin, headers }))
    }

    pub(super) fn answer(self, rules: &CorsRules) -> Response {
        let Self { arrival, target, wanted, origin, headers } = self;
        if let Some(allowed) = cross_origin::preflight(rules, &origin, &wanted, &headers) {
            let mut response = http::Response::new(Body::Empty);
            *response.headers_mut() = allowed;
            return response;
        }
        let error = if rules.is_empty() {
            S3Error::from(ErrorCode::AccessForbidden)
        } else {
            S3Error::new(ErrorCode::AccessForbidden, NOT_ALLOWED)
        };
        About::new(&arrival.id, target).error(error.detail("Method", wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{CorsMethod, CorsPattern, CorsRule},
        s3::{tests, xml},
    };

    fn read(method: Method, headers: &[(&'static str, &str)]) -> Result<Option<Preflight>, ErrorCode> {
        let request = tests::request(headers);
        Preflight::read(&method, &request.headers, &request.target, &request.context.arrival)
            .map_err(|error| error.code)
    }

    fn answer(rules: &CorsRules, headers: &[(&'static str, &str)]) -> Response {
        read(Method::OPTIONS, headers).expect("read").expect("a preflight").answer(rules)
    }

    fn rules(origin: &str) -> CorsRules {
        let pattern = |text| CorsPattern::parse(text).expect("a pattern");
        CorsRules::new(vec![CorsRule {
            id: None,
            origins: vec![pattern(origin)],
            methods: vec![CorsMethod::Put],
            headers: vec![pattern("x-amz-date")],
            exposed: Vec::new(),
            max_age: None,
        }])
        .expect("rules")
    }

    const ASKED: [(&str, &str); 2] =
        [("origin", "https://example.com"), ("access-control-request-method", "PUT")];

    #[test]
    fn a_preflight_is_refused_with_the_method_that_it_asks_about() {
        for (rules, message) in [
            (CorsRules::default(), "CORSResponse: CORS is not enabled for this bucket."),
            (rules("https://other"), NOT_ALLOWED),
        ] {
            let reply = answer(&rules, &ASKED);
            assert_eq!((reply.status().as_u16(), reply.headers().contains_key("vary")), (403, false));
            let Body::Full(document) = reply.into_body() else { panic!("a document") };
            let document = xml::parse(&document, "Error").expect("well formed");
            let shown = ["Code", "Message", "Method", "ResourceType"]
                .map(|element| document.value(element).map(str::to_owned));
            assert_eq!(
                shown,
                ["AccessForbidden", message, "PUT", "OBJECT"].map(|text| Some(text.to_owned()))
            );
        }
    }

    #[test]
    fn a_preflight_that_a_rule_allows_has_no_document() {
        let names = ("access-control-request-headers", "X-Amz-Date");
        let reply = answer(&rules("https://example.com"), &[ASKED[0], ASKED[1], names]);
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.headers()["access-control-allow-origin"], "https://example.com");
        assert_eq!(reply.headers()["access-control-allow-headers"], "X-Amz-Date");
        assert!(matches!(reply.into_body(), Body::Empty));
        let twice = [ASKED[0], ASKED[1], names, ("access-control-request-headers", "authorization")];
        assert_eq!(answer(&rules("https://example.com"), &twice).status(), 403, "every list counts");
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
