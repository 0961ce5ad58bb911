//! Cross-origin requests: what a page of another origin asks for, and what the CORS rules let its browser
//! show of the reply.
//!
//! Owns the headers `Access-Control-...` and `Vary` of replies to preflights and to the requests that follow.
//! Does not own the rules (`model`), nor whose they are (`buckets`).
//!
//! Invariants:
//! - rules decide what a browser shows to a page, never what a request may do: that is the gate's;
//! - a reply names one origin, that of the request, or `*` if the rule says so.

use crate::model::{CorsMatch, CorsRules};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// The parts of the request of a page that decide which rule applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrossOrigin {
    origin: String,
    method: String,
    bucket: Option<String>,
}

/// The requests for which a cache must keep different replies (Fetch Standard, "CORS protocol and HTTP
/// caches").
const VARY: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Headers, Access-Control-Request-Method");

impl CrossOrigin {
    /// `None`: the request comes from no page, or it is a preflight, which has replies of its own.
    pub fn read(method: &Method, headers: &HeaderMap) -> Option<Self> {
        let origin = text(headers, header::ORIGIN).filter(|_| *method != Method::OPTIONS)?;
        // As on S3, the method that a client says it means counts before its own. Browsers send it in
        // preflights only.
        let meant = text(headers, header::ACCESS_CONTROL_REQUEST_METHOD);
        Some(Self { origin, method: meant.unwrap_or_else(|| method.to_string()), bucket: None })
    }

    pub fn on(self, bucket: Option<String>) -> Self {
        Self { bucket, ..self }
    }

    /// The bucket whose rules apply.
    pub fn bucket(&self) -> Option<&str> {
        self.bucket.as_deref()
    }

    /// Adds what the rules allow to the headers of the reply.
    pub fn allow(&self, rules: &CorsRules, headers: &mut HeaderMap) {
        if rules.is_empty() {
            return;
        }
        headers.append(header::VARY, VARY);
        if let Some(found) = rules.of_request(&self.origin, &self.method) {
            allow(headers, &self.origin, found);
        }
    }
}

/// Adds the headers that a preflight and the request after it have in common.
fn allow(headers: &mut HeaderMap, origin: &str, found: CorsMatch<'_>) {
    let CorsMatch { rule, origin: pattern } = found;
    if pattern.is_any() {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    } else {
        insert(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    let methods: Vec<_> = rule.methods.iter().map(|method| method.as_str()).collect();
    insert(headers, header::ACCESS_CONTROL_ALLOW_METHODS, &methods.join(", "));
    if !rule.exposed.is_empty() {
        insert(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, &rule.exposed.join(", "));
    }
    if let Some(seconds) = rule.max_age {
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
    }
}

/// The headers of the reply to a preflight. `None`: no rule allows the request that is to follow.
pub(super) fn preflight(rules: &CorsRules, origin: &str, method: &str, wanted: &str) -> Option<HeaderMap> {
    let names: Vec<_> = wanted.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let found = rules.of_preflight(origin, method, &names)?;
    let mut headers = HeaderMap::new();
    headers.insert(header::VARY, VARY);
    allow(&mut headers, origin, found);
    if !names.is_empty() {
        insert(&mut headers, header::ACCESS_CONTROL_ALLOW_HEADERS, &names.join(", "));
    }
    Some(headers)
}

/// Texts of requests and rules fit into headers: they came in one, or were checked.
fn insert(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(name, value);
    }
}

/// The text of a header; `None` if it is repeated: browsers send it once.
pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?.to_owned();
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CorsMethod, CorsPattern, CorsRule};

    fn rules(origin: &str) -> CorsRules {
        let pattern = |text: &str| CorsPattern::parse(text).expect("a pattern");
        CorsRules::new(vec![CorsRule {
            id: None,
            origins: vec![pattern(origin)],
            methods: vec![CorsMethod::Get, CorsMethod::Put],
            headers: vec![pattern("x-amz-*")],
            exposed: vec!["ETag".to_owned(), "x-amz-request-id".to_owned()],
            max_age: Some(60),
        }])
        .expect("rules")
    }

    fn shown(headers: &HeaderMap) -> Vec<(&str, &str)> {
        let mut all: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("ASCII"))).collect();
        all.sort_unstable();
        all
    }

    fn asked(method: Method, headers: &[(&'static str, &str)]) -> Option<CrossOrigin> {
        CrossOrigin::read(&method, &crate::s3::tests::request(headers).headers)
    }

    #[test]
    fn a_reply_shows_its_page_what_the_rule_allows() {
        let page = asked(Method::GET, &[("origin", "https://a")]).expect("a page's");
        let mut headers = HeaderMap::new();
        page.allow(&rules("https://*"), &mut headers);
        assert_eq!(
            shown(&headers),
            [
                ("access-control-allow-credentials", "true"),
                ("access-control-allow-methods", "GET, PUT"),
                ("access-control-allow-origin", "https://a"),
                ("access-control-expose-headers", "ETag, x-amz-request-id"),
                ("access-control-max-age", "60"),
                ("vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"),
            ]
        );
        let mut any = HeaderMap::new();
        page.allow(&rules("*"), &mut any);
        assert_eq!(any["access-control-allow-origin"], "*");
        assert!(!any.contains_key("access-control-allow-credentials"));
    }

    #[test]
    fn a_page_that_no_rule_allows_is_shown_nothing() {
        let page = asked(Method::DELETE, &[("origin", "https://a")]).expect("a page's");
        let mut headers = HeaderMap::new();
        page.allow(&rules("https://*"), &mut headers);
        assert_eq!(shown(&headers), [("vary", VARY.to_str().expect("ASCII"))]);
        let mut headers = HeaderMap::new();
        page.allow(&CorsRules::default(), &mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn requests_without_one_origin_and_preflights_are_not_of_a_page() {
        assert_eq!(asked(Method::GET, &[]), None);
        assert_eq!(asked(Method::GET, &[("origin", "a"), ("origin", "b")]), None);
        assert_eq!(asked(Method::OPTIONS, &[("origin", "a")]), None);
        let meant = asked(Method::PUT, &[("origin", "a"), ("access-control-request-method", "GET")]);
        assert_eq!(meant.expect("a page's").method, "GET");
    }

    #[test]
    fn a_preflight_is_told_the_headers_that_it_asked_about() {
        let answer = |wanted| preflight(&rules("https://*"), "https://a", "PUT", wanted);
        let allowed = answer("X-Amz-Date,x-amz-acl").expect("allowed");
        assert_eq!(allowed["access-control-allow-headers"], "X-Amz-Date, x-amz-acl");
        assert!(!answer("").expect("allowed").contains_key("access-control-allow-headers"));
        assert_eq!(answer("x-amz-date, authorization"), None);
    }
}
