//! Which operation a request names, and which parts of its query no operation has.
//!
//! Invariants:
//! - every sub-resource that S3 knows is in the table of operations or in [`FOREIGN`]: a sub-resource that is
//!   not served is answered with 501, and a write with any parameter that its operation does not know is
//!   refused. Nothing falls through to PutObject or DeleteObject;
//! - a request is routed once, by the edge.

use super::{
    control,
    error::{ErrorCode, S3Error},
    operation::{Facts, Mark, Operation, Scope, Support, Verb},
    request::{Request, Target},
};
use http::{HeaderMap, HeaderValue, Method, header};
use std::sync::LazyLock;

/// Sub-resources that are no operation of S3: those of other servers, and of a bucket where a key is given.
/// An object has none of them.
const FOREIGN: &[(Scope, &str)] = &[
    // MinIO's watch on a bucket.
    (Scope::Bucket, "events"),
    // Ceph's and Alibaba's way to append.
    (Scope::Object, "append"),
    (Scope::Object, "object-lock"),
];

/// Parameters that any request may carry: SDKs name the operation in `x-id`.
const HARMLESS: &[&str] = &["x-id"];

/// The parts of a request that name its operation.
#[derive(Debug, Clone, Copy)]
pub struct RouteInput<'a> {
    pub method: &'a Method,
    pub target: &'a Target,
    /// Decoded.
    pub query: &'a [(String, String)],
    pub headers: &'a HeaderMap,
    /// Whether parameters of the query may stand for headers.
    pub presigned: bool,
}

impl Target {
    pub fn scope(&self) -> Scope {
        match (&self.control, &self.bucket, &self.key) {
            (Some(_), None, _) => Scope::Account,
            (Some(_), Some(_), _) => Scope::Resource,
            (None, None, _) => Scope::Service,
            (None, Some(_), None) => Scope::Bucket,
            (None, Some(_), Some(_)) => Scope::Object,
        }
    }
}

impl RouteInput<'_> {
    fn has(&self, mark: Mark) -> bool {
        let has = |name: &str| self.query.iter().any(|(known, _)| known == name);
        match mark {
            Mark::Query(name) => has(name),
            Mark::Either(name, other) => has(name) || has(other),
            Mark::Value(name, value) => {
                self.query.iter().find(|(known, _)| known == name).is_some_and(|(_, known)| known == value)
            }
            Mark::Path(path) => self.target.control.as_deref() == Some(path),
            Mark::Under(path) => {
                self.target.control.as_deref().is_some_and(|control| control.starts_with(path))
            }
            Mark::Header(name) => {
                let stands_for_header = |(known, _): &(String, String)| known.eq_ignore_ascii_case(name);
                self.headers.contains_key(name)
                    || (self.presigned && self.query.iter().any(stands_for_header))
            }
        }
    }
}

/// Rows by what every request has.
struct Routes {
    rows: Vec<(Verb, Scope, Vec<&'static Facts>)>,
    /// Sub-resources of buckets and objects that are not served.
    unserved: Vec<(Scope, &'static str)>,
}

static ROUTES: LazyLock<Routes> = LazyLock::new(|| {
    let all = || Operation::ALL.iter().map(|operation| operation.facts());
    let mut rows: Vec<(Verb, Scope, Vec<&'static Facts>)> = Vec::new();
    for facts in all() {
        match rows.iter_mut().find(|(verb, scope, _)| (*verb, *scope) == (facts.verb, facts.scope)) {
            Some((_, _, same)) => same.push(facts),
            None => rows.push((facts.verb, facts.scope, vec![facts])),
        }
    }
    let is_served =
        |scope, name: &str| all().any(|facts| facts.is_served() && facts.scope == scope && facts.knows(name));
    let refused = all().filter(|facts| !facts.is_served() && facts.scope != Scope::Service);
    let named = refused.flat_map(|facts| sub_resources(facts).map(move |name| (facts.scope, name)));
    let mut unserved: Vec<_> =
        named.filter(|(scope, name)| !is_served(*scope, name)).chain(FOREIGN.iter().copied()).collect();
    unserved.sort_unstable_by_key(|(scope, name)| (scope.as_str(), *name));
    unserved.dedup();
    Routes { rows, unserved }
});

/// The first parameter that names an operation is its sub-resource; a further one counts where it wants a
/// value, as `select-type=2`.
fn sub_resources(facts: &Facts) -> impl Iterator<Item = &'static str> {
    let first = facts.named.iter().take(1).filter(|mark| matches!(mark, Mark::Query(_)));
    let valued = facts.named.iter().filter(|mark| matches!(mark, Mark::Value(..)));
    first.chain(valued).flat_map(|mark| mark.parameters())
}

/// The operation that a request is for. `None`: none has this method on such a resource.
pub fn route(asked: RouteInput<'_>) -> Option<Operation> {
    let (verb, scope) = (Verb::of(asked.method)?, asked.target.scope());
    let (_, _, rows) = ROUTES.rows.iter().find(|(of, on, _)| (*of, *on) == (verb, scope))?;
    rows.iter().find(|facts| facts.named.iter().all(|mark| asked.has(*mark))).map(|facts| facts.operation)
}

/// Refuses a request whose query asks for something that is not served, or that its operation does not know.
pub(super) fn check(request: &Request) -> Result<Operation, S3Error> {
    // The key of a form is in its body: the request is on the bucket.
    let scope = request.context.operation.map_or(request.target.scope(), |operation| operation.facts().scope);
    let query = &request.query;
    let is_unserved = |name: &str| ROUTES.unserved.iter().any(|(on, known)| *on == scope && *known == name);
    if let Some((name, _)) = query.iter().find(|(name, _)| is_unserved(name)) {
        return Err(not_served(scope, name));
    }
    if scope == Scope::Object {
        refuse_on_keys(request)?;
    }
    let operation = request.context.operation.ok_or_else(|| unknown(scope, request))?;
    let facts = operation.facts();
    if operation == Operation::ListObjects
        && let Some(other) = query.get("list-type").filter(|version| *version != "1")
    {
        return Err(S3Error::argument("list-type", other, "Invalid list type"));
    }
    let is_known = |name: &str| facts.knows(name) || HARMLESS.contains(&name);
    match query.iter().find(|(name, _)| !facts.verb.is_safe() && !is_known(name)) {
        Some((name, _)) => {
            Err(S3Error::not_implemented(format_args!("The parameter '{name}' of {}", operation.as_str())))
        }
        None => Ok(operation),
    }
}

/// Sub-resources of buckets that S3 knows where a key is given, and refuses in its own words.
fn refuse_on_keys(request: &Request) -> Result<(), S3Error> {
    let invalid = |message: String| Err(S3Error::new(ErrorCode::InvalidRequest, message));
    if request.query.has("versions") {
        return invalid("There is no such thing as the ?versions sub-resource for a key".to_owned());
    }
    if request.query.has("uploads") && request.method != Method::POST {
        return invalid(format!(
            "Key is not expected for the {} method ?uploads subresource",
            request.method
        ));
    }
    Ok(())
}

fn not_served(scope: Scope, sub_resource: &str) -> S3Error {
    S3Error::not_implemented(format_args!("The {} sub-resource '{sub_resource}'", scope.as_str()))
}

/// 501 for an operation without a handler.
pub(super) fn refused(operation: Operation) -> S3Error {
    let facts = operation.facts();
    match (facts.support, sub_resources(facts).next()) {
        (Support::Refused(Some(words)), _) => S3Error::not_implemented(words),
        (_, Some(name)) => not_served(facts.scope, name),
        (_, None) => S3Error::not_implemented(operation.as_str()),
    }
}

/// The refusal of a request that is for no operation of the table.
fn unknown(scope: Scope, request: &Request) -> S3Error {
    match &request.target.control {
        Some(path) => control::refused(&request.method, path),
        None => not_allowed(scope),
    }
}

/// RFC 9110 section 15.5.6: a 405 says which methods there are.
fn not_allowed(scope: Scope) -> S3Error {
    let methods = match scope {
        Scope::Service => "GET",
        Scope::Bucket => "GET, HEAD, PUT, DELETE, POST",
        Scope::Object => "GET, HEAD, PUT, DELETE",
        Scope::Account => "GET, PUT, DELETE",
        Scope::Resource => "GET, POST, DELETE",
    };
    S3Error::from(ErrorCode::MethodNotAllowed).header(header::ALLOW, HeaderValue::from_static(methods))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::{Query, tests};

    /// A request that a row names by its marks, with one parameter more.
    fn request(facts: &Facts, more: &str) -> Request {
        let mut request = tests::request_for(facts);
        let pairs = request.query.iter().chain((!more.is_empty()).then_some((more, "")));
        request.query = Query::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
        request.context.operation = routed(&request);
        request
    }

    fn routed(request: &Request) -> Option<Operation> {
        let query: Vec<_> =
            request.query.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let Request { method, target, headers, .. } = request;
        route(RouteInput { method, target, query: &query, headers, presigned: false })
    }

    fn message(request: &Request) -> Option<String> {
        check(request).err().map(|error| error.message)
    }

    #[test]
    fn a_request_with_the_marks_of_a_row_is_for_its_operation() {
        for operation in Operation::ALL {
            let facts = operation.facts();
            let found = request(facts, "").context.operation.expect("an operation").facts();
            // Older names of operations are said in the same way as the newer ones.
            let same = |facts: &Facts| (facts.verb, facts.scope, facts.named);
            assert_eq!(same(found), same(facts), "{operation:?} is hidden by {:?}", found.operation);
            assert_eq!(found.is_served(), facts.is_served(), "{operation:?}");
        }
    }

    #[test]
    fn what_is_not_served_is_refused_by_name_and_what_is_served_passes() {
        for operation in Operation::ALL {
            let facts = operation.facts();
            let request = request(facts, "");
            match facts.support {
                Support::Served => assert_eq!(message(&request), None, "{operation:?}"),
                Support::Refused(words) => {
                    let refusal = check(&request).err().unwrap_or_else(|| refused(*operation));
                    assert_eq!(refusal.code, ErrorCode::NotImplemented, "{operation:?}");
                    let named = facts.named.first().map(|mark| mark.to_string().replace('?', "'"));
                    let words = words.map(str::to_owned).or(named).expect("words or a name");
                    assert!(refusal.message.contains(&words), "{operation:?}: {}", refusal.message);
                }
            }
        }
    }

    #[test]
    fn a_sub_resource_that_is_not_served_is_refused_with_any_method_and_beside_any_other() {
        let named = |operation: Operation, more| message(&request(operation.facts(), more)).expect("refused");
        assert_eq!(
            named(Operation::HeadBucket, "replication"),
            "The bucket sub-resource 'replication' is not implemented"
        );
        assert_eq!(
            named(Operation::GetBucketAcl, "inventory"),
            "The bucket sub-resource 'inventory' is not implemented"
        );
        assert_eq!(
            named(Operation::ListObjects, "events"),
            "The bucket sub-resource 'events' is not implemented"
        );
        assert_eq!(
            named(Operation::GetObject, "select-type"),
            "The object sub-resource 'select-type' is not implemented"
        );
        assert_eq!(
            named(Operation::PutObject, "append"),
            "The object sub-resource 'append' is not implemented"
        );
        assert_eq!(
            named(Operation::PutObject, "legal-hold"),
            "The object sub-resource 'legal-hold' is not implemented"
        );
        assert_eq!(
            named(Operation::PutBucketVersioning, "replication"),
            "The bucket sub-resource 'replication' is not implemented"
        );
        assert_eq!(refused(Operation::PutBucketVersioning).message, "Versioning is not implemented");
    }

    #[test]
    fn a_write_with_a_parameter_that_its_operation_does_not_know_is_refused() {
        for operation in Operation::ALL.iter().filter(|operation| operation.facts().is_served()) {
            let refused = message(&request(operation.facts(), "unheard-of"));
            let expected = format!("The parameter 'unheard-of' of {} is not implemented", operation.as_str());
            assert_eq!(refused, (!operation.facts().verb.is_safe()).then_some(expected));
            assert_eq!(message(&request(operation.facts(), "x-id")), None);
        }
    }

    #[test]
    fn sub_resources_of_buckets_are_refused_where_a_key_is_given() {
        for (operation, more) in [
            (Operation::GetObject, "versions"),
            (Operation::PutObject, "uploads"),
            (Operation::GetObject, "uploads"),
        ] {
            let error = check(&request(operation.facts(), more)).expect_err("refused");
            assert_eq!(error.code, ErrorCode::InvalidRequest, "{operation:?} {more}");
        }
    }

    #[test]
    fn methods_without_an_operation_are_answered_with_those_that_have_one() {
        for (facts, method, allowed) in [
            (Operation::ListBuckets, Method::PUT, "GET"),
            (Operation::ListObjects, Method::PATCH, "GET, HEAD, PUT, DELETE, POST"),
            (Operation::GetObject, Method::POST, "GET, HEAD, PUT, DELETE"),
        ] {
            let mut request = request(facts.facts(), "");
            request.method = method;
            request.context.operation = routed(&request);
            let error = check(&request).expect_err("refused");
            assert_eq!(
                (error.code, &error.headers[0].1),
                (ErrorCode::MethodNotAllowed, &HeaderValue::from_static(allowed))
            );
        }
    }

    #[test]
    fn a_presigned_query_may_name_the_source_of_a_copy() {
        let request = tests::request_for(Operation::PutObject.facts());
        let query = vec![("X-Amz-Copy-Source".to_owned(), "bucket/key".to_owned())];
        let asked = |presigned| RouteInput {
            method: &request.method,
            target: &request.target,
            query: &query,
            headers: &request.headers,
            presigned,
        };
        assert_eq!(route(asked(true)), Some(Operation::CopyObject));
        assert_eq!(route(asked(false)), Some(Operation::PutObject));
    }

    #[test]
    fn a_list_is_of_the_first_or_the_second_version() {
        for (value, expected) in [
            ("2", Ok(Operation::ListObjectsV2)),
            ("1", Ok(Operation::ListObjects)),
            ("3", Err(ErrorCode::InvalidArgument)),
        ] {
            let mut request = request(Operation::ListObjects.facts(), "");
            request.query = Query::new(vec![("list-type".to_owned(), value.to_owned())]);
            request.context.operation = routed(&request);
            assert_eq!(check(&request).map_err(|error| error.code), expected, "{value}");
        }
    }
}
