//! Replicas on storage that supports fewer conditions than it claims: they still get every change.

use super::{
    client::{Uploading, key, put},
    gateway::{World, read},
};
use causeway::{
    backend::{Backend, Scrub},
    faults::Plan,
    replicate::WritePolicy,
    store::operation::Operation,
};

const LACKS: [&[Operation]; 4] = [
    &[Operation::Put],
    &[Operation::Delete],
    &[Operation::CompleteUpload],
    &[Operation::Put, Operation::Delete, Operation::CompleteUpload],
];

/// Objects are written, overwritten, completed from parts and deleted. One of the members supports no
/// conditions.
async fn changes_reach_everybody(world: World, case: &str) {
    let gateway = world.start().await;
    for body in ["first", "second"] {
        put(&*gateway.store, "key", body).await;
        put(&*gateway.store, "long", body.repeat(20_000)).await;
        put(&*gateway.store, "gone", body).await;
        let mut upload = Uploading::begin(&*gateway.store, "parts").await;
        upload.part(1, body).await;
        upload.complete().await;
    }
    gateway
        .store
        .delete(key("gone").current(), &Default::default())
        .await
        .unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(read(&*gateway.store, "gone").await, Ok(None), "{case}");
    gateway.settled().await;
    for member in 0..world.members {
        for name in ["key", "parts"] {
            assert_eq!(
                world.held(&gateway, member, name).await.as_deref(),
                Some(&b"second"[..]),
                "{case}: {name} on {member}"
            );
        }
        assert_eq!(
            world.held(&gateway, member, "long").await,
            Some("second".repeat(20_000).into_bytes()),
            "{case}: {member}"
        );
        assert_eq!(world.held(&gateway, member, "gone").await, None, "{case}: {member}");
    }
    let counts = gateway.scrub(Scrub::Bytes).await;
    assert_eq!((counts.differing, counts.failed), (0, 0), "{case}");
    for name in ["key", "long", "parts"] {
        gateway
            .store
            .delete(key(name).current(), &Default::default())
            .await
            .unwrap_or_else(|error| panic!("{case}: {error}"));
    }
    gateway.settled().await;
    assert!(
        gateway.backend.remove(&gateway.record).await.expect("answers"),
        "{case}: nothing is left in any replica"
    );
}

#[tokio::test(start_paused = true)]
async fn a_replica_without_conditions_gets_every_change_and_keeps_nothing_that_was_deleted() {
    for (lacks, hides_lacks, members) in
        LACKS.into_iter().flat_map(|lacks| [(lacks, false, 3), (lacks, true, 3), (lacks, false, 2)])
    {
        let world = World { members, write: WritePolicy::Quorum(2), ..World::new(1) };
        world.faults[1].set(Plan { hides_lacks, ..Plan::lacking(lacks) });
        changes_reach_everybody(world, &format!("{lacks:?}, hidden {hides_lacks}, {members} replicas")).await;
    }
}
