//! ACLs on the wire: AccessControlPolicy documents, written from a canned ACL and parsed into one.
//!
//! Invariant: grants that no canned ACL expresses are refused with 501, never narrowed or dropped: a client
//! that got "200" has exactly the grants it asked for. Everything in a bucket belongs to the bucket's owner.

use super::{
    body::Response,
    error::{ErrorCode, S3Error},
    headers, reply,
    request::Request,
    xml,
};
use crate::model::{CannedAcl, Owner};

/// More than a policy of S3's 100 grants takes.
const MAX_POLICY_BYTES: usize = 256 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grantee {
    Owner,
    AllUsers,
    AuthenticatedUsers,
}

impl Grantee {
    const GROUPS: [(Grantee, &'static str); 2] = [
        (Grantee::AllUsers, "http://acs.amazonaws.com/groups/global/AllUsers"),
        (Grantee::AuthenticatedUsers, "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"),
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Permission {
    FullControl,
    Read,
    Write,
    ReadAcp,
    WriteAcp,
}

impl Permission {
    const NAMES: [(Permission, &'static str); 5] = [
        (Permission::FullControl, "FULL_CONTROL"),
        (Permission::Read, "READ"),
        (Permission::Write, "WRITE"),
        (Permission::ReadAcp, "READ_ACP"),
        (Permission::WriteAcp, "WRITE_ACP"),
    ];

    fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(permission, _)| *permission == self).map_or("", |(_, name)| name)
    }
}

type Grant = (Grantee, Permission);

/// What each canned ACL grants besides the owner's FULL_CONTROL (S3 User Guide, "Canned ACL").
fn group_grants(acl: CannedAcl) -> &'static [Grant] {
    match acl {
        CannedAcl::Private | CannedAcl::BucketOwnerRead | CannedAcl::BucketOwnerFullControl => &[],
        CannedAcl::PublicRead => &[(Grantee::AllUsers, Permission::Read)],
        CannedAcl::PublicReadWrite => {
            &[(Grantee::AllUsers, Permission::Read), (Grantee::AllUsers, Permission::Write)]
        }
        CannedAcl::AuthenticatedRead => &[(Grantee::AuthenticatedUsers, Permission::Read)],
    }
}

/// The canned ACL with exactly these grants.
fn canned(grants: &[Grant]) -> Result<CannedAcl, S3Error> {
    let (own, group): (Vec<Grant>, Vec<Grant>) =
        grants.iter().partition(|(grantee, _)| *grantee == Grantee::Owner);
    // FULL_CONTROL covers whatever else the owner is granted; without it the owner would have less than any
    // canned ACL gives.
    if !own.contains(&(Grantee::Owner, Permission::FullControl)) {
        return Err(S3Error::not_implemented("An ACL without FULL_CONTROL for the owner"));
    }
    let same = |acl: &CannedAcl| {
        let wanted = group_grants(*acl);
        group.iter().all(|grant| wanted.contains(grant)) && wanted.iter().all(|grant| group.contains(grant))
    };
    [CannedAcl::Private, CannedAcl::PublicRead, CannedAcl::PublicReadWrite, CannedAcl::AuthenticatedRead]
        .into_iter()
        .find(same)
        .ok_or_else(|| S3Error::not_implemented("An ACL that no canned ACL expresses"))
}

/// The ACL that PutBucketAcl and PutObjectAcl ask for, in their headers or their body.
pub(super) async fn from_request(request: Request, owner: &Owner) -> Result<CannedAcl, S3Error> {
    let header = headers::canned_acl(&request.headers)?;
    let body = request.payload.collect(MAX_POLICY_BYTES).await?;
    match (header, body.is_empty()) {
        (Some(acl), true) => Ok(acl),
        (Some(_), false) => {
            Err(S3Error::new(ErrorCode::UnexpectedContent, "This request does not support content"))
        }
        (None, true) => {
            Err(S3Error::from(ErrorCode::MissingSecurityHeader).detail("MissingHeaderName", "x-amz-acl"))
        }
        (None, false) => from_policy(&body, owner),
    }
}

/// The whole document is parsed before anything in it is judged: a malformed one is refused as such, whoever
/// sends it.
fn from_policy(body: &[u8], owner: &Owner) -> Result<CannedAcl, S3Error> {
    let malformed = || S3Error::from(ErrorCode::MalformedACLError);
    let policy = xml::parse(body, "AccessControlPolicy").map_err(|_| malformed())?;
    let stated = policy.child("Owner").and_then(|stated| stated.value("ID")).ok_or_else(malformed)?;
    let list = policy.child("AccessControlList").ok_or_else(malformed)?;
    let grants: Vec<_> =
        list.all("Grant").map(|grant| written(grant).ok_or_else(malformed)).collect::<Result<_, _>>()?;
    if stated.trim() != &*owner.id {
        return Err(ErrorCode::AccessDenied.into());
    }
    let grant =
        |(kind, name, permission)| Ok::<Grant, S3Error>((find_grantee(kind, name, owner)?, permission));
    canned(&grants.into_iter().map(grant).collect::<Result<Vec<_>, _>>()?)
}

/// How a grant says whom it is for: by one of these, never by several.
const GRANTEES: [&str; 3] = ["ID", "URI", "EmailAddress"];

/// A grant as the document writes it: the kind of grantee, its name, and the permission.
fn written(grant: &xml::Element) -> Option<(&'static str, &str, Permission)> {
    let permission = grant.value("Permission")?.trim();
    let (permission, _) = Permission::NAMES.into_iter().find(|(_, name)| *name == permission)?;
    let grantee = grant.child("Grantee")?;
    let mut named = GRANTEES.into_iter().filter_map(|kind| Some((kind, grantee.value(kind)?.trim())));
    let (kind, name) = named.next()?;
    named.next().is_none().then_some((kind, name, permission))
}

fn find_grantee(element: &str, name: &str, owner: &Owner) -> Result<Grantee, S3Error> {
    match element {
        "ID" if name == &*owner.id => Ok(Grantee::Owner),
        "URI" => match Grantee::GROUPS.into_iter().find(|(_, uri)| *uri == name) {
            Some((group, _)) => Ok(group),
            None if name.starts_with("http://acs.amazonaws.com/groups/") => {
                Err(S3Error::not_implemented(format_args!("A grant to the group '{name}'")))
            }
            None => Err(S3Error::argument("Group/URI", name, "Invalid group uri")),
        },
        _ => Err(S3Error::not_implemented("A grant to anyone but the owner and the predefined groups")),
    }
}

/// The reply of GetBucketAcl and GetObjectAcl.
pub(super) fn policy(owner: &Owner, acl: CannedAcl) -> Response {
    reply::document("AccessControlPolicy", |w| {
        w.element("Owner", |w| identify(w, owner));
        w.element("AccessControlList", |w| {
            // Groups first: order means nothing in S3, but conformance suites have got used to this one.
            for (grantee, permission) in group_grants(acl) {
                let uri =
                    Grantee::GROUPS.iter().find(|(group, _)| group == grantee).map_or("", |(_, uri)| uri);
                w.element("Grant", |w| {
                    w.grantee("Group", |w| w.text("URI", uri));
                    w.text("Permission", permission.as_str());
                });
            }
            w.element("Grant", |w| {
                w.grantee("CanonicalUser", |w| identify(w, owner));
                w.text("Permission", Permission::FullControl.as_str());
            });
        });
    })
}

/// The content of `Owner`, `Initiator` and a grantee.
pub(super) fn identify(w: &mut xml::Writer, owner: &Owner) {
    w.text("ID", &owner.id);
    w.text("DisplayName", &owner.display_name);
}

/// The same for readers by a grant of an ACL: a name may be an access key, which must not be shown to them.
pub(super) fn identify_to_others(w: &mut xml::Writer, owner: &Owner) {
    w.text("ID", &owner.id);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::Body;

    fn owner() -> Owner {
        Owner { id: "0123abc".into(), display_name: "alice".into() }
    }

    fn code<T>(result: Result<T, S3Error>) -> Option<ErrorCode> {
        result.err().map(|error| error.code)
    }

    const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

    #[test]
    fn the_document_we_show_is_one_we_take_back() {
        for acl in [
            CannedAcl::Private,
            CannedAcl::PublicRead,
            CannedAcl::PublicReadWrite,
            CannedAcl::AuthenticatedRead,
        ] {
            let Body::Full(document) = policy(&owner(), acl).into_body() else { panic!("a document") };
            assert_eq!(from_policy(&document, &owner()).expect("accepted"), acl);
        }
    }

    #[test]
    fn grants_that_no_canned_acl_expresses_are_refused() {
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
        for refused in [
            vec![],
            vec![all("READ")],
            vec![own.clone(), all("WRITE")],
            vec![own.clone(), all("FULL_CONTROL")],
            vec![own.clone(), grant("<ID>another</ID>", "READ")],
            vec![own.clone(), grant("<EmailAddress>a@b.c</EmailAddress>", "READ")],
            vec![own.clone(), grant("<URI>http://acs.amazonaws.com/groups/s3/LogDelivery</URI>", "WRITE")],
        ] {
            assert_eq!(read("0123abc", &refused), Some(ErrorCode::NotImplemented), "{refused:?}");
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
        assert_eq!(
            code(from_policy(b"<AccessControlPolicy/>", &owner())),
            Some(ErrorCode::MalformedACLError)
        );
    }
}
