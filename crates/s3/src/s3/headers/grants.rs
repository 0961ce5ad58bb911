//! The ACL that headers give to a bucket or an object: a canned one (`x-amz-acl`), or grants
//! (`x-amz-grant-read` and its like).
//!
//! Owns their form. Does not own which accounts there are, nor which ACLs a bucket accepts: see `acl_rules`.
//! Invariant: a grantee that is not understood is an error, never left out.

use crate::{
    model::{Acl, AclGrant, AclGrants, AclPermission, CannedAcl, Grantee},
    s3::{ErrorCode, HeaderMapExt, S3Error, grantee},
};
use http::HeaderMap;

/// The headers of grants, and what each grants. Grants are kept in this order, which conformance suites expect.
const GRANTS: [(&str, AclPermission); 5] = [
    ("x-amz-grant-read", AclPermission::Read),
    ("x-amz-grant-write", AclPermission::Write),
    ("x-amz-grant-read-acp", AclPermission::ReadAcp),
    ("x-amz-grant-write-acp", AclPermission::WriteAcp),
    ("x-amz-grant-full-control", AclPermission::FullControl),
];

/// Whether this is a header that gives a grant.
pub(super) fn is_grant(name: &str) -> bool {
    GRANTS.iter().any(|(known, _)| *known == name)
}

/// The ACL of the headers. `None`: they give none.
pub(in crate::s3) fn acl(headers: &HeaderMap) -> Result<Option<Acl>, S3Error> {
    let canned = canned(headers)?;
    let mut grants = None::<Vec<AclGrant>>;
    for (name, permission) in GRANTS {
        if let Some(value) = headers.amz(name)? {
            let grants = grants.get_or_insert_default();
            for item in value.split(',') {
                grants.push(AclGrant { grantee: named(name, value, item)?, permission });
            }
        }
    }
    match (canned, grants) {
        (Some(_), Some(_)) => Err(S3Error::new(
            ErrorCode::InvalidRequest,
            "Specifying both Canned ACLs and Header Grants is not allowed",
        )),
        (None, Some(grants)) => Ok(Some(Acl::Granted(
            AclGrants::new(grants)
                .map_err(|error| S3Error::new(ErrorCode::InvalidRequest, error.to_string()))?,
        ))),
        (canned, None) => Ok(canned.map(Acl::Canned)),
    }
}

fn canned(headers: &HeaderMap) -> Result<Option<CannedAcl>, S3Error> {
    let parse = |name: &str| CannedAcl::parse(name).ok_or_else(|| S3Error::argument("x-amz-acl", name, ""));
    headers.amz("x-amz-acl")?.map(parse).transpose()
}

/// One grantee of a header: `id="42b0…"`, `uri="http://…"`, with or without quotes.
fn named(header: &str, value: &str, item: &str) -> Result<Grantee, S3Error> {
    let malformed = || S3Error::argument(header, value, "Argument format not recognized");
    let (kind, name) = item.split_once('=').ok_or_else(malformed)?;
    let name = name.trim();
    let name = match name.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"').ok_or_else(malformed)?,
        None => name,
    };
    match kind.trim().to_ascii_lowercase().as_str() {
        "id" => grantee::account(name),
        "uri" => grantee::group(name),
        "emailaddress" => Err(ErrorCode::UnresolvableGrantByEmailAddress.into()),
        _ => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::CanonicalId, s3::tests::request};

    fn read(headers: &[(&'static str, &str)]) -> Result<Option<Acl>, ErrorCode> {
        acl(&request(headers).headers).map_err(|error| error.code)
    }

    #[test]
    fn headers_give_a_canned_acl_or_grants_and_never_both() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("x-amz-acl", "public-read")]), Ok(Some(CannedAcl::PublicRead.into())));
        let both = [("x-amz-acl", "private"), ("x-amz-grant-read", "id=a")];
        assert_eq!(read(&both), Err(ErrorCode::InvalidRequest));
        let id = |id| Grantee::Account(CanonicalId::parse(id).expect("an id"));
        let given = [
            ("x-amz-grant-write-acp", "ID=a"),
            ("x-amz-grant-read", r#"id="a", uri="http://acs.amazonaws.com/groups/global/AllUsers",id=b"#),
        ];
        let Ok(Some(Acl::Granted(grants))) = read(&given) else { panic!("grants") };
        let expected = [
            (id("a"), AclPermission::Read),
            (Grantee::AllUsers, AclPermission::Read),
            (id("b"), AclPermission::Read),
            (id("a"), AclPermission::WriteAcp),
        ];
        assert_eq!(grants.as_slice(), expected.map(|(grantee, permission)| AclGrant { grantee, permission }));
    }

    #[test]
    fn a_grantee_that_is_not_understood_is_refused() {
        let invalid = ErrorCode::InvalidArgument;
        for (value, code) in [
            ("", invalid),
            ("a", invalid),
            ("id=a,", invalid),
            ("id=\"a", invalid),
            ("id=_foo", invalid),
            ("name=a", invalid),
            ("uri=http://example.com", invalid),
            ("id=a, emailAddress=\"a@b.c\"", ErrorCode::UnresolvableGrantByEmailAddress),
        ] {
            assert_eq!(read(&[("x-amz-grant-read", value)]), Err(code), "{value}");
        }
        let many = vec!["id=a"; 101].join(",");
        assert_eq!(read(&[("x-amz-grant-read", &many)]), Err(ErrorCode::InvalidRequest));
    }
}
