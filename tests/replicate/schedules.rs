//! Random operations and faults, by seed, compared with a model of what may be seen.
//!
//! An acknowledged write is the current version. A failed write may have taken effect, or may take effect
//! later, until another write is acknowledged. Once a version was seen, the versions before it must not be
//! seen again.
//!
//! `CAUSEWAY_SCHEDULES=10000 cargo test --test replicate schedules` runs more schedules than CI does;
//! `CAUSEWAY_SCHEDULE=4711` runs one.

use super::{
    client::{key, number},
    gateway::{Gateway, World, read},
};
use causeway::{
    backend::Scrub,
    faults::{FaultKind, Plan},
    model::{ChecksumAlgorithm, ChecksumKind, ChecksumSpec, Owner, Tag, TagSet},
    replicate::{ReadPolicy, WritePolicy},
    store::{
        BeginUpload, Change, CompletePart, CompleteUpload, ListEntry, ListRequest, PutRequest, Result, Store,
        condition::{ETagMatch, WriteConditions},
        error::StoreErrorKind,
        payload::Payload,
    },
};
use std::{collections::BTreeMap, time::Duration};

const KEYS: [&str; 3] = ["a", "a/b", "c"];
const STEPS: usize = 30;

/// The seeds to run: as many as fit into the time of CI, or as the environment asks for.
fn seeds() -> Vec<u64> {
    let from = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match (from("CAUSEWAY_SCHEDULE"), from("CAUSEWAY_SCHEDULES")) {
        (Some(one), _) => vec![one],
        (None, many) => (0..many.unwrap_or(120)).collect(),
    }
}

fn run(seed: u64, of: impl Fn(World) -> World) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let run = Run::new(seed, of(World::new(seed)));
    runtime.block_on(async {
        let task = tokio::spawn(run.all());
        if let Err(failed) = task.await {
            println!("schedule {seed}");
            std::panic::resume_unwind(failed.into_panic());
        }
    });
}

#[test]
fn no_schedule_of_faults_loses_resurrects_or_mixes_anything() {
    seeds().into_iter().for_each(|seed| run(seed, |world| world));
}

#[test]
fn nor_does_one_under_any_other_policies() {
    let writes = [
        WritePolicy::First,
        WritePolicy::BestEffort,
        WritePolicy::All,
        WritePolicy::Quorum(1),
        WritePolicy::Quorum(3),
    ];
    let reads = [ReadPolicy::Hedged, ReadPolicy::Fastest, ReadPolicy::Ordered];
    for seed in seeds() {
        let (write, read) = (writes[seed as usize % writes.len()], reads[seed as usize % reads.len()]);
        run(seed, |world| World { write, read, ..world });
    }
}

/// A generator of random numbers: the seed determines all of them.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

type Value = Option<Vec<u8>>;

/// The values that a read of one key may return: first the certain one, then those that may have taken
/// effect, or may still.
#[derive(Debug, Clone)]
struct May(Vec<Value>);

impl May {
    fn acknowledged(&mut self, value: Value) {
        self.0 = vec![value];
    }

    fn failed(&mut self, value: Value) {
        // A value that equals the certain one is added, too: it may take effect after another one.
        self.0.push(value);
    }

    fn seen(&mut self, value: &Value) -> bool {
        let Some(at) = self.0.iter().position(|may| may == value) else { return false };
        if at > 0 {
            // The value took effect and replaces the certain one.
            self.0.remove(0);
        }
        true
    }
}

struct Run {
    random: Random,
    world: World,
    may: BTreeMap<&'static str, May>,
    written: u64,
    log: Vec<String>,
}

impl Run {
    fn new(seed: u64, world: World) -> Self {
        let may = KEYS.iter().map(|key| (*key, May(vec![None]))).collect();
        Self { random: Random(seed), world, may, written: 0, log: Vec::new() }
    }

    async fn all(mut self) {
        let mut gateway = self.world.start().await;
        for _ in 0..STEPS {
            gateway = self.step(gateway).await;
        }
        self.end(gateway).await;
    }

    async fn step(&mut self, gateway: Gateway) -> Gateway {
        let name = self.random.pick(&KEYS);
        let store = &*gateway.store;
        match self.random.below(25) {
            0..=5 => self.put(store, name, WriteConditions::default()).await,
            6 => {
                self.put(
                    store,
                    name,
                    WriteConditions { if_none_match: Some(ETagMatch::Any), ..Default::default() },
                )
                .await
            }
            7 => self.upload(store, name).await,
            8..=9 => self.delete(store, name).await,
            10..=14 => self.read(store, name).await,
            15 => self.head(store, name).await,
            24 => self.tag(store, name).await,
            16..=20 => self.fault(),
            21 => {
                self.world.heal();
                self.say("healed".into());
            }
            22 => {
                let rest = self.random.below(3000);
                tokio::time::sleep(Duration::from_millis(rest)).await;
            }
            _ => {
                self.say("killed".into());
                return self.world.restart(gateway).await;
            }
        }
        gateway
    }

    fn fresh(&mut self) -> Vec<u8> {
        self.written += 1;
        // All bodies have one of two lengths, so that sizes do not identify versions. The long ones need
        // several frames.
        let text = format!("version {:05} ", self.written);
        let repeats = if self.written.is_multiple_of(7) { 6000 } else { 1 };
        text.repeat(repeats).into_bytes()
    }

    /// Records a line for the message of a failure; prints it at once if a single schedule is run.
    fn say(&mut self, line: String) {
        if std::env::var_os("CAUSEWAY_SCHEDULE").is_some() {
            eprintln!("{line}");
        }
        self.log.push(line);
    }

    fn noted<T>(&mut self, what: String, outcome: &Result<T>) {
        let outcome = outcome.as_ref().map(drop).map_err(ToString::to_string);
        self.say(format!("{what}: {outcome:?}"));
    }

    async fn put(&mut self, store: &dyn Store, name: &'static str, conditions: WriteConditions) {
        let body = self.fresh();
        let conditional = !conditions.is_empty();
        let frames: Vec<_> =
            body.chunks(20_000).map(|frame| Ok(bytes::Bytes::copy_from_slice(frame))).collect();
        let payload = Payload::from_stream(futures_util::stream::iter(frames), Default::default());
        let outcome =
            store.put(&key(name), PutRequest { attributes: Default::default(), conditions, payload }).await;
        self.noted(format!("put {name} {:?}", String::from_utf8_lossy(&body[..13])), &outcome);
        self.wrote(name, Some(body), outcome.map(drop), conditional);
    }

    fn wrote(&mut self, name: &'static str, value: Value, outcome: Result<()>, conditional: bool) {
        let may = self.may.get_mut(name).expect("a key");
        match outcome {
            Ok(()) if conditional => {
                assert!(may.0.contains(&None), "{name} was not absent\n{:#?}", self.log);
                may.acknowledged(value);
            }
            Ok(()) => may.acknowledged(value),
            Err(error) if conditional && error.kind() == StoreErrorKind::PreconditionFailed => {
                assert!(may.0.iter().any(Option::is_some), "{name} was absent\n{:#?}", self.log);
            }
            Err(_) => may.failed(value),
        }
    }

    async fn upload(&mut self, store: &dyn Store, name: &'static str) {
        let body = self.fresh();
        let outcome = upload(store, name, body.clone()).await;
        self.noted(format!("upload {name} {:?}", String::from_utf8_lossy(&body[..13])), &outcome);
        self.wrote(name, Some(body), outcome, false);
    }

    /// Changes the tags, which no read of this test returns.
    async fn tag(&mut self, store: &dyn Store, name: &'static str) {
        let tags =
            TagSet::new(vec![Tag { key: "n".into(), value: self.written.to_string() }]).expect("valid");
        let outcome = store.update(key(name).current(), Change::Tags(tags)).await;
        self.noted(format!("tag {name}"), &outcome);
    }

    async fn delete(&mut self, store: &dyn Store, name: &'static str) {
        let outcome = store.delete(key(name).current(), &Default::default()).await.map(drop);
        self.noted(format!("delete {name}"), &outcome);
        self.wrote(name, None, outcome, false);
    }

    async fn read(&mut self, store: &dyn Store, name: &'static str) {
        let found = read(store, name).await;
        self.say(format!(
            "read {name}: {:?}",
            found
                .as_ref()
                .map(|body| body.as_ref().map(|body| String::from_utf8_lossy(&body[..13]).into_owned()))
        ));
        if let Ok(found) = found {
            let may = self.may.get_mut(name).expect("a key");
            assert!(may.seen(&found), "{name} must not be that\n{:#?}", self.log);
        }
    }

    async fn head(&mut self, store: &dyn Store, name: &'static str) {
        let found = store.head(key(name).current(), &Default::default()).await;
        self.noted(format!("head {name}"), &found);
        let size = match found {
            Ok(info) => Some(info.size),
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => None,
            Err(_) => return,
        };
        let may = &self.may[name];
        assert!(
            may.0.iter().any(|value| value.as_ref().map(|body| body.len() as u64) == size),
            "{name} cannot have size {size:?}\n{:#?}",
            self.log
        );
    }

    fn fault(&mut self) {
        let member = self.random.below(3) as usize;
        let kinds = [
            FaultKind::Unavailable,
            FaultKind::Throttled,
            FaultKind::LostReply,
            FaultKind::TornBody,
            FaultKind::Late,
            FaultKind::Hang,
            FaultKind::StaleList,
        ];
        let plan = match self.random.below(6) {
            0 => Plan::down(),
            1 => Plan::hanging(),
            2 => Plan::default(),
            _ => {
                let rate = self.random.pick(&[0.2, 0.5, 1.0]);
                Plan { late_by: Duration::from_millis(500), ..Plan::default() }
                    .with(self.random.pick(&kinds), rate)
            }
        };
        self.say(format!("{member} meets {plan:?}"));
        self.world.faults[member].set(plan);
    }

    /// Ends all faults; all replicas have to agree on a value that is allowed.
    async fn end(&mut self, gateway: Gateway) {
        self.world.heal();
        self.say("all is healed".into());
        // By then, late writes have reached the storage.
        tokio::time::sleep(Duration::from_secs(120)).await;
        gateway.settled().await;
        gateway.scrub(Scrub::Listing).await;
        for name in KEYS {
            self.read(&*gateway.store, name).await;
            let Ok(found) = read(&*gateway.store, name).await else {
                panic!("{name} cannot be read\n{:#?}", self.log)
            };
            gateway.settled().await;
            for member in 0..3 {
                let held = self.world.held(&gateway, member, name).await;
                // Failed writes may have reached a replica where no object was. No client sees them.
                assert!(held == found || found.is_none(), "{name} on {member}\n{:#?}", self.log);
            }
        }
        let counts = gateway.scrub(Scrub::Bytes).await;
        assert_eq!((counts.differing, counts.copied, counts.failed), (0, 0, 0), "\n{:#?}", self.log);
        let page =
            gateway.store.list(ListRequest { limit: 100, ..Default::default() }).await.expect("is listed");
        let mut expected = Vec::new();
        for name in KEYS {
            if read(&*gateway.store, name).await.expect("is read").is_some() {
                expected.push(name);
            }
        }
        let listed: Vec<_> = page.entries.iter().map(ListEntry::name).collect();
        assert_eq!(listed, expected, "\n{:#?}", self.log);
    }
}

async fn upload(store: &dyn Store, name: &str, body: Vec<u8>) -> Result<()> {
    let owner = Owner { id: "owner".into(), display_name: "owner".into() };
    let checksum = ChecksumSpec { algorithm: ChecksumAlgorithm::Crc64Nvme, kind: ChecksumKind::FullObject };
    let begin =
        BeginUpload { attributes: Default::default(), checksum, explicit_checksum: false, initiator: owner };
    let id = store.begin_upload(&key(name), begin).await?;
    let part = store.put_part(&key(name), &id, number(1), Payload::from_bytes(body)).await?;
    let parts = vec![CompletePart { number: number(1), etag: part.etag, checksum: None }];
    let complete = CompleteUpload { parts, conditions: Default::default(), checksum: None, size: None };
    store.complete_upload(&key(name), &id, complete).await.map(drop)
}
