//! The addresses that a website redirects to.
//!
//! Owns their encoding. Invariants:
//! - no byte in an address ends a header, whoever wrote it;
//! - a client chooses nothing of an address but the rest of a path and the query: its host is that of the
//!   request, which was resolved to the bucket, or one that the owner of the bucket wrote. A path never begins
//!   with two slashes, which browsers read as a host.

use super::visit::Visit;
use crate::model::{RedirectAll, RoutingRule, TargetKey, WebsiteProtocol};
use http::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// In what a client asked for: everything but letters, digits, and what stands for itself in a path.
const OF_CLIENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// In what the owner wrote, which may hold a query, a fragment, and bytes that are encoded already: only what
/// no address can hold.
const OF_OWNER: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Where `RedirectAllRequestsTo` sends a request.
pub(super) fn of_all(visit: &Visit, all: &RedirectAll) -> String {
    let key = TargetKey { written: "", asked: visit.path() };
    absolute(visit, all.protocol, Some(&all.host), key)
}

/// Where a routing rule that applies sends a request.
pub(super) fn of_rule(visit: &Visit, rule: &RoutingRule) -> String {
    let redirect = &rule.redirect;
    absolute(visit, redirect.protocol, redirect.host.as_deref(), rule.key(visit.path()))
}

/// The folder of a path that is no object. The root is none: it has its slash.
pub(super) fn of_folder(visit: &Visit) -> String {
    let path = visit.path();
    // `//host/` would be another host.
    let path = match path.strip_prefix('/') {
        Some(rest) => format!("%2F{}", utf8_percent_encode(rest, OF_CLIENT)),
        None => utf8_percent_encode(path, OF_CLIENT).to_string(),
    };
    with_query(format!("/{path}/"), visit)
}

/// A location that was stored with an object.
pub(super) fn of_object(stored: &HeaderValue) -> String {
    utf8_percent_encode(&String::from_utf8_lossy(stored.as_bytes()), OF_OWNER).to_string()
}

fn absolute(
    visit: &Visit,
    protocol: Option<WebsiteProtocol>,
    host: Option<&str>,
    key: TargetKey<'_>,
) -> String {
    let own =
        if visit.request.context.arrival.is_secure { WebsiteProtocol::Https } else { WebsiteProtocol::Http };
    let protocol = protocol.unwrap_or(own).as_str();
    let host = host.unwrap_or(&visit.host);
    let written = utf8_percent_encode(key.written, OF_OWNER);
    let asked = utf8_percent_encode(key.asked, OF_CLIENT);
    with_query(format!("{protocol}://{host}/{written}{asked}"), visit)
}

/// The query of the request goes with it, unless the address ends with a fragment.
fn with_query(address: String, visit: &Visit) -> String {
    match visit.query.as_deref() {
        Some(query) if !query.is_empty() && !address.contains('#') => {
            let joint = if address.contains('?') { '&' } else { '?' };
            format!("{address}{joint}{}", utf8_percent_encode(query, OF_OWNER))
        }
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::visit::Asked, *};
    use crate::{
        model::{NewKey, RoutingCondition, RoutingRedirect},
        s3::tests,
    };
    use http::{HeaderMap, Method};
    use proptest::prelude::*;

    fn visit(path: &str, query: Option<&str>) -> Visit {
        Visit::new(Asked {
            arrival: tests::context().arrival,
            method: Method::GET,
            bucket: "bucket".to_owned(),
            path: path.to_owned(),
            host: "bucket.web:8080".to_owned(),
            query: query.map(str::to_owned),
            headers: HeaderMap::new(),
        })
    }

    fn rule(redirect: RoutingRedirect) -> RoutingRule {
        let condition = RoutingCondition { prefix: Some("docs/".to_owned()), status: None };
        RoutingRule { condition: Some(condition), redirect }
    }

    fn new_prefix(prefix: &str) -> RoutingRule {
        rule(RoutingRedirect { key: Some(NewKey::Prefix(prefix.to_owned())), ..Default::default() })
    }

    #[test]
    fn a_rule_changes_what_it_names_and_keeps_the_rest() {
        let asked = visit("docs/a b/ü", Some("x=%20y"));
        assert_eq!(of_rule(&asked, &new_prefix("new/")), "http://bucket.web:8080/new/a%20b/%C3%BC?x=%20y");
        let elsewhere = RoutingRedirect {
            protocol: Some(WebsiteProtocol::Https),
            host: Some("example.com".to_owned()),
            ..Default::default()
        };
        assert_eq!(of_rule(&asked, &rule(elsewhere)), "https://example.com/docs/a%20b/%C3%BC?x=%20y");
        let whole = RoutingRedirect { key: Some(NewKey::Whole("find?q=1".to_owned())), ..Default::default() };
        assert_eq!(of_rule(&asked, &rule(whole)), "http://bucket.web:8080/find?q=1&x=%20y");
    }

    #[test]
    fn a_fragment_stays_at_the_end() {
        let asked = visit("docs/a", Some("x=1"));
        assert_eq!(of_rule(&asked, &new_prefix("#!/")), "http://bucket.web:8080/#!/a");
    }

    #[test]
    fn everything_is_sent_to_another_host_with_its_path_and_query() {
        let all = RedirectAll { host: "www.example.com".to_owned(), protocol: None };
        assert_eq!(of_all(&visit("a/b", Some("c=d")), &all), "http://www.example.com/a/b?c=d");
        assert_eq!(of_all(&visit("", None), &all), "http://www.example.com/");
    }

    #[test]
    fn a_folder_is_on_the_same_host_whatever_its_name() {
        assert_eq!(of_folder(&visit("a/b c", None)), "/a/b%20c/");
        assert_eq!(of_folder(&visit("a", Some("x"))), "/a/?x");
        assert_eq!(of_folder(&visit("/evil.example", None)), "/%2Fevil.example/");
        assert_eq!(of_folder(&visit("\\evil.example", None)), "/%5Cevil.example/");
        assert_eq!(of_folder(&visit("@evil", None)), "/%40evil/");
    }

    #[test]
    fn a_stored_location_is_sent_as_it_is_but_for_what_no_header_holds() {
        let stored = |text: &[u8]| of_object(&HeaderValue::from_bytes(text).expect("a header value"));
        assert_eq!(stored(b"/a%20b?c=d#e"), "/a%20b?c=d#e");
        assert_eq!(stored("https://ü/ b".as_bytes()), "https://%C3%BC/%20b");
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_the_address_is_one_header_and_on_the_host_that_was_chosen(
            path in any::<String>(),
            query in prop::option::of(any::<String>()),
            written in any::<String>(),
        ) {
            let asked = visit(&format!("docs/{path}"), query.as_deref());
            let ours = of_rule(&asked, &new_prefix(&written));
            prop_assert!(ours.starts_with("http://bucket.web:8080/"));
            prop_assert!(HeaderValue::try_from(&*ours).is_ok());
            prop_assume!(!path.is_empty());
            let folder = of_folder(&visit(&path, query.as_deref()));
            prop_assert!(folder.starts_with('/') && !folder.starts_with("//") && !folder.contains('\\'));
            prop_assert!(HeaderValue::try_from(&*folder).is_ok());
        }
    }
}
