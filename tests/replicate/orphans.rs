//! Unfinished uploads leave nothing: an abort is repeated on a member that could not be reached, and what a
//! late member or a killed gateway had begun is aborted.

use super::{
    client::Uploading,
    gateway::{Gateway, World},
};
use causeway::{
    faults::{FaultKind, Plan},
    store::{
        ListUploadsRequest,
        operation::{Operation, Operations},
    },
};
use std::time::Duration;

/// The number of uploads in all storages.
async fn there(world: &World, gateway: &Gateway) -> usize {
    let mut sum = 0;
    for member in 0..3 {
        let request = ListUploadsRequest { limit: 1000, ..Default::default() };
        sum += world
            .below(gateway, member)
            .await
            .list_uploads(request)
            .await
            .expect("memory answers")
            .entries
            .len();
    }
    sum
}

async fn none_stays(world: &World, gateway: &Gateway) {
    while there(world, gateway).await > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_was_aborted_while_a_replica_was_away_is_aborted_there_when_it_is_back() {
    for restarts in [false, true] {
        let world = World::new(1);
        let mut gateway = world.start().await;
        let mut upload = Uploading::begin(&*gateway.store, "key").await;
        upload.part(1, "x").await;
        world.faults[1].set(Plan::down());
        let (key, id) = (upload.key.clone(), upload.id.clone());
        gateway.store.abort_upload(&key, &id).await.expect("is aborted");
        if restarts {
            gateway = world.restart(gateway).await;
        }
        world.heal();
        none_stays(&world, &gateway).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_late_or_failed_begin_left_on_replicas_is_aborted_and_what_goes_on_is_not() {
    for plan in
        [Plan::always(FaultKind::LostReply), Plan { latency: Duration::from_secs(5), ..Plan::default() }]
    {
        let world = World::new(2);
        let gateway = world.start().await;
        let mut kept = Uploading::begin(&*gateway.store, "kept").await;
        world.faults[1].set(plan.clone().on(Operations::of(&[Operation::BeginUpload])));
        for _ in 0..3 {
            let upload = Uploading::begin(&*gateway.store, "key").await;
            gateway.store.abort_upload(&upload.key, &upload.id).await.expect("is aborted");
        }
        world.heal();
        while there(&world, &gateway).await > 3 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // Sweeps continue for a while.
        tokio::time::sleep(Duration::from_secs(300)).await;
        kept.part(1, "x").await;
        kept.complete().await;
        gateway.settled().await;
        assert_eq!(world.held(&gateway, 1, "kept").await.as_deref(), Some(&b"x"[..]), "{plan:?}");
        none_stays(&world, &gateway).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_gateway_had_begun_is_aborted_after_the_next_start() {
    let world = World::new(3);
    let gateway = world.start().await;
    // One replica has begun, the others hang: nothing is written to the catalog.
    world.faults[1].set(Plan::hanging().on(Operations::of(&[Operation::BeginUpload])));
    world.faults[2].set(Plan::hanging().on(Operations::of(&[Operation::BeginUpload])));
    let begin = tokio::spawn({
        let store = gateway.store.clone();
        async move { Uploading::begin(&*store, "key").await.id }
    });
    while there(&world, &gateway).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    begin.abort();
    // The hanging calls ended with the gateway.
    let gateway = world.restart(gateway).await;
    none_stays(&world, &gateway).await;
}
