//! What happens to a gateway and its storages while clients use it: faults, slowness, kills, and requests of
//! operators.

use super::{
    client::KEYS,
    dice::Dice,
    storage::QUICK,
    world::{Gateway, NAMES, World},
};
use causeway::{
    backend::Scrub,
    faults::{FaultKind, Plan},
    model::ObjectKey,
};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

const KINDS: [FaultKind; 7] = [
    FaultKind::Unavailable,
    FaultKind::Throttled,
    FaultKind::LostReply,
    FaultKind::TornBody,
    FaultKind::Late,
    FaultKind::Hang,
    FaultKind::StaleList,
];

/// The kinds of events in a run.
#[derive(Debug, Clone, Copy)]
pub struct Climate {
    pub faults: bool,
    pub kills: bool,
    pub operators: bool,
}

impl Climate {
    /// Each kind of event alone, then combinations of them.
    pub fn of(seed: u64) -> Self {
        let (faults, kills, operators) = match seed % 5 {
            0 => (false, false, false),
            1 => (true, false, false),
            2 => (false, true, false),
            3 => (true, true, false),
            _ => (true, true, true),
        };
        Self { faults, kills, operators }
    }
}

/// Causes events forever.
pub async fn blow(world: Arc<World>, climate: Climate, dice: Dice) {
    loop {
        sleep(dice.pause(Duration::from_millis(300))).await;
        match dice.below(20) {
            0..=7 if climate.faults => fault(&world, &dice),
            8..=10 if climate.faults => {
                world.history.say("all faults are healed".into());
                world.heal();
            }
            11..=13 => {
                let (member, slowness) =
                    (dice.below(4) as usize, dice.pick(&[QUICK, 5 * QUICK, 100 * QUICK]));
                world.history.say(format!("{} takes up to {slowness:?}", NAMES[member]));
                world.storages[member].slow_down(slowness);
            }
            14 if climate.kills => {
                world.stop().await;
                world.start().await;
            }
            15..=16 if climate.kills => {
                world.kill();
                sleep(dice.pause(Duration::from_millis(300))).await;
                world.start().await;
            }
            17..=19 if climate.operators => operate(&world, &dice),
            _ => {}
        }
    }
}

fn fault(world: &World, dice: &Dice) {
    // In most cases, only one storage fails at a time.
    if !dice.one_in(3) {
        world.heal();
    }
    let member = dice.below(NAMES.len() as u64) as usize;
    let plan = match dice.below(7) {
        0 => Plan::down(),
        1 => Plan::hanging(),
        _ => {
            let (kind, rate) = (dice.pick(&KINDS), dice.pick(&[0.2, 0.5, 1.0]));
            Plan { late_by: dice.pause(Duration::from_secs(2)), ..Plan::default() }.with(kind, rate)
        }
    };
    world.history.say(format!("{} meets {plan:?}", NAMES[member]));
    world.faults[member].set(plan);
}

/// Sends a request of an operator, while everything else continues.
fn operate(world: &Arc<World>, dice: &Dice) {
    let (world, what, member) = (world.clone(), dice.below(6), dice.pick(&NAMES));
    tokio::spawn(async move {
        let gateway = world.gateway().await;
        let (replication, record) = (gateway.replication(), &gateway.record);
        let work = async {
            match what {
                0 => replication
                    .scrub(record, Scrub::Listing, &|_| ())
                    .await
                    .map(|counts| format!("scrub: {counts:?}")),
                1..=2 => replication
                    .scrub(record, Scrub::Bytes, &|_| ())
                    .await
                    .map(|counts| format!("scrub of bytes: {counts:?}")),
                3 => replication.repair(record, &|_| ()).await.map(|counts| format!("repair: {counts:?}")),
                4 => replication.promote(record, member).await.map(|()| format!("promote {member}")),
                _ => {
                    replication.add(record, NAMES[3], &|_| ()).await.map(|counts| format!("add: {counts:?}"))
                }
            }
        };
        let done = tokio::select! {
            biased;
            () = gateway.killed.cancelled() => return,
            done = work => done.unwrap_or_else(|error| format!("an operator hears: {error}")),
        };
        world.history.say(done);
    });
}

/// Ends all faults. Every replica has to reach the current state by itself, and hold nothing else.
pub async fn clear(world: &World, dice: &Dice) {
    world.history.say("all is healed for good".into());
    world.heal();
    // By then, late changes have reached the storage.
    sleep(Duration::from_secs(120)).await;
    settle(world).await;
    let gateway = world.gateway().await;
    let scrub = async |how| gateway.replication().scrub(&gateway.record, how, &|_| ()).await;
    // On storage without conditional writes, a late change may have overwritten the committed object, and
    // only a scrub detects that.
    if let Err(error) = scrub(Scrub::Listing).await {
        world.history.wrong(format!("a scrub fails though all is well: {error}"));
    }
    settle(world).await;
    for name in KEYS {
        damage(world, &gateway, &crate::client::key(name), dice).await;
    }
    // The first scrub finds lost objects, and perhaps corrupt ones; the second finds the rest.
    for how in [Scrub::Listing, Scrub::Bytes] {
        match scrub(how).await {
            Ok(counts) => world.history.say(format!("scrub: {counts:?}")),
            Err(error) => world.history.wrong(format!("a scrub fails though all is well: {error}")),
        }
        settle(world).await;
    }
    let status = gateway.status().await;
    for name in KEYS {
        let Ok(found) = crate::gateway::read(&*gateway.store, name).await else {
            world.history.wrong(format!("{name} cannot be read though all is well"));
            continue;
        };
        for replica in &status {
            let member = NAMES.iter().position(|name| *name == replica.backend).expect("a storage");
            let held = world.held(member, &gateway, name).await;
            if held != found {
                let what = |bytes: &Option<Vec<u8>>| {
                    bytes.as_ref().map(|bytes| String::from_utf8_lossy(&bytes[..13]).into_owned())
                };
                world.history.wrong(format!(
                    "{} holds {:?} of {name} instead of {:?}",
                    replica.backend,
                    what(&held),
                    what(&found)
                ));
            }
        }
    }
    match scrub(Scrub::Bytes).await {
        Ok(counts) if (counts.differing, counts.copied, counts.failed, counts.stray) == (0, 0, 0, 0) => {}
        odd => world.history.wrong(format!("a scrub of bytes found something to do: {odd:?}")),
    }
}

/// Simulates defects of disks: one storage loses an object, and another corrupts its bytes. A third has the
/// right object.
async fn damage(world: &World, gateway: &Gateway, key: &ObjectKey, dice: &Dice) {
    let (first, shape) = (dice.below(3), dice.below(4));
    let [rots, loses] = [first, first + 1].map(|member| &world.storages[member as usize % 3]);
    let record = |member: u64| gateway.record_of(NAMES[member as usize % 3]);
    if shape & 1 == 1 && rots.rot(&record(first).await, key).await.expect("memory answers") {
        world.history.say(format!("{key:?} rots on {}", NAMES[first as usize]));
    }
    if shape & 2 == 2 {
        loses.lose(&record(first + 1).await, key).await.expect("memory answers");
        world.history.say(format!("{key:?} is lost on {}", NAMES[(first as usize + 1) % 3]));
    }
}

/// Waits until the background repair has nothing left to do.
async fn settle(world: &World) {
    let mut status = Vec::new();
    for _ in 0..600 {
        status = world.gateway().await.status().await;
        if status.iter().all(|replica| replica.pending == 0 && replica.seeded && replica.down.is_none()) {
            return;
        }
        sleep(Duration::from_secs(1)).await;
    }
    world.history.wrong(format!("the replicas do not come to agree by themselves: {status:?}"));
}

/// Deletes everything; then nothing may be left on any storage.
pub async fn leave(world: &World) {
    let gateway = world.gateway().await;
    let store = &gateway.store;
    let uploads =
        store.list_uploads(causeway::store::ListUploadsRequest { limit: 1000, ..Default::default() }).await;
    for entry in uploads.expect("the catalog answers").entries {
        if let causeway::store::UploadEntry::Upload(upload) = entry
            && let Err(error) = store.abort_upload(&upload.key, &upload.upload).await
        {
            world.history.wrong(format!("an upload of {:?} cannot be aborted: {error}", upload.key));
        }
    }
    for name in KEYS {
        if let Err(error) = store.delete(crate::client::key(name).current(), &Default::default()).await {
            world.history.wrong(format!("{name} cannot be deleted though all is well: {error}"));
        }
    }
    settle(world).await;
    sleep(Duration::from_secs(300)).await;
    for replica in gateway.status().await {
        let member = NAMES.iter().position(|name| *name == replica.backend).expect("a storage");
        let below = world.below(member, &gateway.record).await;
        let uploads = below
            .list_uploads(causeway::store::ListUploadsRequest { limit: 1000, ..Default::default() })
            .await;
        let left = uploads.expect("memory answers").entries.len();
        if left > 0 {
            world.history.wrong(format!("{left} uploads are left on {}", replica.backend));
        }
    }
    let rows =
        gateway.catalog.objects(gateway.record.id, None, 10, causeway::catalog::WhichObjects::All).await;
    let rows = rows.expect("the catalog answers");
    if !rows.is_empty() {
        world.history.wrong(format!("records are left of objects that are gone: {rows:?}"));
    }
    use causeway::backend::Backend;
    match gateway.backend.remove(&gateway.record).await {
        Ok(true) => {}
        other => world.history.wrong(format!("the empty bucket cannot be removed: {other:?}")),
    }
}
