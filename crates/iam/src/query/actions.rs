//! The table of actions: one row each, with its parameters, who may call it, what it is about, and its handler.
//!
//! An action without a row is refused by name, and a parameter that a row does not have is refused, too: it
//! might ask for something that would not be done. `RotateAccessKey`, `SignatureV2`, and the parameters of
//! service accounts and of expiry are ours: AWS does not have them.

use super::{
    action::{Access, Action, On, Service},
    error::QueryError,
    iam::{
        attached, boundaries, groups, inline, keys, last_used, managed, members, providers, roles, summary,
        tags, users, versions,
    },
    sts::{caller, ldap, role, token, web},
    work::Work,
};

pub(crate) type Handler = fn(&mut Work<'_>) -> Result<(), QueryError>;

/// An action and what answers it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) action: Action,
    pub(crate) handler: Handler,
}

macro_rules! actions {
    ($($service:ident $prefix:literal { $($name:ident $access:ident $on:ident
        [$($parameter:literal)*] => $handler:path;)+ })+) => {
        pub(crate) const ALL: &[Row] = &[$($(Row {
            action: Action {
            service: Service::$service,
            name: stringify!($name),
            permission: concat!($prefix, stringify!($name)),
            access: Access::$access,
            on: On::$on,
            parameters: &[$($parameter),*],
            },
            handler: $handler,
        }),+),+];
    };
}

actions! {
    Iam "iam:" {
    GetAccountSummary Read All [] => summary::get;
    CreateUser Write User ["UserName" "Path" "PermissionsBoundary" "Tags." "SignatureV2"] => users::create;
    GetUser Read User ["UserName"] => users::get;
    ListUsers Read All ["PathPrefix" "Marker" "MaxItems"] => users::list;
    UpdateUser Write User ["UserName" "NewUserName" "NewPath" "SignatureV2"] => users::update;
    DeleteUser Write User ["UserName"] => users::delete;
    TagUser Write User ["UserName" "Tags."] => tags::tag;
    UntagUser Write User ["UserName" "TagKeys."] => tags::untag;
    ListUserTags Read User ["UserName" "Marker" "MaxItems"] => tags::list;
    PutUserPermissionsBoundary Write User ["UserName" "PermissionsBoundary"] => boundaries::put;
    DeleteUserPermissionsBoundary Write User ["UserName"] => boundaries::delete;
    CreateAccessKey Write User ["UserName" "ServiceAccountName" "Description" "PolicyDocument" "Expires"]
        => keys::create;
    ListAccessKeys Read User ["UserName" "Marker" "MaxItems"] => keys::list;
    UpdateAccessKey Write User ["UserName" "AccessKeyId" "Status" "Description" "PolicyDocument" "Expires"]
        => keys::update;
    RotateAccessKey Write User ["UserName" "AccessKeyId" "GracePeriodSeconds"] => keys::rotate;
    GetAccessKeyLastUsed Read AccessKey ["AccessKeyId"] => last_used::get;
    DeleteAccessKey Write User ["UserName" "AccessKeyId"] => keys::delete;
    PutUserPolicy Write User ["UserName" "PolicyName" "PolicyDocument"] => inline::put;
    GetUserPolicy Read User ["UserName" "PolicyName"] => inline::get;
    ListUserPolicies Read User ["UserName" "Marker" "MaxItems"] => inline::list;
    DeleteUserPolicy Write User ["UserName" "PolicyName"] => inline::delete;
    AttachUserPolicy Write User ["UserName" "PolicyArn"] => attached::attach;
    DetachUserPolicy Write User ["UserName" "PolicyArn"] => attached::detach;
    ListAttachedUserPolicies Read User ["UserName" "PathPrefix" "Marker" "MaxItems"] => attached::list;
    ListGroupsForUser Read User ["UserName" "Marker" "MaxItems"] => members::groups_of;

    CreateGroup Write Group ["GroupName" "Path"] => groups::create;
    GetGroup Read Group ["GroupName" "Marker" "MaxItems"] => groups::get;
    ListGroups Read All ["PathPrefix" "Marker" "MaxItems"] => groups::list;
    UpdateGroup Write Group ["GroupName" "NewGroupName" "NewPath"] => groups::update;
    DeleteGroup Write Group ["GroupName"] => groups::delete;
    AddUserToGroup Write Group ["GroupName" "UserName"] => members::add;
    RemoveUserFromGroup Write Group ["GroupName" "UserName"] => members::remove;
    PutGroupPolicy Write Group ["GroupName" "PolicyName" "PolicyDocument"] => inline::put;
    GetGroupPolicy Read Group ["GroupName" "PolicyName"] => inline::get;
    ListGroupPolicies Read Group ["GroupName" "Marker" "MaxItems"] => inline::list;
    DeleteGroupPolicy Write Group ["GroupName" "PolicyName"] => inline::delete;
    AttachGroupPolicy Write Group ["GroupName" "PolicyArn"] => attached::attach;
    DetachGroupPolicy Write Group ["GroupName" "PolicyArn"] => attached::detach;
    ListAttachedGroupPolicies Read Group ["GroupName" "PathPrefix" "Marker" "MaxItems"] => attached::list;

    CreateRole Write Role ["RoleName" "Path" "AssumeRolePolicyDocument" "Description" "MaxSessionDuration"
        "PermissionsBoundary" "Tags."] => roles::create;
    GetRole Read Role ["RoleName"] => roles::get;
    ListRoles Read All ["PathPrefix" "Marker" "MaxItems"] => roles::list;
    UpdateRole Write Role ["RoleName" "Description" "MaxSessionDuration"] => roles::update;
    UpdateRoleDescription Write Role ["RoleName" "Description"] => roles::describe;
    UpdateAssumeRolePolicy Write Role ["RoleName" "PolicyDocument"] => roles::update_trust;
    DeleteRole Write Role ["RoleName"] => roles::delete;
    ListInstanceProfilesForRole Read Role ["RoleName" "Marker" "MaxItems"] => roles::instance_profiles;
    TagRole Write Role ["RoleName" "Tags."] => tags::tag;
    UntagRole Write Role ["RoleName" "TagKeys."] => tags::untag;
    ListRoleTags Read Role ["RoleName" "Marker" "MaxItems"] => tags::list;
    PutRolePermissionsBoundary Write Role ["RoleName" "PermissionsBoundary"] => boundaries::put;
    DeleteRolePermissionsBoundary Write Role ["RoleName"] => boundaries::delete;
    PutRolePolicy Write Role ["RoleName" "PolicyName" "PolicyDocument"] => inline::put;
    GetRolePolicy Read Role ["RoleName" "PolicyName"] => inline::get;
    ListRolePolicies Read Role ["RoleName" "Marker" "MaxItems"] => inline::list;
    DeleteRolePolicy Write Role ["RoleName" "PolicyName"] => inline::delete;
    AttachRolePolicy Write Role ["RoleName" "PolicyArn"] => attached::attach;
    DetachRolePolicy Write Role ["RoleName" "PolicyArn"] => attached::detach;
    ListAttachedRolePolicies Read Role ["RoleName" "PathPrefix" "Marker" "MaxItems"] => attached::list;

    CreatePolicy Write NewPolicy ["PolicyName" "Path" "PolicyDocument" "Description" "Tags."] => managed::create;
    GetPolicy Read Policy ["PolicyArn"] => managed::get;
    ListPolicies Read All ["Scope" "OnlyAttached" "PathPrefix" "PolicyUsageFilter" "Marker" "MaxItems"]
        => managed::list;
    DeletePolicy Write Policy ["PolicyArn"] => managed::delete;
    ListEntitiesForPolicy Read Policy ["PolicyArn" "EntityFilter" "PathPrefix" "PolicyUsageFilter" "Marker"
        "MaxItems"] => managed::entities;
    TagPolicy Write Policy ["PolicyArn" "Tags."] => tags::tag;
    UntagPolicy Write Policy ["PolicyArn" "TagKeys."] => tags::untag;
    ListPolicyTags Read Policy ["PolicyArn" "Marker" "MaxItems"] => tags::list;
    CreatePolicyVersion Write Policy ["PolicyArn" "PolicyDocument" "SetAsDefault"] => versions::create;
    GetPolicyVersion Read Policy ["PolicyArn" "VersionId"] => versions::get;
    ListPolicyVersions Read Policy ["PolicyArn" "Marker" "MaxItems"] => versions::list;
    SetDefaultPolicyVersion Write Policy ["PolicyArn" "VersionId"] => versions::set_default;
    DeletePolicyVersion Write Policy ["PolicyArn" "VersionId"] => versions::delete;

    CreateOpenIDConnectProvider Write NewProvider ["Url" "ClientIDList." "ThumbprintList." "Tags."]
        => providers::create;
    GetOpenIDConnectProvider Read Provider ["OpenIDConnectProviderArn"] => providers::get;
    ListOpenIDConnectProviders Read All [] => providers::list;
    DeleteOpenIDConnectProvider Write Provider ["OpenIDConnectProviderArn"] => providers::delete;
    UpdateOpenIDConnectProviderThumbprint Write Provider ["OpenIDConnectProviderArn" "ThumbprintList."]
        => providers::update_thumbprints;
    AddClientIDToOpenIDConnectProvider Write Provider ["OpenIDConnectProviderArn" "ClientID"]
        => providers::add_client;
    RemoveClientIDFromOpenIDConnectProvider Write Provider ["OpenIDConnectProviderArn" "ClientID"]
        => providers::remove_client;
    TagOpenIDConnectProvider Write Provider ["OpenIDConnectProviderArn" "Tags."] => tags::tag;
    UntagOpenIDConnectProvider Write Provider ["OpenIDConnectProviderArn" "TagKeys."] => tags::untag;
    ListOpenIDConnectProviderTags Read Provider ["OpenIDConnectProviderArn" "Marker" "MaxItems"]
        => tags::list;
    }
    Sts "sts:" {
    GetCallerIdentity Signed All [] => caller::identity;
    GetSessionToken Signed All ["DurationSeconds"] => token::get;
    AssumeRole Trusted All ["RoleArn" "RoleSessionName" "DurationSeconds" "Policy" "PolicyArns." "Tags."
        "TransitiveTagKeys." "ExternalId"] => role::assume;
    AssumeRoleWithWebIdentity Trusted All ["RoleArn" "RoleSessionName" "DurationSeconds" "Policy" "PolicyArns."
        "WebIdentityToken" "ProviderId"] => web::assume;
    AssumeRoleWithLDAPIdentity Trusted All ["LDAPUsername" "LDAPPassword" "DurationSeconds" "Policy"
        "PolicyArns."] => ldap::assume;
    }
}

/// The action of a name. Names are unique: no service has one of the other.
pub(crate) fn find(name: &str) -> Option<&'static Row> {
    ALL.iter().find(|row| row.action.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_one_row() {
        for Row { action, .. } in ALL {
            assert_eq!(
                ALL.iter().filter(|other| other.action.name == action.name).count(),
                1,
                "{}",
                action.name
            );
            assert_eq!(action.permission, format!("{}:{}", action.service.as_str(), action.name));
        }
    }

    #[test]
    fn an_action_about_something_has_the_parameter_that_names_it() {
        for Row { action, .. } in ALL {
            let needed = match action.on {
                On::All => continue,
                On::User => "UserName",
                On::AccessKey => "AccessKeyId",
                On::Group => "GroupName",
                On::Role => "RoleName",
                On::Policy => "PolicyArn",
                On::NewPolicy => "PolicyName",
                On::Provider => "OpenIDConnectProviderArn",
                On::NewProvider => "Url",
            };
            assert!(action.knows(needed), "{}", action.name);
        }
    }

    #[test]
    fn a_list_is_known_by_its_members() {
        let create = find("CreateUser").expect("a row").action;
        for known in ["Action", "Version", "UserName", "Tags.member.1.Key"] {
            assert!(create.knows(known), "{known}");
        }
        for unknown in ["Tags", "Tags.", "TagsX.member.1", "MaxItems"] {
            assert!(!create.knows(unknown), "{unknown}");
        }
    }
}
