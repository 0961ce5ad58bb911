//! Runs that are killed at any moment, and go on by their journals.

use super::*;
use crate::{
    model::{ByteRange, ObjectAddress, PartNumber, UploadId},
    options::Tuning,
    store::{
        BeginUpload, CompleteUpload, CopyPartRequest, CopyRequest, ListUploadsRequest, PartWritten,
        UploadEntry, Written,
    },
};

const PART: usize = 5 << 20;

/// Kills the run at a step of the storage: before or after its call.
#[derive(Debug, Default)]
struct Wire {
    steps: AtomicU64,
    at: AtomicU64,
    cut: Notify,
}

impl Wire {
    async fn step(&self) {
        if self.steps.fetch_add(1, Relaxed) + 1 >= self.at.load(Relaxed) {
            self.cut.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

#[derive(Debug)]
struct Source {
    below: Arc<MemoryStore>,
    wire: Arc<Wire>,
    /// What was read in which run: key, and first byte.
    reads: std::sync::Mutex<Vec<(usize, String, u64)>>,
    run: AtomicU64,
}

impl Layer for Source {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> store::Result<GetReply> {
        self.wire.step().await;
        let first = match request.selection {
            Selection::Range(ByteRange::FromTo(first, _)) => first,
            _ => 0,
        };
        let read = (self.run.load(Relaxed) as usize, address.key.to_string(), first);
        self.reads.lock().expect("no panic").push(read);
        self.below.get(address, request).await
    }
}

#[derive(Debug)]
struct Target(Arc<MemoryStore>, Arc<Wire>);

impl Layer for Target {
    fn below(&self) -> &dyn Store {
        &*self.0
    }

    async fn copy(&self, key: &ObjectKey, request: CopyRequest) -> store::Result<Written> {
        self.1.step().await;
        let written = self.0.copy(key, request).await;
        self.1.step().await;
        written
    }

    async fn begin_upload(&self, key: &ObjectKey, request: BeginUpload) -> store::Result<UploadId> {
        let begun = self.0.begin_upload(key, request).await;
        self.1.step().await;
        begun
    }

    async fn copy_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        request: CopyPartRequest,
    ) -> store::Result<PartWritten> {
        self.1.step().await;
        let written = self.0.copy_part(key, upload, number, request).await;
        self.1.step().await;
        written
    }

    async fn complete_upload(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> store::Result<Written> {
        self.1.step().await;
        let written = self.0.complete_upload(key, upload, request).await;
        self.1.step().await;
        written
    }
}

fn bytes(name: &str, length: usize) -> Bytes {
    let mut seed = name.bytes().fold(1u64, |seed, byte| seed * 31 + u64::from(byte));
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut all = Vec::with_capacity(length + 8);
    while all.len() < length {
        all.extend_from_slice(&next().to_le_bytes());
    }
    all.truncate(length);
    all.into()
}

#[test]
fn a_run_that_is_killed_at_any_step_goes_on_and_reads_nothing_twice_but_what_was_under_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal");
    let (below_from, below_to, wire) = (memory(), memory(), Arc::<Wire>::default());
    let source = Arc::new(Source {
        below: below_from.clone(),
        wire: wire.clone(),
        reads: Default::default(),
        run: 0.into(),
    });
    let (plain_from, plain_to) = (end(&below_from, ""), end(&below_to, ""));
    let (from, to) = (end(&source, ""), end(&Arc::new(Target(below_to.clone(), wire.clone())), ""));
    let sizes: BTreeMap<String, usize> = (0..12)
        .map(|n| (format!("small-{n:02}"), 100 + n))
        .chain((0..3).map(|n| (format!("large-{n}"), 2 * PART + 1000 + n)))
        .collect();
    runtime().block_on(async {
        for (name, size) in &sizes {
            put(&plain_from, name, bytes(name, *size), "10").await;
        }
    });
    let options = Options { compare: Comparison::Never, ..sync() };
    let tuning = || Tuning {
        transfers: 2,
        parts: 2,
        multipart_from: Some(PART as u64 + 1),
        part_size: PART as u64,
        ..Tuning::default()
    };
    let journal = || Journal::open(&path, from.label(), to.label(), &options).expect("opens");
    // What the journal knows: names that have arrived, and parts that are stored.
    let known = || {
        let journal = journal();
        let mut known = BTreeSet::new();
        runtime().block_on(async {
            let request = ListRequest { limit: 1000, ..Default::default() };
            for entry in below_from.list(request).await.expect("is listed").entries {
                let ListEntry::Object(object) = entry else { continue };
                let name = object.key.as_str();
                let parts = (object.size as usize).div_ceil(PART).max(1);
                if journal.has(name, &object) {
                    known.extend((0..parts).map(|part| (name.to_owned(), (part * PART) as u64)));
                }
                for number in journal.upload(name).into_iter().flat_map(|upload| upload.parts.into_keys()) {
                    known.insert((name.to_owned(), u64::from(number.get() - 1) * PART as u64));
                }
            }
        });
        known
    };
    let (mut before, mut kills) = (BTreeSet::new(), 0);
    loop {
        // Later and later, so that the run comes to its end, and at every kind of step.
        wire.steps.store(0, Relaxed);
        wire.at.store(3 + kills % 5, Relaxed);
        source.run.store(kills, Relaxed);
        let ended = runtime().block_on(async {
            let mut transfer = transfer(&from, &to, options.clone());
            (transfer.journal, transfer.tuning) = (journal(), tuning());
            tokio::select! {
                summary = transfer.run() => Some(summary.expect("runs")),
                () = wire.cut.notified() => None,
            }
        });
        for (run, name, first) in &*source.reads.lock().expect("no panic") {
            let twice = *run as u64 == kills && before.contains(&(name.clone(), *first));
            assert!(!twice, "{name} from {first} is read again in run {run}");
        }
        if let Some(summary) = ended {
            assert!(summary.is_success() && summary.counts.resumed > 0, "{summary:?}");
            break;
        }
        before = known();
        kills += 1;
        assert!(kills < 200, "the run never ends");
    }
    assert!(kills >= 20, "only {kills} kills");
    runtime().block_on(async {
        assert_eq!(tree(&plain_to).await, tree(&plain_from).await);
        let uploads = below_to.list_uploads(ListUploadsRequest { limit: 1000, ..Default::default() }).await;
        let left: Vec<_> = uploads.expect("is listed").entries;
        // An upload whose beginning was not written down is left to its expiry.
        let parts = left.iter().filter(|entry| matches!(entry, UploadEntry::Upload(_))).count();
        assert!(parts as u64 <= kills, "{parts} uploads are left");
    });
    assert!(!path.exists(), "a run that has ended needs no journal");
}

#[tokio::test]
async fn a_large_object_has_the_checksum_of_its_source_and_its_attributes() {
    let (from, to) = (end(&memory(), ""), end(&memory(), ""));
    put(&from, "large", bytes("large", 3 * PART + 7), "10.5").await;
    let mut large = transfer(&from, &to, Options::default());
    large.tuning.multipart_from = Some(PART as u64);
    large.tuning.part_size = PART as u64;
    assert_eq!(done(large).await, actions(&[("large", Action::Copy)]));
    let key = ObjectKey::new("large").expect("a key");
    let info = async |end: &End| end.store.head(key.current(), &Default::default()).await.expect("is there");
    let (source, found) = (info(&from).await, info(&to).await);
    assert_eq!((found.parts.len(), found.checksum), (4, source.checksum));
    assert_eq!(found.attributes, source.attributes);
    assert_eq!(tree(&to).await, tree(&from).await);
}
