//! ACLs on the wire: AccessControlPolicy documents, parsed and written, and the ACL that a request asks for.
//!
//! Invariants: a grant is kept as it was given or refused, never narrowed or dropped: a client that got "200"
//! has exactly the grants it asked for.

use super::{
    acl_rules,
    body::Response,
    context::Context,
    error::{ErrorCode, S3Error},
    grantee, headers, reply,
    request::Request,
    xml,
};
use crate::{
    access::AccountIds,
    model::{Acl, AclGrant, AclGrants, AclPermission, CannedAcl, Grantee, Owner},
};

/// More than a policy of S3's 100 grants takes.
const MAX_POLICY_BYTES: usize = 256 * 1024;

/// The ACL that PutBucketAcl and PutObjectAcl ask for, in their headers or their body.
pub(super) async fn from_request(
    request: Request,
    owner: &Owner,
    accounts: &dyn AccountIds,
) -> Result<Acl, S3Error> {
    let header = headers::acl(&request.headers)?;
    let body = request.payload.collect(MAX_POLICY_BYTES).await?;
    match (header, body.is_empty()) {
        (Some(acl), true) => Ok(acl),
        (Some(_), false) => {
            Err(S3Error::new(ErrorCode::UnexpectedContent, "This request does not support content"))
        }
        (None, true) => {
            Err(S3Error::from(ErrorCode::MissingSecurityHeader).detail("MissingHeaderName", "x-amz-acl"))
        }
        (None, false) => {
            let acl = from_policy(&body, owner)?;
            acl_rules::admit_known(&acl, owner, accounts)?;
            Ok(acl)
        }
    }
}

/// The whole document is parsed before anything in it is judged: a malformed one is refused as such, whoever
/// sends it.
fn from_policy(body: &[u8], owner: &Owner) -> Result<Acl, S3Error> {
    let malformed = || S3Error::from(ErrorCode::MalformedACLError);
    let policy = xml::parse(body, "AccessControlPolicy").map_err(|_| malformed())?;
    let stated = policy.child("Owner").and_then(|stated| stated.value("ID")).ok_or_else(malformed)?;
    let list = policy.child("AccessControlList").ok_or_else(malformed)?;
    let grants: Vec<_> =
        list.all("Grant").map(|grant| written(grant).ok_or_else(malformed)).collect::<Result<_, _>>()?;
    if stated.trim() != &*owner.id {
        return Err(ErrorCode::AccessDenied.into());
    }
    let grant = |(kind, name, permission)| {
        Ok::<AclGrant, S3Error>(AclGrant { grantee: named(kind, name)?, permission })
    };
    let grants = grants.into_iter().map(grant).collect::<Result<Vec<_>, _>>()?;
    let grants = AclGrants::new(grants).map_err(|error| malformed().with_source(error))?;
    Ok(canned(&grants, owner).map_or(Acl::Granted(grants), Acl::Canned))
}

/// The canned ACL with exactly these grants, if there is one. It is stored by its name, which older releases
/// understand.
fn canned(grants: &AclGrants, owner: &Owner) -> Option<CannedAcl> {
    let is_owners =
        |grant: &&AclGrant| matches!(&grant.grantee, Grantee::Account(id) if id.as_str() == &*owner.id);
    let (own, others): (Vec<_>, Vec<_>) = grants.as_slice().iter().partition(is_owners);
    let [AclGrant { permission: AclPermission::FullControl, .. }] = own[..] else { return None };
    let same = |acl: &CannedAcl| {
        let wanted = acl.grants();
        others.len() == wanted.len() && others.iter().all(|grant| wanted.contains(grant))
    };
    [CannedAcl::Private, CannedAcl::PublicRead, CannedAcl::PublicReadWrite, CannedAcl::AuthenticatedRead]
        .into_iter()
        .find(same)
}

/// How a grant says whom it is for: by one of these, never by several.
const GRANTEES: [&str; 3] = ["ID", "URI", "EmailAddress"];

/// A grant as the document writes it: the kind of grantee, its name, and the permission.
fn written(grant: &xml::Element) -> Option<(&'static str, &str, AclPermission)> {
    let permission = grantee::permission(grant.value("Permission")?.trim())?;
    let grantee = grant.child("Grantee")?;
    let mut named = GRANTEES.into_iter().filter_map(|kind| Some((kind, grantee.value(kind)?.trim())));
    let (kind, name) = named.next()?;
    named.next().is_none().then_some((kind, name, permission))
}

fn named(element: &str, name: &str) -> Result<Grantee, S3Error> {
    match element {
        "ID" => grantee::account(name),
        "URI" => grantee::group(name),
        _ => Err(ErrorCode::UnresolvableGrantByEmailAddress.into()),
    }
}

/// The reply of GetBucketAcl and GetObjectAcl. Names may be access keys: a sender without a signature does not
/// see them. `bucket_owner` is the owner of the bucket of an object.
pub(super) fn policy(
    owner: &Owner,
    bucket_owner: Option<&Owner>,
    acl: &Acl,
    context: &Context,
    accounts: &dyn AccountIds,
) -> Response {
    let identify = if context.principal.identity().is_some() { identify } else { identify_to_others };
    reply::document("AccessControlPolicy", |w| {
        w.element("Owner", |w| identify(w, owner));
        w.element("AccessControlList", |w| {
            // Groups first: order means nothing in S3, but conformance suites have got used to this one.
            for grant in acl.grants() {
                w.element("Grant", |w| {
                    write_grantee(w, &grant.grantee, |w, id| match id == &*owner.id {
                        true => identify(w, owner),
                        false => match accounts.owner(id) {
                            Some(account) => identify(w, &account),
                            None => w.text("ID", id),
                        },
                    });
                    w.text("Permission", grantee::permission_name(grant.permission));
                });
            }
            let Acl::Canned(canned) = acl else { return };
            let given = canned.bucket_owner().zip(bucket_owner.filter(|other| other.id != owner.id));
            for (permission, account) in [(AclPermission::FullControl, owner)].into_iter().chain(given) {
                w.element("Grant", |w| {
                    w.grantee("CanonicalUser", |w| identify(w, account));
                    w.text("Permission", grantee::permission_name(permission));
                });
            }
        });
    })
}

fn write_grantee(w: &mut xml::Writer, grantee: &Grantee, account: impl Fn(&mut xml::Writer, &str)) {
    match grantee {
        Grantee::Account(id) => w.grantee("CanonicalUser", |w| account(w, id.as_str())),
        Grantee::AllUsers | Grantee::AuthenticatedUsers | Grantee::LogDelivery => {
            w.grantee("Group", |w| w.text("URI", grantee::uri(grantee).unwrap_or_default()));
        }
    }
}

/// The content of `Owner`, `Initiator` and a grantee.
pub(super) fn identify(w: &mut xml::Writer, owner: &Owner) {
    w.text("ID", &owner.id);
    // An account that was removed has none.
    if !owner.display_name.is_empty() {
        w.text("DisplayName", &owner.display_name);
    }
}

/// The same for readers by a grant of an ACL: a name may be an access key, which must not be shown to them.
pub(super) fn identify_to_others(w: &mut xml::Writer, owner: &Owner) {
    w.text("ID", &owner.id);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        access::NoAccounts,
        model::{CanonicalId, Principal, Role},
        s3::{Body, tests::context},
    };

    fn owner() -> Owner {
        Owner { id: "0123abc".into(), display_name: "alice".into() }
    }

    #[derive(Debug)]
    struct Bob;

    impl AccountIds for Bob {
        fn owner(&self, canonical_id: &str) -> Option<Owner> {
            (canonical_id == "b0b").then(|| Owner { id: "b0b".into(), display_name: "Bob".into() })
        }
    }

    fn code<T>(result: Result<T, S3Error>) -> Option<ErrorCode> {
        result.err().map(|error| error.code)
    }

    const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

    fn granted(grants: &[(Grantee, AclPermission)]) -> Acl {
        let grants = grants.iter().cloned().map(|(grantee, permission)| AclGrant { grantee, permission });
        Acl::Granted(AclGrants::new(grants).expect("few grants"))
    }

    fn account(id: &str) -> Grantee {
        Grantee::Account(CanonicalId::parse(id).expect("an id"))
    }

    fn shown(acl: &Acl, principal: Principal) -> String {
        let context = Context { principal, ..context() };
        let Body::Full(document) = policy(&owner(), None, acl, &context, &Bob).into_body() else {
            panic!("a document")
        };
        String::from_utf8(document.to_vec()).expect("text")
    }

    #[test]
    fn the_document_we_show_is_one_we_take_back() {
        use AclPermission::{FullControl, Read, ReadAcp, Write};
        let mut all: Vec<Acl> = [
            CannedAcl::Private,
            CannedAcl::PublicRead,
            CannedAcl::PublicReadWrite,
            CannedAcl::AuthenticatedRead,
        ]
        .map(Acl::from)
        .into();
        all.extend([
            granted(&[]),
            granted(&[(account("b0b"), ReadAcp)]),
            granted(&[(account("0123abc"), FullControl), (account("b0b"), Read), (Grantee::AllUsers, Write)]),
            granted(&[(account("0123abc"), FullControl), (account("0123abc"), Read)]),
            granted(&[(Grantee::LogDelivery, Write)]),
        ]);
        for acl in all {
            let document = shown(&acl, Principal::Anonymous);
            assert_eq!(from_policy(document.as_bytes(), &owner()).expect("accepted"), acl, "{document}");
        }
    }

    #[test]
    fn a_signed_request_sees_the_names_of_accounts_and_nobody_else_does() {
        let acl = granted(&[
            (account("b0b"), AclPermission::Read),
            (account("gone"), AclPermission::Read),
            (account("0123abc"), AclPermission::FullControl),
        ]);
        let identity = crate::model::Identity::account(
            crate::model::AccessKey("eve".into()),
            Role::ReadWrite,
            Owner { id: "e".into(), display_name: "eve".into() },
        );
        let named = shown(&acl, Principal::Identity(identity.into()));
        assert!(named.contains("<ID>b0b</ID><DisplayName>Bob</DisplayName>"), "{named}");
        assert!(named.contains("<ID>gone</ID></Grantee>"), "{named}");
        assert!(named.contains("<DisplayName>alice</DisplayName>"), "{named}");
        let unnamed = shown(&acl, Principal::Anonymous);
        assert!(unnamed.contains("<ID>b0b</ID>") && !unnamed.contains("DisplayName"), "{unnamed}");
    }

    #[test]
    fn a_document_with_a_grantee_that_is_not_understood_is_refused() {
        let grant = |who: &str, permission: &str| {
            format!("<Grant><Grantee>{who}</Grantee><Permission>{permission}</Permission></Grant>")
        };
        let document = |owner: &str, grants: &[String]| {
            format!(
                "<AccessControlPolicy><Owner><ID>{owner}</ID></Owner><AccessControlList>{}</AccessControlList></AccessControlPolicy>",
                grants.concat()
            )
        };
        let own = grant("<ID>0123abc</ID>", "FULL_CONTROL");
        let all = |permission| grant(&format!("<URI>{ALL_USERS}</URI>"), permission);
        let read =
            |owner_id, grants: &[String]| code(from_policy(document(owner_id, grants).as_bytes(), &owner()));
        assert_eq!(read("0123abc", &[all("READ"), own.clone(), grant("<ID>0123abc</ID>", "READ")]), None);
        assert_eq!(read("someone", std::slice::from_ref(&own)), Some(ErrorCode::AccessDenied));
        let invalid = ErrorCode::InvalidArgument;
        let email = ErrorCode::UnresolvableGrantByEmailAddress;
        for (refused, code) in [
            (grant("<ID>_foo</ID>", "READ"), invalid),
            (grant("<URI>http://example.com</URI>", "READ"), invalid),
            (grant("<EmailAddress>a@b.c</EmailAddress>", "READ"), email),
        ] {
            assert_eq!(read("0123abc", &[own.clone(), refused.clone()]), Some(code), "{refused}");
        }
        let both = "<ID>0123abc</ID><EmailAddress>a@b.c</EmailAddress>";
        for malformed in [grant("<ID>0123abc</ID>", "EVERYTHING"), grant("", "READ"), grant(both, "READ")] {
            for owner_id in ["0123abc", "someone"] {
                let grants = [own.clone(), malformed.clone()];
                assert_eq!(
                    read(owner_id, &grants),
                    Some(ErrorCode::MalformedACLError),
                    "{owner_id}: {malformed}"
                );
            }
        }
        let many: Vec<_> = (0..101).map(|number| grant(&format!("<ID>{number}</ID>"), "READ")).collect();
        assert_eq!(read("0123abc", &many[..100]), None);
        assert_eq!(read("0123abc", &many), Some(ErrorCode::MalformedACLError));
        assert_eq!(
            code(from_policy(b"<AccessControlPolicy/>", &owner())),
            Some(ErrorCode::MalformedACLError)
        );
    }

    #[test]
    fn an_account_that_does_not_exist_is_granted_nothing_and_the_owner_always_exists() {
        let acl = |id| granted(&[(account(id), AclPermission::Read)]);
        for (id, expected) in [("0123abc", None), ("b0b", None), ("eve", Some(ErrorCode::InvalidArgument))] {
            assert_eq!(code(acl_rules::admit_known(&acl(id), &owner(), &Bob)), expected, "{id}");
        }
        let refused = acl_rules::admit_known(&acl("b0b"), &owner(), &NoAccounts);
        assert_eq!(code(refused), Some(ErrorCode::InvalidArgument));
    }
}
