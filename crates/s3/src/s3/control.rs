//! Requests of S3's control plane (Amazon S3 API reference, "Amazon S3 Control"): how they differ from
//! requests of S3, and the operations that are not served.
//!
//! SDKs send them to `ACCOUNT.s3-control.…`, or to `ACCOUNT.HOST` of another endpoint, or to the endpoint
//! itself where they are told to. So the host says nothing: a request is of the control plane if its path begins with
//! the version and it names an account. No operation of S3 has the header that does.
//!
//! Invariant: the account is what the request asks about, never who asks.

use super::{
    error::{ErrorCode, S3Error},
    identification::ARN_PREFIX,
    operation::CONTROL,
    request::{HeaderMapExt, Request, Target},
};
use crate::buckets::Bucket;
use http::{HeaderMap, Method};

/// `xmlns` of the documents.
pub(super) const NAMESPACE: &str = "http://awss3control.amazonaws.com/doc/2018-08-20/";
const ACCOUNT: &str = "x-amz-account-id";
/// Paths about the tags of a resource, whose ARN follows.
const TAGS: &str = "tags/";

/// The operations that are not served: method, path, name. `{}` is one segment of a path, `{+}` some.
const REFUSED: &[(&str, &str, &str)] = &[
    ("POST", "accessgrantsinstance/identitycenter", "AssociateAccessGrantsIdentityCenter"),
    ("POST", "accessgrantsinstance/grant", "CreateAccessGrant"),
    ("POST", "accessgrantsinstance", "CreateAccessGrantsInstance"),
    ("POST", "accessgrantsinstance/location", "CreateAccessGrantsLocation"),
    ("PUT", "accesspoint/{}", "CreateAccessPoint"),
    ("PUT", "accesspointforobjectlambda/{}", "CreateAccessPointForObjectLambda"),
    ("PUT", "bucket/{}", "CreateBucket"),
    ("POST", "jobs", "CreateJob"),
    ("POST", "async-requests/mrap/create", "CreateMultiRegionAccessPoint"),
    ("POST", "storagelensgroup", "CreateStorageLensGroup"),
    ("DELETE", "accessgrantsinstance/grant/{}", "DeleteAccessGrant"),
    ("DELETE", "accessgrantsinstance", "DeleteAccessGrantsInstance"),
    ("DELETE", "accessgrantsinstance/resourcepolicy", "DeleteAccessGrantsInstanceResourcePolicy"),
    ("DELETE", "accessgrantsinstance/location/{}", "DeleteAccessGrantsLocation"),
    ("DELETE", "accesspoint/{}", "DeleteAccessPoint"),
    ("DELETE", "accesspointforobjectlambda/{}", "DeleteAccessPointForObjectLambda"),
    ("DELETE", "accesspoint/{}/policy", "DeleteAccessPointPolicy"),
    ("DELETE", "accesspointforobjectlambda/{}/policy", "DeleteAccessPointPolicyForObjectLambda"),
    ("DELETE", "accesspoint/{}/scope", "DeleteAccessPointScope"),
    ("DELETE", "bucket/{}", "DeleteBucket"),
    ("DELETE", "bucket/{}/lifecycleconfiguration", "DeleteBucketLifecycleConfiguration"),
    ("DELETE", "bucket/{}/policy", "DeleteBucketPolicy"),
    ("DELETE", "bucket/{}/replication", "DeleteBucketReplication"),
    ("DELETE", "bucket/{}/tagging", "DeleteBucketTagging"),
    ("DELETE", "jobs/{}/tagging", "DeleteJobTagging"),
    ("POST", "async-requests/mrap/delete", "DeleteMultiRegionAccessPoint"),
    ("DELETE", "storagelens/{}", "DeleteStorageLensConfiguration"),
    ("DELETE", "storagelens/{}/tagging", "DeleteStorageLensConfigurationTagging"),
    ("DELETE", "storagelensgroup/{}", "DeleteStorageLensGroup"),
    ("GET", "jobs/{}", "DescribeJob"),
    ("GET", "async-requests/mrap/{+}", "DescribeMultiRegionAccessPointOperation"),
    ("DELETE", "accessgrantsinstance/identitycenter", "DissociateAccessGrantsIdentityCenter"),
    ("GET", "accessgrantsinstance/grant/{}", "GetAccessGrant"),
    ("GET", "accessgrantsinstance", "GetAccessGrantsInstance"),
    ("GET", "accessgrantsinstance/prefix", "GetAccessGrantsInstanceForPrefix"),
    ("GET", "accessgrantsinstance/resourcepolicy", "GetAccessGrantsInstanceResourcePolicy"),
    ("GET", "accessgrantsinstance/location/{}", "GetAccessGrantsLocation"),
    ("GET", "accesspoint/{}", "GetAccessPoint"),
    ("GET", "accesspointforobjectlambda/{}/configuration", "GetAccessPointConfigurationForObjectLambda"),
    ("GET", "accesspointforobjectlambda/{}", "GetAccessPointForObjectLambda"),
    ("GET", "accesspoint/{}/policy", "GetAccessPointPolicy"),
    ("GET", "accesspointforobjectlambda/{}/policy", "GetAccessPointPolicyForObjectLambda"),
    ("GET", "accesspoint/{}/policyStatus", "GetAccessPointPolicyStatus"),
    ("GET", "accesspointforobjectlambda/{}/policyStatus", "GetAccessPointPolicyStatusForObjectLambda"),
    ("GET", "accesspoint/{}/scope", "GetAccessPointScope"),
    ("GET", "bucket/{}", "GetBucket"),
    ("GET", "bucket/{}/lifecycleconfiguration", "GetBucketLifecycleConfiguration"),
    ("GET", "bucket/{}/policy", "GetBucketPolicy"),
    ("GET", "bucket/{}/replication", "GetBucketReplication"),
    ("GET", "bucket/{}/tagging", "GetBucketTagging"),
    ("GET", "bucket/{}/versioning", "GetBucketVersioning"),
    ("GET", "accessgrantsinstance/dataaccess", "GetDataAccess"),
    ("GET", "jobs/{}/tagging", "GetJobTagging"),
    ("GET", "mrap/instances/{+}", "GetMultiRegionAccessPoint"),
    ("GET", "mrap/instances/{+}/policy", "GetMultiRegionAccessPointPolicy"),
    ("GET", "mrap/instances/{+}/policystatus", "GetMultiRegionAccessPointPolicyStatus"),
    ("GET", "mrap/instances/{+}/routes", "GetMultiRegionAccessPointRoutes"),
    ("GET", "storagelens/{}", "GetStorageLensConfiguration"),
    ("GET", "storagelens/{}/tagging", "GetStorageLensConfigurationTagging"),
    ("GET", "storagelensgroup/{}", "GetStorageLensGroup"),
    ("GET", "accessgrantsinstance/grants", "ListAccessGrants"),
    ("GET", "accessgrantsinstances", "ListAccessGrantsInstances"),
    ("GET", "accessgrantsinstance/locations", "ListAccessGrantsLocations"),
    ("GET", "accesspoint", "ListAccessPoints"),
    ("GET", "accesspointfordirectory", "ListAccessPointsForDirectoryBuckets"),
    ("GET", "accesspointforobjectlambda", "ListAccessPointsForObjectLambda"),
    ("GET", "accessgrantsinstance/caller/grants", "ListCallerAccessGrants"),
    ("GET", "jobs", "ListJobs"),
    ("GET", "mrap/instances", "ListMultiRegionAccessPoints"),
    ("GET", "bucket", "ListRegionalBuckets"),
    ("GET", "storagelens", "ListStorageLensConfigurations"),
    ("GET", "storagelensgroup", "ListStorageLensGroups"),
    ("PUT", "accessgrantsinstance/resourcepolicy", "PutAccessGrantsInstanceResourcePolicy"),
    ("PUT", "accesspointforobjectlambda/{}/configuration", "PutAccessPointConfigurationForObjectLambda"),
    ("PUT", "accesspoint/{}/policy", "PutAccessPointPolicy"),
    ("PUT", "accesspointforobjectlambda/{}/policy", "PutAccessPointPolicyForObjectLambda"),
    ("PUT", "accesspoint/{}/scope", "PutAccessPointScope"),
    ("PUT", "bucket/{}/lifecycleconfiguration", "PutBucketLifecycleConfiguration"),
    ("PUT", "bucket/{}/policy", "PutBucketPolicy"),
    ("PUT", "bucket/{}/replication", "PutBucketReplication"),
    ("PUT", "bucket/{}/tagging", "PutBucketTagging"),
    ("PUT", "bucket/{}/versioning", "PutBucketVersioning"),
    ("PUT", "jobs/{}/tagging", "PutJobTagging"),
    ("POST", "async-requests/mrap/put-policy", "PutMultiRegionAccessPointPolicy"),
    ("PUT", "storagelens/{}", "PutStorageLensConfiguration"),
    ("PUT", "storagelens/{}/tagging", "PutStorageLensConfigurationTagging"),
    ("PATCH", "mrap/instances/{+}/routes", "SubmitMultiRegionAccessPointRoutes"),
    ("PUT", "accessgrantsinstance/location/{}", "UpdateAccessGrantsLocation"),
    ("POST", "jobs/{}/priority", "UpdateJobPriority"),
    ("POST", "jobs/{}/status", "UpdateJobStatus"),
    ("PUT", "storagelensgroup/{}", "UpdateStorageLensGroup"),
];

/// What a request of the control plane addresses. `None`: the request is one of S3. `path` is decoded.
pub fn target(headers: &HeaderMap, path: &str) -> Option<Target> {
    let path = path.strip_prefix(CONTROL).filter(|_| headers.contains_key(ACCOUNT))?;
    let of_bucket =
        |arn: &str| arn.strip_prefix(ARN_PREFIX).filter(|name| !name.contains('/')).map(str::to_owned);
    let bucket = path.strip_prefix(TAGS).and_then(of_bucket);
    Some(Target { bucket, key: None, control: Some(path.to_owned()) })
}

/// The account that a request is about.
pub(super) fn account(request: &Request) -> Result<&str, S3Error> {
    let id = request.headers.amz(ACCOUNT)?.unwrap_or_default();
    if id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(id)
    } else {
        Err(S3Error::new(
            ErrorCode::InvalidRequest,
            "The header x-amz-account-id must be an account of 12 digits",
        ))
    }
}

/// Refuses a request about a bucket that belongs to another account than it says.
pub(super) fn require_owner(request: &Request, bucket: &Bucket) -> Result<(), S3Error> {
    if account(request)? == bucket.account() { Ok(()) } else { Err(ErrorCode::AccessDenied.into()) }
}

/// 501 for an operation that is not served, by its name.
pub(super) fn refused(method: &Method, path: &str) -> S3Error {
    let known = REFUSED.iter().filter(|(of, pattern, _)| *of == method.as_str() && fits(pattern, path));
    // The longest pattern says most: `mrap/instances/{+}/policy` rather than `mrap/instances/{+}`.
    match known.max_by_key(|(_, pattern, _)| pattern.len()) {
        Some((_, _, name)) => S3Error::not_implemented(name),
        None if path.starts_with(TAGS) => S3Error::not_implemented("Tagging of other resources than buckets"),
        None => S3Error::not_implemented(format_args!("The operation {method} {CONTROL}{path}")),
    }
}

fn fits(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/').filter(|segment| !segment.is_empty()));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some("{+}"), Some(_)) => {
                // What follows is matched from the end.
                let (rest, left): (Vec<_>, Vec<_>) = (pattern.collect(), path.collect());
                return left.ends_with(&rest);
            }
            (Some("{}"), Some(_)) => {}
            (Some(wanted), Some(segment)) if wanted == segment => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers() -> HeaderMap {
        [(http::HeaderName::from_static(ACCOUNT), HeaderValue::from_static("729073240738"))]
            .into_iter()
            .collect()
    }

    #[test]
    fn a_path_of_the_version_is_a_key_unless_the_request_names_an_account() {
        let path = "/v20180820/configuration/publicAccessBlock";
        assert_eq!(target(&HeaderMap::new(), path), None);
        assert_eq!(target(&headers(), "/v20180820"), None);
        assert_eq!(target(&headers(), "/photos/v20180820/jobs"), None);
        let found = target(&headers(), path).expect("of the control plane");
        assert_eq!((found.bucket, found.control.as_deref()), (None, Some("configuration/publicAccessBlock")));
    }

    #[test]
    fn an_arn_of_a_bucket_names_it_and_no_other_arn_does() {
        let bucket = |arn: &str| target(&headers(), &format!("/v20180820/tags/{arn}")).expect("found").bucket;
        assert_eq!(bucket("arn:aws:s3:::photos").as_deref(), Some("photos"));
        for other in
            ["arn:aws:s3:::photos/key", "arn:aws:s3:eu-west-1:729073240738:accesspoint/a", "photos", ""]
        {
            assert_eq!(bucket(other), None, "{other}");
        }
    }

    #[test]
    fn every_operation_that_is_not_served_is_refused_by_its_name() {
        for (method, pattern, name) in REFUSED {
            let path = pattern.replace("{}", "a").replace("{+}", "a/b");
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let error = refused(&method, &path);
            assert_eq!(error.code, ErrorCode::NotImplemented);
            assert_eq!(error.message, format!("{name} is not implemented"), "{path}");
        }
        assert!(refused(&Method::GET, "unheard/of").message.contains("GET /v20180820/unheard/of"));
        assert!(refused(&Method::POST, "tags/arn:aws:s3:::a/b").message.contains("than buckets"));
    }
}
