//! Groups and who is in them.

use super::*;

#[tokio::test]
async fn a_summary_counts_the_members_of_an_account() {
    let gateway = Gateway::new().await;
    let key = gateway.user("bob", "").await;
    gateway.root(&[("CreateGroup", ""), ("GroupName", "Staff")]).await.ok();
    let summary = gateway.root(&[("GetAccountSummary", "")]).await.ok();
    assert!(summary.text.contains("<entry><key>Users</key><value>1</value></entry>"), "{}", summary.text);
    assert!(summary.text.contains("<entry><key>Groups</key><value>1</value></entry>"), "{}", summary.text);
    assert_eq!(gateway.by(&key, &[("GetAccountSummary", "")]).await.code(), is(403, "AccessDenied"));
}

#[tokio::test]
async fn a_member_has_the_policies_of_its_groups_for_as_long_as_it_is_in_them() {
    let gateway = Gateway::new().await;
    let key = gateway.user("bob", "").await;
    gateway.root(&[("CreateGroup", ""), ("GroupName", "Staff")]).await.ok();
    let policy = allow("iam:ListUsers", "*");
    let put =
        [("PutGroupPolicy", ""), ("GroupName", "Staff"), ("PolicyName", "p"), ("PolicyDocument", &*policy)];
    gateway.root(&put).await.ok();
    assert_eq!(gateway.by(&key, &[("ListUsers", "")]).await.code(), is(403, "AccessDenied"));
    let add = [("AddUserToGroup", ""), ("GroupName", "staff"), ("UserName", "bob")];
    gateway.root(&add).await.ok();
    gateway.root(&add).await.ok();
    gateway.by(&key, &[("ListUsers", "")]).await.ok();
    assert_eq!(gateway.root(&[("GetGroup", ""), ("GroupName", "Staff")]).await.ok().get("UserName"), "bob");
    assert_eq!(
        gateway.root(&[("ListGroupsForUser", ""), ("UserName", "bob")]).await.ok().get("GroupName"),
        "Staff"
    );
    gateway.root(&[("UpdateGroup", ""), ("GroupName", "Staff"), ("NewGroupName", "Crew")]).await.ok();
    gateway.by(&key, &[("ListUsers", "")]).await.ok();
    assert_eq!(
        gateway.root(&[("DeleteGroup", ""), ("GroupName", "Crew")]).await.code(),
        is(409, "DeleteConflict")
    );
    assert_eq!(
        gateway.root(&[("DeleteUser", ""), ("UserName", "bob")]).await.code(),
        is(409, "DeleteConflict")
    );
    let remove = [("RemoveUserFromGroup", ""), ("GroupName", "Crew"), ("UserName", "bob")];
    gateway.root(&remove).await.ok();
    assert_eq!(gateway.by(&key, &[("ListUsers", "")]).await.code(), is(403, "AccessDenied"));
    assert_eq!(gateway.root(&remove).await.code(), is(404, "NoSuchEntity"));
    gateway.root(&[("DeleteGroupPolicy", ""), ("GroupName", "Crew"), ("PolicyName", "p")]).await.ok();
    gateway.root(&[("DeleteGroup", ""), ("GroupName", "Crew")]).await.ok();
    assert_eq!(gateway.root(&[("ListGroups", "")]).await.ok().count("GroupName"), 0);
}
