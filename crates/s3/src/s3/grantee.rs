//! Grantees as S3 names them, in headers and in documents.
//!
//! Owns the names of groups and permissions on the wire. Does not own which accounts there are.

use super::error::S3Error;
use crate::model::{AclPermission, CanonicalId, Grantee};

const GROUPS: [(Grantee, &str); 3] = [
    (Grantee::AllUsers, "http://acs.amazonaws.com/groups/global/AllUsers"),
    (Grantee::AuthenticatedUsers, "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"),
    (Grantee::LogDelivery, "http://acs.amazonaws.com/groups/s3/LogDelivery"),
];

const PERMISSIONS: [(AclPermission, &str); 5] = [
    (AclPermission::FullControl, "FULL_CONTROL"),
    (AclPermission::Read, "READ"),
    (AclPermission::Write, "WRITE"),
    (AclPermission::ReadAcp, "READ_ACP"),
    (AclPermission::WriteAcp, "WRITE_ACP"),
];

/// 400 where no account can have such an id. Whether one has it is asked later.
pub(super) fn account(id: &str) -> Result<Grantee, S3Error> {
    CanonicalId::parse(id).map(Grantee::Account).ok_or_else(|| unknown_account(id))
}

pub(super) fn unknown_account(id: &str) -> S3Error {
    S3Error::argument("CanonicalUser/ID", id, "Invalid id")
}

pub(super) fn group(uri: &str) -> Result<Grantee, S3Error> {
    let known = GROUPS.into_iter().find(|(_, known)| *known == uri).map(|(group, _)| group);
    known.ok_or_else(|| S3Error::argument("Group/URI", uri, "Invalid group uri"))
}

/// The URI of a group. An account has none.
pub(super) fn uri(grantee: &Grantee) -> Option<&'static str> {
    GROUPS.iter().find(|(group, _)| group == grantee).map(|(_, uri)| *uri)
}

pub(super) fn permission(name: &str) -> Option<AclPermission> {
    PERMISSIONS.into_iter().find(|(_, known)| *known == name).map(|(permission, _)| permission)
}

pub(super) fn permission_name(permission: AclPermission) -> &'static str {
    PERMISSIONS.iter().find(|(known, _)| *known == permission).map_or("", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_and_every_group_has_a_name_that_is_understood() {
        for given in AclPermission::ALL {
            assert_eq!(permission(permission_name(given)), Some(given));
        }
        for given in [Grantee::AllUsers, Grantee::AuthenticatedUsers, Grantee::LogDelivery] {
            assert_eq!(group(uri(&given).expect("a group")).expect("known"), given);
        }
        assert_eq!(uri(&account("a").expect("an account")), None);
    }
}
