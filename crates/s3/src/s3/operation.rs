//! The closed set of operations, and how a request names one.
//!
//! Invariant: every sub-resource that S3 knows is listed here. What we do not serve is answered 501, and a write with
//! any parameter that its operation does not know is refused: nothing falls through to PutObject or DeleteObject.

use super::{
    error::{ErrorCode, S3Error},
    request::{HeaderMapExt, Request},
};
use http::{HeaderValue, Method, header};

macro_rules! operations {
    ($($name:ident),+ $(,)?) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Operation { $($name),+ }

        impl Operation {
            pub const ALL: &'static [Operation] = &[$(Operation::$name),+];

            /// As in S3's API reference, logs and metrics.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }
        }
    };
}

operations! {
    ListBuckets,
    CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation, GetBucketAcl, PutBucketAcl, GetBucketVersioning,
    ListObjects, ListObjectsV2, ListObjectVersions, ListMultipartUploads, DeleteObjects,
    PutObject, GetObject, HeadObject, DeleteObject, CopyObject, GetObjectAttributes,
    GetObjectAcl, PutObjectAcl, GetObjectTagging, PutObjectTagging, DeleteObjectTagging,
    CreateMultipartUpload, UploadPart, UploadPartCopy, CompleteMultipartUpload, AbortMultipartUpload, ListParts,
}

/// Sub-resources of a bucket that S3 has and we do not serve (yet).
const BUCKET_UNSERVED: &[&str] = &[
    "abac",
    "accelerate",
    "analytics",
    "cors",
    "encryption",
    "events",
    "intelligent-tiering",
    "inventory",
    "lifecycle",
    "logging",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "session",
    "tagging",
    "website",
];

/// Sub-resources of an object that S3 has and we do not serve (yet).
const OBJECT_UNSERVED: &[&str] = &[
    "annotation",
    "append",
    "encryption",
    "legal-hold",
    "object-lock",
    "renameObject",
    "restore",
    "retention",
    "select",
    "select-type",
    "torrent",
];

/// Parameters that any request may carry: SDKs name the operation in `x-id`.
const HARMLESS: &[&str] = &["x-id"];

pub fn route(request: &Request) -> Result<Operation, S3Error> {
    let query = &request.query;
    let (unserved, resource) = match (&request.target.bucket, &request.target.key) {
        (None, _) => (&[][..], "service"),
        (Some(_), None) => (BUCKET_UNSERVED, "bucket"),
        (Some(_), Some(_)) => (OBJECT_UNSERVED, "object"),
    };
    if let Some((name, _)) = query.iter().find(|(name, _)| unserved.contains(name)) {
        return Err(S3Error::not_implemented(format_args!("The {resource} sub-resource '{name}'")));
    }
    let operation = match resource {
        "service" => service(request),
        "bucket" => bucket(request),
        _ => object(request),
    }?;
    if request.method != Method::GET && request.method != Method::HEAD {
        let known = parameters(operation);
        if let Some((name, _)) = query.iter().find(|(name, _)| !known.contains(name) && !HARMLESS.contains(name)) {
            return Err(S3Error::not_implemented(format_args!("The parameter '{name}' of {}", operation.as_str())));
        }
    }
    Ok(operation)
}

/// What a writing operation takes in its query.
fn parameters(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::DeleteObjects => &["delete"],
        Operation::PutBucketAcl => &["acl"],
        Operation::PutObjectAcl => &["acl", "versionId"],
        Operation::PutObjectTagging | Operation::DeleteObjectTagging => &["tagging", "versionId"],
        Operation::CreateMultipartUpload => &["uploads"],
        Operation::UploadPart | Operation::UploadPartCopy => &["partNumber", "uploadId"],
        Operation::CompleteMultipartUpload | Operation::AbortMultipartUpload => &["uploadId"],
        Operation::DeleteObject => &["versionId"],
        _ => &[],
    }
}

/// RFC 9110 section 15.5.6: a 405 says which methods there are.
fn not_allowed(methods: &'static str) -> S3Error {
    S3Error::from(ErrorCode::MethodNotAllowed).header(header::ALLOW, HeaderValue::from_static(methods))
}

fn service(request: &Request) -> Result<Operation, S3Error> {
    match request.method {
        Method::GET => Ok(Operation::ListBuckets),
        _ => Err(not_allowed("GET")),
    }
}

fn bucket(request: &Request) -> Result<Operation, S3Error> {
    let has = |name| request.query.has(name);
    match request.method {
        Method::GET if has("location") => Ok(Operation::GetBucketLocation),
        Method::GET if has("acl") => Ok(Operation::GetBucketAcl),
        Method::GET if has("versioning") => Ok(Operation::GetBucketVersioning),
        Method::GET if has("versions") => Ok(Operation::ListObjectVersions),
        Method::GET if has("uploads") => Ok(Operation::ListMultipartUploads),
        Method::GET => match request.query.get("list-type") {
            None => Ok(Operation::ListObjects),
            Some("2") => Ok(Operation::ListObjectsV2),
            Some("1") => Ok(Operation::ListObjects),
            Some(other) => Err(S3Error::argument("list-type", other, "Invalid list type")),
        },
        Method::HEAD => Ok(Operation::HeadBucket),
        Method::PUT if has("acl") => Ok(Operation::PutBucketAcl),
        Method::PUT if has("versioning") => Err(S3Error::not_implemented("Versioning")),
        Method::PUT => Ok(Operation::CreateBucket),
        Method::DELETE => Ok(Operation::DeleteBucket),
        Method::POST if has("delete") => Ok(Operation::DeleteObjects),
        Method::POST => Err(S3Error::not_implemented("Upload by HTML form")),
        _ => Err(not_allowed("GET, HEAD, PUT, DELETE, POST")),
    }
}

fn object(request: &Request) -> Result<Operation, S3Error> {
    let has = |name| request.query.has(name);
    let copies = || request.headers.amz("x-amz-copy-source").map(|source| source.is_some());
    let invalid = |message: String| Err(S3Error::new(ErrorCode::InvalidRequest, message));
    match request.method {
        _ if has("versions") => invalid("There is no such thing as the ?versions sub-resource for a key".to_owned()),
        Method::POST if has("uploads") => Ok(Operation::CreateMultipartUpload),
        _ if has("uploads") => invalid(format!("Key is not expected for the {} method ?uploads subresource", request.method)),
        Method::GET if has("attributes") => Ok(Operation::GetObjectAttributes),
        Method::GET if has("acl") => Ok(Operation::GetObjectAcl),
        Method::GET if has("tagging") => Ok(Operation::GetObjectTagging),
        Method::GET if has("uploadId") => Ok(Operation::ListParts),
        Method::GET => Ok(Operation::GetObject),
        Method::HEAD => Ok(Operation::HeadObject),
        Method::PUT if has("acl") => Ok(Operation::PutObjectAcl),
        Method::PUT if has("tagging") => Ok(Operation::PutObjectTagging),
        Method::PUT if has("uploadId") || has("partNumber") => {
            Ok(if copies()? { Operation::UploadPartCopy } else { Operation::UploadPart })
        }
        Method::PUT => Ok(if copies()? { Operation::CopyObject } else { Operation::PutObject }),
        Method::DELETE if has("tagging") => Ok(Operation::DeleteObjectTagging),
        Method::DELETE if has("uploadId") => Ok(Operation::AbortMultipartUpload),
        Method::DELETE => Ok(Operation::DeleteObject),
        Method::POST if has("uploadId") => Ok(Operation::CompleteMultipartUpload),
        _ => Err(not_allowed("GET, HEAD, PUT, DELETE")),
    }
}
