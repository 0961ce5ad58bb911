//! Promises about users, groups, roles and policies.

use causeway::{
    catalog::{Catalog, CatalogErrorKind, Expected, IamChange, IamDocuments, IamKey, Revision},
    model::TenantId,
};
use std::sync::Arc;

pub fn key(account: &str, kind: &str, name: &str) -> IamKey {
    let tenant = TenantId::parse("acme").expect("a tenant");
    IamKey { tenant, account: account.into(), kind: kind.into(), name: name.into() }
}

pub fn put(account: &str, kind: &str, name: &str, body: &str) -> IamChange {
    IamChange::Put(key(account, kind, name), body.into())
}

async fn stored(catalog: &dyn Catalog) -> Vec<(String, String, Revision)> {
    let IamDocuments { all, .. } = catalog.iam().await.expect("read");
    let shown = |key: &IamKey| format!("{}/{}/{}/{}", key.tenant, key.account, key.kind, key.name);
    all.into_iter().map(|document| (shown(&document.key), document.body, document.revision)).collect()
}

pub async fn users_and_policies_are_found_as_they_were_put_and_move_one_revision(catalog: Arc<dyn Catalog>) {
    assert_eq!(catalog.iam().await.expect("read"), IamDocuments::default());
    let changes =
        vec![put("b", "user", "bob", "{\"ä\":1}"), put("a", "user", "bob", "2"), put("a", "role", "r", "3")];
    let first = catalog.change_iam(changes, Expected::ABSENT).await.expect("put");
    assert!(first > Revision::NONE);
    assert_eq!(catalog.iam().await.expect("read").revision, first);
    let expected = [("acme/a/role/r", "3"), ("acme/a/user/bob", "2"), ("acme/b/user/bob", "{\"ä\":1}")];
    assert_eq!(stored(&*catalog).await, expected.map(|(key, body)| (key.to_owned(), body.to_owned(), first)));
    let changes = vec![put("a", "user", "bob", "4"), IamChange::Delete(key("a", "role", "r"))];
    let second = catalog.change_iam(changes, Expected::Any).await.expect("changed");
    assert!(second > first);
    let expected = [("acme/a/user/bob", "4", second), ("acme/b/user/bob", "{\"ä\":1}", first)];
    let now = stored(&*catalog).await;
    assert_eq!(now, expected.map(|(key, body, revision)| (key.to_owned(), body.to_owned(), revision)));
    assert_eq!(catalog.change_iam(Vec::new(), Expected::Any).await.expect("nothing"), second);
}

pub async fn users_and_policies_are_changed_only_as_they_were_read_all_or_none(catalog: Arc<dyn Catalog>) {
    let first = catalog.change_iam(vec![put("a", "user", "bob", "1")], Expected::ABSENT).await.expect("put");
    let change = async |expected, body| {
        let changes = vec![put("a", "user", "bob", body), IamChange::Delete(key("a", "user", "carol"))];
        catalog.change_iam(changes, expected).await.map_err(|error| error.kind())
    };
    assert_eq!(change(Expected::ABSENT, "2").await, Err(CatalogErrorKind::Conflict));
    let second = change(Expected::Exactly(first), "3").await.expect("swapped");
    assert_eq!(change(Expected::Exactly(first), "4").await, Err(CatalogErrorKind::Conflict));
    assert_eq!(stored(&*catalog).await, [("acme/a/user/bob".to_owned(), "3".to_owned(), second)]);
}
