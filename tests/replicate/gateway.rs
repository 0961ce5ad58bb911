//! A gateway over three storages that outlive it, each behind its own faults.

use causeway::{
    backend::{Backend, ReplicaState, ReplicationCounts, Scrub, memory::MemoryBackend},
    catalog::{BucketRecord, Catalog, NewBucket, WhichObjects, sqlite::SqliteCatalog},
    faults::{Faults, FaultyBackend, Plan},
    model::{BucketName, ObjectKey, Owner, Timestamp},
    replicate::{ReadPolicy, ReplicatedBackend, ReplicatedSettings, WritePolicy},
    store::{Durability, GetRequest, ObjectBody, Store, error::StoreErrorKind},
    work::Workers,
};
use futures_util::StreamExt;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tempfile::TempDir;

pub const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Everything that outlives a gateway.
pub struct World {
    pub directory: TempDir,
    pub memories: Vec<Arc<MemoryBackend>>,
    pub storages: Vec<Arc<dyn Backend>>,
    pub faults: Vec<Faults>,
    pub write: WritePolicy,
    pub read: ReadPolicy,
    /// The interval between two automatic scrubs.
    pub scrub: Duration,
    /// The number of storages that are configured.
    pub members: usize,
    /// Whether a bucket that the catalog does not know is created from the existing data.
    pub adopts: bool,
}

pub struct Gateway {
    pub catalog: Arc<dyn Catalog>,
    pub backend: Arc<ReplicatedBackend>,
    pub record: BucketRecord,
    pub store: Arc<dyn Store>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        // The catalog's files need not be on a disk.
        let memory = std::path::Path::new("/dev/shm");
        let directory = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
        let memories: Vec<_> = NAMES.iter().map(|_| Arc::new(MemoryBackend::new())).collect();
        let storages = memories.iter().map(|memory| memory.clone() as Arc<dyn Backend>).collect();
        let faults = (0..NAMES.len() as u64)
            .map(|n| Faults::new(seed.wrapping_mul(31).wrapping_add(n), Plan::default()))
            .collect();
        Self {
            directory: directory.expect("a directory"),
            memories,
            storages,
            faults,
            write: WritePolicy::Quorum(2),
            read: ReadPolicy::Ordered,
            scrub: Duration::ZERO,
            members: 3,
            adopts: false,
        }
    }

    /// Starts a gateway.
    pub async fn start(&self) -> Gateway {
        let catalog: Arc<dyn Catalog> =
            Arc::new(SqliteCatalog::open(self.directory.path(), Durability::Relaxed).expect("a catalog"));
        let faulty = |(storage, faults): (&Arc<dyn Backend>, &Faults)| -> Arc<dyn Backend> {
            Arc::new(FaultyBackend::new(storage.clone(), faults.clone()))
        };
        let backends: HashMap<String, Arc<dyn Backend>> = NAMES
            .iter()
            .map(|name| (*name).to_owned())
            .zip(self.storages.iter().zip(&self.faults).map(faulty))
            .collect();
        let settings = ReplicatedSettings {
            name: "safe".into(),
            members: NAMES[..self.members].iter().map(|name| (*name).to_owned()).collect(),
            backends,
            write: self.write,
            read: self.read,
            scrub: self.scrub,
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
                if !self.adopts {
                    backend.create(&record).await.expect("is made");
                }
                record
            }
        };
        let store = backend.open(&record).await.expect("opens").store;
        Gateway { catalog, backend, record, store }
    }

    /// Kills a gateway, and starts it again.
    pub async fn restart(&self, gateway: Gateway) -> Gateway {
        drop(gateway.store);
        drop(gateway.backend);
        // No later write of the killed gateway may reach the catalog.
        gateway.catalog.close().await.expect("closes");
        self.start().await
    }

    /// The storage without its faults.
    pub async fn below(&self, gateway: &Gateway, member: usize) -> Arc<dyn Store> {
        self.storages[member].open(&gateway.record).await.expect("opens").store
    }

    /// The content of a key in one storage.
    pub async fn held(&self, gateway: &Gateway, member: usize, key: &str) -> Option<Vec<u8>> {
        read(&*self.below(gateway, member).await, key).await.expect("memory answers")
    }

    pub fn heal(&self) {
        self.faults.iter().for_each(Faults::heal);
    }
}

impl Gateway {
    fn replication(&self) -> &dyn causeway::backend::Replication {
        self.backend.replication().expect("is replicated")
    }

    pub async fn repair(&self) -> ReplicationCounts {
        self.replication().repair(&self.record, &|_| ()).await.expect("repairs")
    }

    pub async fn scrub(&self, how: Scrub) -> ReplicationCounts {
        self.replication().scrub(&self.record, how, &|_| ()).await.expect("scrubs")
    }

    pub async fn add(&self, backend: &str) -> Result<ReplicationCounts, String> {
        self.replication().add(&self.record, backend, &|_| ()).await.map_err(|error| error.to_string())
    }

    pub async fn remove(&self, backend: &str) -> Result<(), String> {
        self.replication().remove(&self.record, backend).await.map_err(|error| error.to_string())
    }

    pub async fn promote(&self, backend: &str) {
        self.replication().promote(&self.record, backend).await.expect("is promoted");
    }

    pub async fn status(&self) -> Vec<ReplicaState> {
        self.replication().status(&self.record).await.expect("answers")
    }

    /// The number of objects that each member lacks.
    pub async fn lacks(&self) -> Vec<u64> {
        self.replication()
            .status(&self.record)
            .await
            .expect("answers")
            .iter()
            .map(|replica| replica.pending + replica.in_flight)
            .collect()
    }

    /// Waits until no other member lacks anything.
    pub async fn settled_but(&self, member: usize) {
        while self.lacks().await.iter().enumerate().any(|(n, lacking)| n != member && *lacking > 0) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Waits until every replica has been filled.
    pub async fn filled(&self) {
        while self
            .replication()
            .status(&self.record)
            .await
            .expect("answers")
            .iter()
            .any(|replica| !replica.seeded)
        {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Waits until the background repair has nothing left to do.
    pub async fn settled(&self) {
        // The limit is more than a year by the clock of most tests, which runs ahead of the catalog's
        // threads, and a minute of real time.
        let begun = std::time::Instant::now();
        let mut rest = std::time::Duration::from_millis(20);
        for polls in 0.. {
            if self.lacks().await.iter().all(|lacking| *lacking == 0) {
                return;
            }
            if polls >= 800 && begun.elapsed() > std::time::Duration::from_secs(60) {
                break;
            }
            tokio::time::sleep(rest).await;
            if polls < 800 && polls % 20 == 19 {
                rest = rest.mul_f64(1.5);
            }
        }
        let rows =
            self.catalog.objects(self.record.id, None, 100, WhichObjects::Unsettled).await.expect("answers");
        panic!("replicas never agree: {rows:#?}; {:?}", self.repair().await);
    }
}

/// The content of an object, or `None` if it does not exist.
pub async fn read(store: &dyn Store, key: &str) -> Result<Option<Vec<u8>>, StoreErrorKind> {
    let key = ObjectKey::new(key).expect("a key");
    let reply = match store.get(key.current(), GetRequest::default()).await {
        Ok(reply) => reply,
        Err(error) if error.kind() == StoreErrorKind::NoSuchKey => return Ok(None),
        Err(error) => return Err(error.kind()),
    };
    let mut bytes = Vec::new();
    match reply.body {
        ObjectBody::Full(all) => bytes.extend_from_slice(&all),
        other => {
            let mut stream = other.into_stream();
            while let Some(frame) = stream.next().await {
                bytes.extend_from_slice(&frame.map_err(|error| error.kind())?);
            }
        }
    }
    assert_eq!(bytes.len() as u64, reply.info.size, "a body that ends is whole");
    Ok(Some(bytes))
}
