//! The guarantees that a request asks for beyond its operation. One table: every header of S3 that asks for a
//! guarantee is honoured somewhere, or refused here. The service calls this for every request, so that no
//! operation can forget it.

use super::{grants, keeping};
use crate::{
    access::AccountIds,
    buckets::Bucket,
    model::{NoSuchVersion, StorageClass, VersionId, account_id},
    s3::{
        ErrorCode, HeaderMapExt, Operation, Request, S3Error,
        abilities::{Abilities, Holds},
        acl_rules, payment,
    },
    store::error::StoreError,
};
use http::HeaderMap;

#[derive(Clone, Copy)]
enum Demand {
    /// Encryption, retention, …: 501.
    Unsupported,
    /// Answers 501 unless the header has one of these values, which ask for nothing special.
    Unless(&'static [&'static str]),
    /// `STANDARD` everywhere; any other class of S3 is 501 where the storage passes none on, an unknown one
    /// 400.
    StorageClass,
    /// 501 where the storage passes it on to nobody, and 400 but where an object begins.
    Encryption,
    /// 501 but where an operation sets an ACL.
    Grant,
}

/// By name, or by prefix where the name ends with `-`.
const DEMANDS: &[(&str, Demand)] = &[
    (keeping::ENCRYPTION, Demand::Encryption),
    (keeping::KEY_ID, Demand::Encryption),
    (keeping::CONTEXT, Demand::Encryption),
    (keeping::BUCKET_KEY, Demand::Encryption),
    // Keys of clients among them.
    ("x-amz-server-side-encryption-", Demand::Unsupported),
    ("x-amz-copy-source-server-side-encryption-", Demand::Unsupported),
    ("x-amz-object-lock-", Demand::Unsupported),
    ("x-amz-bucket-object-lock-enabled", Demand::Unless(&["false"])),
    ("x-amz-bypass-governance-retention", Demand::Unless(&["false"])),
    // Names of buckets are shared by all; nobody can annotate an object; nothing that is listed was restored.
    ("x-amz-bucket-namespace", Demand::Unless(&["global"])),
    ("x-amz-object-annotation-directive", Demand::Unless(&["COPY", "EXCLUDE"])),
    ("x-amz-optional-object-attributes", Demand::Unless(&["RestoreStatus", ""])),
    ("x-amz-object-if-match", Demand::Unsupported),
    ("x-amz-transition-default-minimum-object-size", Demand::Unsupported),
    ("x-amz-skip-destination-validation", Demand::Unsupported),
    ("x-amz-create-session-mode", Demand::Unsupported),
    ("x-amz-mfa", Demand::Unsupported),
    ("x-amz-grant-", Demand::Grant),
    ("x-amz-write-offset-bytes", Demand::Unsupported),
    ("x-amz-rename-source", Demand::Unsupported),
    ("x-amz-if-match-initiated-time", Demand::Unsupported),
    (keeping::STORAGE_CLASS, Demand::StorageClass),
];

/// Where an object's class and encryption are said.
const BEGINNINGS: &[Operation] =
    &[Operation::PutObject, Operation::PostObject, Operation::CopyObject, Operation::CreateMultipartUpload];

/// Where an ACL is set.
const ACL_SETTERS: &[Operation] = &[
    Operation::CreateBucket,
    Operation::PutBucketAcl,
    Operation::PutObject,
    Operation::PostObject,
    Operation::CopyObject,
    Operation::CreateMultipartUpload,
    Operation::PutObjectAcl,
];

/// `storage` is that of the bucket, if there is a bucket.
pub(in crate::s3) fn refuse_unsupported(
    operation: Operation,
    request: &Request,
    storage: Option<Abilities>,
) -> Result<(), S3Error> {
    let passes = |ability: fn(&Abilities) -> bool| storage.as_ref().is_some_and(ability);
    for name in request.headers.keys() {
        let name = name.as_str();
        let asks = |known: &str| name == known || (known.ends_with('-') && name.starts_with(known));
        let Some((_, demand)) = DEMANDS.iter().find(|(known, _)| asks(known)) else { continue };
        // `Unless` and storage classes are single values; a repeated one is refused by `text`.
        let value = request
            .headers
            .text(name.parse::<http::HeaderName>().map_err(|_| ErrorCode::BadRequest)?)?
            .unwrap_or_default();
        match demand {
            Demand::Unless(harmless)
                if harmless.iter().any(|harmless| value.eq_ignore_ascii_case(harmless)) => {}
            Demand::StorageClass if value == StorageClass::STANDARD => {}
            Demand::StorageClass if StorageClass::parse(value).is_none() => {
                return Err(ErrorCode::InvalidStorageClass.into());
            }
            Demand::StorageClass if passes(Abilities::passes_storage_classes) => {}
            Demand::StorageClass => {
                return Err(S3Error::not_implemented(format_args!("The storage class {value}")));
            }
            Demand::Encryption if passes(Abilities::passes_encryption) => {
                if !BEGINNINGS.contains(&operation) {
                    return Err(S3Error::argument(
                        name,
                        value,
                        format!("{name} header is not supported for this operation."),
                    ));
                }
            }
            Demand::Grant if ACL_SETTERS.contains(&operation) && grants::is_grant(name) => {}
            Demand::Unsupported | Demand::Unless(_) | Demand::Encryption | Demand::Grant => {
                return Err(S3Error::unsupported_header(name));
            }
        }
    }
    Ok(())
}

/// Checks that every request on a bucket must pass besides authorization. The version that it names is for
/// the bucket's store to find.
pub(in crate::s3) fn admit(
    operation: Operation,
    request: &Request,
    bucket: &Bucket,
    accounts: &dyn AccountIds,
) -> Result<Option<VersionId>, S3Error> {
    let storage = Abilities::of(bucket);
    refuse_unsupported(operation, request, Some(storage))?;
    expected_owner(&request.headers, "x-amz-expected-bucket-owner", bucket)?;
    payment::check(request, bucket)?;
    let version = version_of(operation, request)?;
    if !operation.facts().verb.is_safe() {
        if let Some(acl) = grants::acl(&request.headers)? {
            acl_rules::admit_header(&acl, bucket, accounts)?;
        }
        match storage.conditions(operation) {
            Holds::Yes => {}
            Holds::NotHere => refuse_conditional_write(&request.headers, "on this bucket's storage")?,
            Holds::Never => refuse_conditional_write(&request.headers, "of this operation")?,
        }
    }
    Ok(version)
}

/// The version that the request names. Resources of operations without versions exist once.
pub(in crate::s3) fn version_of(
    operation: Operation,
    request: &Request,
) -> Result<Option<VersionId>, S3Error> {
    match version(request.query.get("versionId"))? {
        Some(id) if !id.is_null() && !operation.facts().knows("versionId") => {
            Err(StoreError::from(NoSuchVersion(id)).into())
        }
        version => Ok(version),
    }
}

fn refuse_conditional_write(headers: &HeaderMap, of: &str) -> Result<(), S3Error> {
    let conditional =
        |name: &&str| matches!(*name, "if-match" | "if-none-match") || name.starts_with("x-amz-if-match-");
    match headers.keys().map(|name| name.as_str()).find(conditional) {
        Some(name) => {
            Err(S3Error::not_implemented(format_args!("The condition {name} {of}")).detail("Header", name))
        }
        None => Ok(()),
    }
}

/// Refuses a bucket of another account than the 12 digits in a header. Used also for the bucket that a copy
/// reads: `x-amz-source-expected-bucket-owner`.
pub(in crate::s3) fn expected_owner(
    headers: &HeaderMap,
    header: &'static str,
    bucket: &Bucket,
) -> Result<(), S3Error> {
    let Some(expected) = headers.amz(header)? else { return Ok(()) };
    if expected.len() != 12 || !expected.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ErrorCode::InvalidBucketOwnerAWSAccountID.into());
    }
    if *expected == *account_id(&bucket.owner().id) { Ok(()) } else { Err(ErrorCode::AccessDenied.into()) }
}

/// The id of a version: `null`, or one that S3 could have given out. Any other text is no id.
pub(in crate::s3) fn version(id: Option<&str>) -> Result<Option<VersionId>, S3Error> {
    let Some(text) = id else { return Ok(None) };
    if text.is_empty() {
        return Err(S3Error::argument("versionId", "", "Version id cannot be the empty string"));
    }
    match VersionId::parse(text).filter(|id| id.is_null() || is_version_id(text)) {
        Some(id) => Ok(Some(id)),
        None => Err(S3Error::argument("versionId", text, "Invalid version id specified")),
    }
}

/// The ids of S3 have 32 characters; those in its documentation have 64.
fn is_version_id(text: &str) -> bool {
    matches!(text.len(), 32 | 64)
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        s3::{Query, tests::request},
        store::{Capabilities, Keeping, Store},
    };

    fn refused(name: &'static str, value: &str) -> Option<ErrorCode> {
        refuse_unsupported(Operation::PutObject, &request(&[(name, value)]), None)
            .err()
            .map(|error| error.code)
    }

    #[test]
    fn class_and_encryption_are_passed_on_where_a_storage_has_them() {
        let storage = crate::backend::memory::MemoryStore::default();
        let kept = Capabilities {
            storage_classes: Keeping::Kept,
            encryption: Keeping::Kept,
            ..storage.capabilities()
        };
        let refused = |operation, name, value| {
            refuse_unsupported(operation, &request(&[(name, value)]), Some(kept.into()))
                .err()
                .map(|error| error.code)
        };
        assert_eq!(refused(Operation::PutObject, "x-amz-storage-class", "GLACIER"), None);
        assert_eq!(
            refused(Operation::PutObject, "x-amz-storage-class", "PLATINUM"),
            Some(ErrorCode::InvalidStorageClass)
        );
        for operation in BEGINNINGS {
            assert_eq!(refused(*operation, "x-amz-server-side-encryption", "AES256"), None);
        }
        assert_eq!(
            refused(Operation::UploadPart, "x-amz-server-side-encryption", "AES256"),
            Some(ErrorCode::InvalidArgument)
        );
        let of_clients = "x-amz-server-side-encryption-customer-key";
        assert_eq!(refused(Operation::PutObject, of_clients, "x"), Some(ErrorCode::NotImplemented));
    }

    #[test]
    fn guarantees_we_cannot_give_are_refused() {
        for name in [
            "x-amz-server-side-encryption",
            "x-amz-server-side-encryption-customer-algorithm",
            "x-amz-server-side-encryption-aws-kms-key-id",
            "x-amz-copy-source-server-side-encryption-customer-key",
            "x-amz-object-lock-mode",
            "x-amz-bucket-object-lock-enabled",
            "x-amz-mfa",
            "x-amz-grant-list",
            "x-amz-write-offset-bytes",
            "x-amz-object-if-match",
            "x-amz-transition-default-minimum-object-size",
            "x-amz-skip-destination-validation",
            "x-amz-create-session-mode",
            "x-amz-bucket-namespace",
            "x-amz-object-annotation-directive",
            "x-amz-optional-object-attributes",
        ] {
            assert_eq!(refused(name, "x"), Some(ErrorCode::NotImplemented), "{name}");
        }
        assert_eq!(refused("x-amz-storage-class", "GLACIER"), Some(ErrorCode::NotImplemented));
        assert_eq!(refused("x-amz-storage-class", "PLATINUM"), Some(ErrorCode::InvalidStorageClass));
    }

    #[test]
    fn conditions_are_refused_where_the_storage_cannot_hold_them() {
        for name in ["if-match", "if-none-match", "x-amz-if-match-size"] {
            let error = refuse_conditional_write(&request(&[(name, "*")]).headers, "of this operation")
                .expect_err("refused");
            assert_eq!(error.code, ErrorCode::NotImplemented, "{name}");
        }
        assert!(
            refuse_conditional_write(
                &request(&[("x-amz-copy-source-if-match", "a")]).headers,
                "of this operation"
            )
            .is_ok()
        );
    }

    #[test]
    fn grants_pass_where_an_acl_is_set_and_nowhere_else() {
        for operation in Operation::ALL {
            let headers = request(&[("x-amz-grant-read", "id=a")]);
            let error = refuse_unsupported(*operation, &headers, None).err().map(|error| error.code);
            let expected = (!ACL_SETTERS.contains(operation)).then_some(ErrorCode::NotImplemented);
            assert_eq!(error, expected, "{operation:?}");
        }
    }

    #[test]
    fn what_asks_for_nothing_passes() {
        for (name, value) in [
            ("x-amz-storage-class", "STANDARD"),
            ("x-amz-request-payer", "requester"),
            ("x-amz-bypass-governance-retention", "false"),
            ("x-amz-bucket-namespace", "global"),
            ("x-amz-object-annotation-directive", "COPY"),
            ("x-amz-object-annotation-directive", "EXCLUDE"),
            ("x-amz-optional-object-attributes", "RestoreStatus"),
            ("x-amz-meta-x-amz-mfa", "x"),
        ] {
            assert_eq!(refused(name, value), None, "{name}");
        }
    }

    #[test]
    fn a_version_id_is_null_or_one_of_the_form_that_s3_gives_out() {
        assert_eq!(version(None).expect("none"), None);
        assert_eq!(version(Some("null")).expect("an id"), Some(VersionId::NULL));
        assert_eq!(version(Some("")).expect_err("empty").code, ErrorCode::InvalidArgument);
        for id in [
            "v5n1PPUjOCMHLyyfq0ayjoZ5RZLfVQKA",
            "3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY+MTRCxf3vjVBH40Nr8X8gdRQBpUMLUo",
        ] {
            assert_eq!(version(Some(id)).expect("an id"), VersionId::parse(id), "{id}");
        }
        for junk in ["abc", "NULL", "v5n1PPUjOCMHLyyfq0ayjoZ5RZLfVQK ", &"é".repeat(16)] {
            assert_eq!(version(Some(junk)).expect_err("no id").code, ErrorCode::InvalidArgument, "{junk}");
        }
    }

    #[test]
    fn a_version_is_handed_on_to_operations_on_one_and_unknown_to_all_others() {
        let id = "v5n1PPUjOCMHLyyfq0ayjoZ5RZLfVQKA";
        let mut asked = request(&[]);
        asked.query = Query::new(vec![("versionId".into(), id.into())]);
        assert_eq!(version_of(Operation::GetObject, &asked).expect("on a version"), VersionId::parse(id));
        for other in [Operation::ListObjects, Operation::ListParts, Operation::HeadBucket] {
            let error = version_of(other, &asked).expect_err("not on a version");
            assert_eq!(
                (error.code, error.details),
                (ErrorCode::NoSuchVersion, vec![("VersionId", id.to_owned())])
            );
        }
        asked.query = Query::new(vec![("versionId".into(), "null".into())]);
        assert_eq!(
            version_of(Operation::ListParts, &asked).expect("nothing else is meant"),
            Some(VersionId::NULL)
        );
    }
}
