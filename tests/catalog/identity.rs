//! Promises about identities that were added at run time.

use causeway::{
    catalog::{
        Catalog, CatalogErrorKind, Expected, Identities, IdentityRecord, KeyUse, NewIdentity, Revision,
    },
    model::{AccessKey, Role, TenantId, Timestamp},
};
use std::sync::Arc;

fn identity(access_key: &str, role: Role) -> NewIdentity {
    let name = (role != Role::ReadOnly).then(|| format!("the one called {access_key}"));
    let tenant = TenantId::parse("acme").expect("a tenant");
    NewIdentity {
        tenant,
        access_key: AccessKey(access_key.into()),
        role,
        name,
        sealed_secret: format!("v1:{access_key}"),
        details: if role == Role::Admin { "{\"expires\":5}".to_owned() } else { String::new() },
    }
}

pub async fn identities_are_found_as_they_were_set_and_move_one_revision(catalog: Arc<dyn Catalog>) {
    assert_eq!(catalog.identities().await.expect("read"), Identities::default());
    let mut last = Revision::NONE;
    let mut all = Vec::new();
    for (access_key, role) in [("alice", Role::Admin), ("bob", Role::ReadWrite), ("carol", Role::ReadOnly)] {
        let identity = identity(access_key, role);
        let revision = catalog.set_identity(identity.clone(), Expected::ABSENT).await.expect("added");
        assert!(revision > last);
        last = revision;
        all.push(IdentityRecord { identity, revision });
    }
    assert_eq!(catalog.identities().await.expect("read"), Identities { revision: last, all: all.clone() });
    assert!(
        !catalog.remove_identity(&AccessKey("Alice".into()), Expected::Any).await.expect("there is none")
    );
    assert_eq!(catalog.identities_revision().await.expect("read"), last);
    assert!(catalog.remove_identity(&AccessKey("bob".into()), Expected::Any).await.expect("removed"));
    all.remove(1);
    let now = catalog.identities().await.expect("read");
    assert!(now.revision > last);
    assert_eq!((now.all, catalog.identities_revision().await.expect("read")), (all, now.revision));
}

pub async fn an_identity_is_swapped_only_for_what_was_read(catalog: Arc<dyn Catalog>) {
    let set = async |expected, role| {
        catalog.set_identity(identity("alice", role), expected).await.map_err(|error| error.kind())
    };
    let first = set(Expected::ABSENT, Role::ReadOnly).await.expect("added");
    assert_eq!(set(Expected::ABSENT, Role::Admin).await, Err(CatalogErrorKind::Conflict));
    let second = set(Expected::Exactly(first), Role::ReadWrite).await.expect("changed");
    assert_eq!(set(Expected::Exactly(first), Role::Admin).await, Err(CatalogErrorKind::Conflict));
    let late = catalog
        .remove_identity(&AccessKey("alice".into()), Expected::Exactly(first))
        .await
        .expect_err("too late");
    assert_eq!(late.kind(), CatalogErrorKind::Conflict);
    assert!(
        catalog
            .remove_identity(&AccessKey("alice".into()), Expected::Exactly(second))
            .await
            .expect("removed")
    );
    let again = set(Expected::ABSENT, Role::ReadWrite).await.expect("added");
    assert!(again > second, "no revision comes back");
}

pub async fn the_last_use_of_a_key_only_moves_on_until_the_key_is_gone(catalog: Arc<dyn Catalog>) {
    let used = |access_key: &str, at, service: &str| KeyUse {
        access_key: access_key.to_owned(),
        at: Timestamp::from_millis(at),
        service: service.to_owned(),
    };
    assert_eq!(catalog.key_uses().await.expect("read"), []);
    let first = vec![used("bob", 5, "s3"), used("alice", 6, "iam")];
    catalog.set_key_uses(first, Vec::new()).await.expect("recorded");
    // Another process has recorded a later use meanwhile.
    let second = vec![used("bob", 4, "sts"), used("alice", 7, "s3")];
    catalog.set_key_uses(second, Vec::new()).await.expect("recorded");
    assert_eq!(catalog.key_uses().await.expect("read"), [used("alice", 7, "s3"), used("bob", 5, "s3")]);
    catalog.set_key_uses(Vec::new(), vec!["alice".to_owned()]).await.expect("forgotten");
    assert_eq!(catalog.key_uses().await.expect("read"), [used("bob", 5, "s3")]);
    assert_eq!(catalog.identities_revision().await.expect("read"), Revision::NONE, "no identity changed");
}
