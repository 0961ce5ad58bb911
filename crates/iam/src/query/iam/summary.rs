//! GetAccountSummary: how many members an account has, and how many it may have.

use super::{attached, groups, keys, managed, members, roles, users, versions};
use crate::query::{error::QueryError, work::Work};

pub(in crate::query) fn get(work: &mut Work<'_>) -> Result<(), QueryError> {
    let account = work.account();
    let rows = [
        ("Users", account.users.len()),
        ("UsersQuota", users::MOST),
        ("Groups", account.groups.len()),
        ("GroupsQuota", groups::MOST),
        ("Roles", account.roles.len()),
        ("RolesQuota", roles::MOST),
        ("Policies", account.policies.len()),
        ("PoliciesQuota", managed::MOST),
        ("Providers", account.providers.len()),
        ("VersionsPerPolicyQuota", versions::MOST),
        ("AccessKeysPerUserQuota", keys::MOST),
        ("GroupsPerUserQuota", members::MOST),
        ("AttachedPoliciesPerUserQuota", attached::MOST),
        ("AttachedPoliciesPerGroupQuota", attached::MOST),
        ("AttachedPoliciesPerRoleQuota", attached::MOST),
        // The access key by which the configuration knows the account.
        ("AccountAccessKeysPresent", 1),
        ("AccountMFAEnabled", 0),
        ("MFADevices", 0),
        ("MFADevicesInUse", 0),
    ];
    work.out.element("SummaryMap", |w| {
        for (name, count) in rows {
            w.element("entry", |w| {
                w.text("key", name);
                w.number("value", count as u64);
            });
        }
    });
    Ok(())
}
