//! A replicated bucket over storages that fail, with one gateway at a time. The world owns what outlives a
//! gateway.

use super::{
    dice::Dice,
    history::History,
    storage::{LACKS, Lack, QUICK, Reached, Storage},
    weather::Climate,
};
use crate::{
    gateway::read,
    ledger::{Ledger, LedgerCatalog, Pause},
};
use causeway::{
    backend::{Backend, ReplicaState, Replication},
    catalog::{BucketRecord, Catalog, Clock, NewBucket},
    faults::{Faults, FaultyBackend, Plan},
    model::{BucketName, Owner, Timestamp},
    replicate::{ReadPolicy, ReplicatedBackend, ReplicatedSettings, WritePolicy},
    store::Store,
    work::Workers,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub const NAMES: [&str; 4] = ["one", "two", "three", "four"];
const WRITES: [WritePolicy; 6] = [
    WritePolicy::Quorum(2),
    WritePolicy::First,
    WritePolicy::BestEffort,
    WritePolicy::All,
    WritePolicy::Quorum(1),
    WritePolicy::Quorum(3),
];
const READS: [ReadPolicy; 3] = [ReadPolicy::Ordered, ReadPolicy::Hedged, ReadPolicy::Fastest];

/// Maximum duration in ms of a read or commit of the catalog, and of a commit of its index.
const PAUSES: [u64; 2] = [3, 40];

pub struct World {
    pub history: History,
    pub faults: Vec<Faults>,
    pub storages: Vec<Arc<Storage>>,
    pub write: WritePolicy,
    pub read: ReadPolicy,
    /// No storage fails; storages may only be slow.
    pub is_well: bool,
    ledger: Ledger,
    pauses: [Pause; 2],
    gateway: Mutex<Option<Arc<Gateway>>>,
    /// Notified when a gateway runs. Waiters are woken in the order of waiting.
    started: Notify,
}

/// A process that serves the bucket until it is killed.
pub struct Gateway {
    pub killed: CancellationToken,
    pub catalog: Arc<dyn Catalog>,
    pub backend: Arc<ReplicatedBackend>,
    pub record: BucketRecord,
    pub store: Arc<dyn Store>,
}

impl World {
    /// Must be called within a runtime whose clock is held. The seed decides which policies apply, and which
    /// storages lack which guarantee.
    pub fn new(seed: u64, climate: Climate, dice: &Dice) -> Self {
        let history = History::begin();
        // Either no storage lacks anything, or one of three lacks one guarantee, or each lacks something.
        let lack = |member: usize| match seed / 2 % 3 {
            0 => Lack::Nothing,
            1 if seed as usize / 6 % 3 == member => LACKS[seed as usize / 6 % LACKS.len()],
            1 => Lack::Nothing,
            _ => dice.of(200 + member as u64).pick(&LACKS),
        };
        let storages: Vec<_> =
            (0..NAMES.len()).map(|n| Arc::new(Storage::new(lack(n), dice.of(100 + n as u64)))).collect();
        let faults = (0..NAMES.len() as u64)
            .map(|n| Faults::new(seed.wrapping_mul(31).wrapping_add(n), Plan::default()))
            .collect();
        let (write, read) = (WRITES[seed as usize % WRITES.len()], READS[seed as usize / 2 % READS.len()]);
        let lacks: Vec<_> = storages.iter().map(|storage| storage.lack()).collect();
        history.say(format!("{write:?}, {read:?}; storages lack {lacks:?}"));
        let pauses = PAUSES.map(|most| -> Pause {
            let dice = dice.of(300 + most);
            Arc::new(move || dice.pause(Duration::from_millis(most)))
        });
        Self {
            history,
            faults,
            storages,
            write,
            read,
            is_well: !climate.faults,
            ledger: Ledger::default(),
            pauses,
            gateway: Mutex::default(),
            started: Notify::new(),
        }
    }

    /// Waits until a gateway runs, and returns it.
    pub async fn gateway(&self) -> Arc<Gateway> {
        loop {
            let mut started = std::pin::pin!(self.started.notified());
            started.as_mut().enable();
            if let Some(gateway) = &*self.running() {
                return gateway.clone();
            }
            started.await;
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Arc<Gateway>>> {
        self.gateway.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a gateway on the state that earlier ones left.
    pub async fn start(&self) {
        let killed = CancellationToken::new();
        let [pause, lag] = self.pauses.clone();
        let begun = tokio::time::Instant::now();
        let simulated = move || {
            Timestamp::from_millis(i64::try_from(begun.elapsed().as_millis()).expect("a short while"))
        };
        let ledger =
            LedgerCatalog::open(self.ledger.clone(), killed.clone(), pause, lag).by(Clock::new(simulated));
        let catalog: Arc<dyn Catalog> = Arc::new(ledger);
        let reached = |(storage, faults): (&Arc<Storage>, &Faults)| -> Arc<dyn Backend> {
            let reached = Reached { storage: storage.clone(), killed: killed.clone() };
            Arc::new(FaultyBackend::new(Arc::new(reached), faults.clone()))
        };
        let backends: HashMap<String, Arc<dyn Backend>> = NAMES
            .iter()
            .map(|name| (*name).to_owned())
            .zip(self.storages.iter().zip(&self.faults).map(reached))
            .collect();
        let settings = ReplicatedSettings {
            scrub: Duration::ZERO,
            name: "safe".into(),
            members: NAMES[..3].iter().map(|name| (*name).to_owned()).collect(),
            backends,
            write: self.write,
            read: self.read,
        };
        let backend = Arc::new(
            ReplicatedBackend::open(settings, catalog.clone(), Workers::alone(catalog.clone()))
                .expect("a backend"),
        );
        let name = BucketName::parse("bucket").expect("a name");
        let record = match catalog.bucket(&name).await.expect("answers") {
            Some(record) => record,
            None => {
                let owner = Owner { id: "owner".into(), display_name: "owner".into() };
                let (created, location) = (Timestamp::now(), backend.location_for(&name));
                let new = NewBucket {
                    name,
                    owner,
                    created,
                    tenant: Default::default(),
                    backend: "safe".into(),
                    location,
                };
                let record = catalog.create_bucket(new).await.expect("a bucket");
                backend.create(&record).await.expect("is made");
                record
            }
        };
        let store = backend.open(&record).await.expect("opens").store;
        self.history.say("a gateway starts".into());
        *self.running() = Some(Arc::new(Gateway { killed, catalog, backend, record, store }));
        self.started.notify_waiters();
    }

    /// Kills the gateway: none of its calls continues, and none is answered.
    pub fn kill(&self) {
        let gateway = self.running().take();
        if let Some(gateway) = gateway {
            self.history.say("the gateway is killed".into());
            gateway.killed.cancel();
        }
    }

    /// Stops the gateway: it ends what it has begun, and accepts nothing new.
    pub async fn stop(&self) {
        let gateway = self.running().take();
        if let Some(gateway) = gateway {
            self.history.say("the gateway is stopped".into());
            // A stop has a time limit, like that of a server.
            let _ = tokio::time::timeout(Duration::from_secs(20), gateway.backend.close()).await;
            gateway.killed.cancel();
        }
    }

    pub fn heal(&self) {
        self.faults.iter().for_each(Faults::heal);
        self.storages.iter().for_each(|storage| storage.slow_down(QUICK));
    }

    /// The storage itself, as its owner sees it.
    pub async fn below(&self, member: usize, record: &BucketRecord) -> Arc<dyn Store> {
        let reached = Reached { storage: self.storages[member].clone(), killed: CancellationToken::new() };
        reached.open(record).await.expect("opens").store
    }

    /// The content of a key in one storage.
    pub async fn held(&self, member: usize, gateway: &Gateway, key: &str) -> Option<Vec<u8>> {
        read(&*self.below(member, &gateway.record).await, key).await.expect("memory answers")
    }
}

impl Gateway {
    pub fn replication(&self) -> &dyn Replication {
        self.backend.replication().expect("is replicated")
    }

    /// The bucket as the storage of a replica knows it, with the replica's location.
    pub async fn record_of(&self, backend: &str) -> BucketRecord {
        let replicas = self.catalog.replicas(self.record.id).await.expect("the catalog answers");
        let replica = replicas.into_iter().find(|replica| replica.backend == backend).expect("a replica");
        let mut record = self.record.clone();
        record.bucket.location = replica.location;
        record
    }

    pub async fn status(&self) -> Vec<ReplicaState> {
        self.replication().status(&self.record).await.expect("the catalog answers")
    }
}
