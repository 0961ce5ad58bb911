//! The state of the storage below: free space, and entries that cannot be read. Read together with metrics or
//! health.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use std::{
    fmt,
    sync::{Arc, OnceLock},
};

/// The free space of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    pub free: u64,
    pub low: bool,
}

/// A storage location.
#[derive(Debug, Clone)]
pub struct Storage {
    /// The backend; `None` is the data directory.
    pub backend: Option<String>,
    /// The free space of the file system, if it is a local one.
    pub room: Option<Room>,
    pub unreadable: u64,
}

type Read = Box<dyn Fn() -> Vec<Storage> + Send + Sync>;

#[derive(Clone, Default)]
pub struct Storages(Arc<OnceLock<Read>>);

impl Storages {
    /// Sets the source of the state. Called once.
    pub fn read_by(&self, read: impl Fn() -> Vec<Storage> + Send + Sync + 'static) {
        let _ = self.0.set(Box::new(read));
    }

    /// The storages with little free space, with the amount, by name.
    pub fn low(&self) -> Vec<(String, u64)> {
        let low = |storage: Storage| {
            let room = storage.room.filter(|room| room.low)?;
            Some((
                storage.backend.map_or_else(|| "data directory".to_owned(), |name| format!("backend {name}")),
                room.free,
            ))
        };
        self.all().into_iter().filter_map(low).collect()
    }

    fn all(&self) -> Vec<Storage> {
        self.0.get().map(|read| read()).unwrap_or_default()
    }
}

impl fmt::Debug for Storages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Storages").field(&self.0.get().is_some()).finish()
    }
}

impl Collector for Storages {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let all = self.all();
        let gauge = |number: u64| ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
        for (data, name, help, value) in ROOMS {
            let rooms = all.iter().filter(|storage| storage.backend.is_none() == data);
            let rooms: Vec<_> =
                rooms.filter_map(|storage| Some((storage.backend.as_deref(), storage.room?))).collect();
            if rooms.is_empty() {
                continue;
            }
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            if let [(None, room)] = rooms[..] {
                gauge(value(room)).encode(metric)?;
                continue;
            }
            for (backend, room) in rooms {
                gauge(value(room))
                    .encode(metric.encode_family(&[("backend", backend.unwrap_or_default())])?)?;
            }
        }
        let backends =
            all.iter().filter_map(|storage| Some((storage.backend.as_deref()?, storage.unreadable)));
        let backends: Vec<_> = backends.collect();
        if backends.is_empty() {
            return Ok(());
        }
        let help = "Files and folders that were met and cannot be read, by backend: each is refused alone";
        let mut metric =
            encoder.encode_descriptor("backend_unreadable_entries", help, None, MetricType::Gauge)?;
        for (backend, unreadable) in backends {
            gauge(unreadable).encode(metric.encode_family(&[("backend", backend)])?)?;
        }
        Ok(())
    }
}

/// Whether it is about the data directory or about backends; the name, the help text, and how the number is
/// read.
type Column = (bool, &'static str, &'static str, fn(Room) -> u64);

const ROOMS: [Column; 4] = [
    (
        true,
        "data_free_bytes",
        "Room for the catalog and for parts of uploads in the data directory",
        |room| room.free,
    ),
    (
        true,
        "data_space_low",
        "Whether the data directory has less room than a twentieth of its file system and 1 GiB",
        |room| u64::from(room.low),
    ),
    (false, "backend_free_bytes", "Room on the local disk of a backend", |room| room.free),
    (
        false,
        "backend_space_low",
        "Whether a backend on local disk has less room than a twentieth of its file system and 1 GiB",
        |room| u64::from(room.low),
    ),
];
