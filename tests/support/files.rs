//! A storage of files in folders, in memory, with the quirks of real ones: only times in seconds to tell
//! files apart, like SFTP; or revisions and hashes that are known once a file exists, like cloud drives.

use async_trait::async_trait;
use bytes::Bytes;
use causeway::{
    backend::{
        Names,
        tree::files::{
            Draft, DraftName, Entry, EntryKind, FLOWS, Files, OWN, Opened, Published, Service, Slot, Slots,
            Stat,
        },
    },
    model::{Span, Timestamp},
    store::{
        ByteStream, Result,
        error::{StoreError, StoreErrorKind},
    },
};
use futures_util::{StreamExt, stream::BoxStream};
use md5::{Digest, Md5};
use std::{
    collections::BTreeMap,
    fs::File,
    os::unix::fs::FileExt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use tempfile::TempDir;
use tokio::sync::{Notify, watch};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quirks {
    /// Times have a resolution of one second. There is nothing else to tell files apart.
    Sftp,
    /// Times in milliseconds, revisions and MD5s, known once a file exists.
    Drive,
    /// The same as `Drive`, but `a` and `A` are one name.
    Folding,
    /// The same as `Folding`, but the storage does not report it, like servers over the file systems of
    /// Windows and macOS.
    Blind,
}

#[derive(Debug, Clone)]
enum Node {
    Folder,
    File { bytes: Bytes, stat: Stat },
}

type Nodes = Arc<Mutex<BTreeMap<String, Node>>>;

#[derive(Debug, Clone)]
pub struct MemoryFiles {
    quirks: Quirks,
    nodes: Nodes,
    revision: Arc<AtomicUsize>,
    /// The number of calls to the storage so far.
    pub calls: Arc<AtomicUsize>,
    /// Publishing succeeds and reports a failure this many times: the reply is lost.
    pub lose_replies: Arc<AtomicUsize>,
    /// Publishing fails this many times.
    pub fail_publishing: Arc<AtomicUsize>,
    /// Writing to a draft fails this many times.
    pub fail_writing: Arc<AtomicUsize>,
    /// The number of bytes that drafts were given so far.
    pub written: Arc<AtomicUsize>,
    /// The size of each draft that is neither a file nor discarded yet.
    drafts: Arc<watch::Sender<BTreeMap<usize, usize>>>,
    /// Changes stop at this point, as if the process were killed: the call never returns.
    pub stop: Arc<Mutex<Option<Stop>>>,
    stopped: Arc<Notify>,
    slots: Arc<TempDir>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    BeforeWriting,
    BeforePublishing,
    AfterPublishing,
    BeforeRemoving,
    AfterRemoving,
    AfterRenaming,
}

impl MemoryFiles {
    pub fn new(quirks: Quirks) -> Self {
        let zero = || Arc::new(AtomicUsize::new(0));
        Self {
            quirks,
            nodes: Arc::default(),
            revision: zero(),
            calls: zero(),
            lose_replies: zero(),
            fail_publishing: zero(),
            fail_writing: zero(),
            written: zero(),
            drafts: Arc::default(),
            stop: Arc::default(),
            stopped: Arc::default(),
            slots: Arc::new(tempfile::tempdir().expect("a directory")),
        }
    }

    /// Waits until a change has stopped at the point that was set.
    pub async fn has_stopped(&self) {
        self.stopped.notified().await;
        *self.stop.lock().expect("no panic") = None;
    }

    /// Waits until the open drafts hold these sizes, in the order in which the drafts were begun.
    pub async fn drafts_hold(&self, sizes: &[usize]) {
        let mut drafts = self.drafts.subscribe();
        drafts.wait_for(|drafts| drafts.values().eq(sizes)).await.expect("we keep it");
    }

    /// The number of open drafts.
    pub fn open_drafts(&self) -> usize {
        self.drafts.borrow().len()
    }

    fn draft(&self, bytes: Vec<u8>) -> Box<Writing> {
        let nth = self.revision.fetch_add(1, Ordering::Relaxed);
        self.drafts.send_modify(|drafts| drafts.extend([(nth, bytes.len())]));
        Box::new(Writing { files: self.clone(), nth, bytes, stat: None })
    }

    async fn stop_at(&self, stop: Stop) {
        if *self.stop.lock().expect("no panic") == Some(stop) {
            self.stopped.notify_one();
            std::future::pending::<()>().await;
        }
    }

    /// Stores a file as another program would.
    pub fn place(&self, path: &str, bytes: &[u8]) {
        let stat = self.stat_of(bytes);
        let mut nodes = self.nodes.lock().expect("no panic");
        for (at, _) in path.match_indices('/') {
            nodes.insert(path[..at].to_owned(), Node::Folder);
        }
        nodes.insert(path.to_owned(), Node::File { bytes: bytes.to_vec().into(), stat });
    }

    /// Removes a file as another program would.
    pub fn take(&self, path: &str) {
        self.nodes.lock().expect("no panic").remove(path);
    }

    pub fn stat_at(&self, path: &str) -> Stat {
        match self.nodes.lock().expect("no panic").get(path) {
            Some(Node::File { stat, .. }) => stat.clone(),
            other => panic!("{other:?} at {path}"),
        }
    }

    /// Restores a file with the same bytes and times.
    pub fn put_back(&self, path: &str, bytes: Bytes, stat: Stat) {
        self.nodes.lock().expect("no panic").insert(path.to_owned(), Node::File { bytes, stat });
    }

    /// Every file with its content.
    pub fn all(&self) -> Vec<(String, Bytes)> {
        let nodes = self.nodes.lock().expect("no panic");
        let file = |(path, node): (&String, &Node)| match node {
            Node::File { bytes, .. } => Some((path.clone(), bytes.clone())),
            Node::Folder => None,
        };
        nodes.iter().filter_map(file).collect()
    }

    fn stat_of(&self, bytes: &[u8]) -> Stat {
        let now = Timestamp::now().millis();
        let revision = self.revision.fetch_add(1, Ordering::Relaxed);
        let (modified, tag, md5) = match self.quirks {
            Quirks::Sftp => (now - now.rem_euclid(1000), None, None),
            Quirks::Drive | Quirks::Folding | Quirks::Blind => {
                (now, Some(format!("r{revision}")), Some(Md5::digest(bytes).into()))
            }
        };
        Stat {
            kind: EntryKind::File,
            size: bytes.len() as u64,
            modified: Some(Timestamp::from_millis(modified)),
            tag,
            md5,
        }
    }

    fn node(&self, path: &str) -> Option<Node> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if path.is_empty() {
            return Some(Node::Folder);
        }
        let path = self.spelled(path);
        self.nodes.lock().expect("no panic").get(&path).cloned()
    }

    /// The existing spelling of a path, if the storage folds case without reporting it.
    fn spelled(&self, path: &str) -> String {
        if self.quirks != Quirks::Blind {
            return path.to_owned();
        }
        let nodes = self.nodes.lock().expect("no panic");
        let mut spelled = String::new();
        for name in path.split('/') {
            let asked = if spelled.is_empty() { name.to_owned() } else { format!("{spelled}/{name}") };
            let known = nodes.keys().find(|known| known.to_lowercase() == asked.to_lowercase());
            spelled = known.cloned().unwrap_or(asked);
        }
        spelled
    }
}

fn folder_stat() -> Stat {
    Stat { kind: EntryKind::Folder, size: 0, modified: None, tag: None, md5: None }
}

fn take_one(counter: &AtomicUsize) -> bool {
    counter.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok()
}

fn lost() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the connection was lost")
}

#[async_trait]
impl Files for MemoryFiles {
    fn service(&self) -> Service {
        let precision = if self.quirks == Quirks::Sftp { 1000 } else { 1 };
        let folds_names = self.quirks == Quirks::Folding;
        let flows = if self.quirks == Quirks::Sftp { 0 } else { FLOWS };
        Service {
            names: Names::Posix,
            folds_names,
            max_size: 5 << 40,
            precision,
            exact_tags: self.quirks != Quirks::Sftp,
            read_only: false,
            flows,
        }
    }

    async fn stat(&self, path: &str) -> Result<Option<Stat>> {
        Ok(self.node(path).map(|node| match node {
            Node::Folder => folder_stat(),
            Node::File { stat, .. } => stat,
        }))
    }

    async fn open(&self, path: &str, _ahead: Option<Span>) -> Result<Option<Box<dyn Opened>>> {
        Ok(match self.node(path) {
            Some(Node::File { bytes, stat }) => Some(Box::new(Reading { bytes, stat })),
            _ => None,
        })
    }

    async fn create(&self, _name: &DraftName, _path: &str, _size: Option<u64>) -> Result<Box<dyn Draft>> {
        if self.quirks == Quirks::Blind {
            self.make_folder(OWN).await?;
        }
        Ok(self.draft(Vec::new()))
    }

    async fn copy(
        &self,
        _name: &DraftName,
        from: &str,
        expected: &Stat,
        _path: &str,
    ) -> Result<Option<Box<dyn Draft>>> {
        Ok(match self.node(from) {
            Some(Node::File { bytes, stat }) if stat == *expected => Some(self.draft(bytes.to_vec())),
            _ => None,
        })
    }

    async fn rename(&self, from: &str, to: &str) -> Result<Option<Stat>> {
        let (from, to) = (&*self.spelled(from), &*self.spelled(to));
        let renamed = {
            let mut nodes = self.nodes.lock().expect("no panic");
            assert!(!nodes.contains_key(to), "{to} is there");
            let Some(Node::File { bytes, stat }) = nodes.get(from).cloned() else { return Ok(None) };
            nodes.remove(from);
            nodes.insert(to.to_owned(), Node::File { bytes, stat: stat.clone() });
            stat
        };
        self.stop_at(Stop::AfterRenaming).await;
        Ok(Some(renamed))
    }

    async fn remove(&self, path: &str) -> Result<bool> {
        self.stop_at(Stop::BeforeRemoving).await;
        let path = &*self.spelled(path);
        let removed = {
            let mut nodes = self.nodes.lock().expect("no panic");
            let is_file = matches!(nodes.get(path), Some(Node::File { .. }));
            if is_file {
                nodes.remove(path);
            }
            is_file
        };
        self.stop_at(Stop::AfterRemoving).await;
        Ok(removed)
    }

    async fn remove_folder(&self, path: &str) -> Result<bool> {
        let path = &*self.spelled(path);
        let mut nodes = self.nodes.lock().expect("no panic");
        let below = format!("{path}/");
        if nodes.keys().any(|name| name.starts_with(&below))
            || matches!(nodes.get(path), Some(Node::File { .. }))
        {
            return Ok(false);
        }
        nodes.remove(path);
        Ok(true)
    }

    async fn make_folder(&self, path: &str) -> Result<()> {
        let path = &*self.spelled(path);
        let mut nodes = self.nodes.lock().expect("no panic");
        for (at, _) in path.match_indices('/').chain([(path.len(), "")]) {
            nodes.entry(path[..at].to_owned()).or_insert(Node::Folder);
        }
        Ok(())
    }

    fn list(&self, folder: &str) -> BoxStream<'_, Result<Vec<Entry>>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let folder = self.spelled(folder);
        let below = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let nodes = self.nodes.lock().expect("no panic");
        let entry = |(path, node): (&String, &Node)| {
            let name =
                path.strip_prefix(&below).filter(|name| !name.is_empty() && !name.contains('/'))?.to_owned();
            let stat = match node {
                Node::Folder => folder_stat(),
                Node::File { stat, .. } => stat.clone(),
            };
            Some(Entry { name, stat })
        };
        // The entries come in no order, and in pages of a few.
        let mut entries: Vec<Entry> = nodes.iter().filter_map(entry).collect();
        entries.sort_by_key(|entry| Md5::digest(&entry.name).to_vec());
        let pages: Vec<_> = entries.chunks(7).map(|page| Ok(page.to_vec())).collect();
        futures_util::stream::iter(pages).boxed()
    }

    async fn tidy(&self, _instance: &str) -> Result<()> {
        Ok(())
    }

    fn slots(&self) -> Option<&dyn Slots> {
        (self.quirks == Quirks::Sftp).then_some(self)
    }
}

/// Slots are sparse files.
#[async_trait]
impl Slots for MemoryFiles {
    async fn open(&self, name: &str) -> Result<Box<dyn Slot>> {
        let path = self.slots.path().join(name);
        let file = File::options().create(true).truncate(false).write(true).open(path).expect("opens");
        Ok(Box::new(Slotted(file)))
    }

    async fn draft(&self, name: &str, size: u64) -> Result<Box<dyn Draft>> {
        let file =
            File::options().read(true).write(true).open(self.slots.path().join(name)).expect("is there");
        file.set_len(size).expect("is cut");
        let mut bytes = vec![0; usize::try_from(size).expect("in memory")];
        file.read_exact_at(&mut bytes, 0).expect("reads");
        Ok(MemoryFiles::draft(self, bytes))
    }

    async fn read(&self, name: &str, span: Span) -> Result<ByteStream> {
        let mut bytes = vec![0; usize::try_from(span.len()).expect("in memory")];
        let file = File::open(self.slots.path().join(name)).expect("is there");
        file.read_exact_at(&mut bytes, span.start).expect("reads");
        Ok(Box::pin(futures_util::stream::iter([Ok(Bytes::from(bytes))])))
    }

    async fn remove(&self, name: &str) -> Result<()> {
        let _ = std::fs::remove_file(self.slots.path().join(name));
        Ok(())
    }

    async fn names(&self) -> Result<Vec<String>> {
        let names = std::fs::read_dir(self.slots.path()).expect("lists");
        Ok(names.map(|name| name.expect("lists").file_name().into_string().expect("UTF-8")).collect())
    }
}

struct Slotted(File);

#[async_trait]
impl Slot for Slotted {
    async fn write(&mut self, offset: u64, frames: Vec<Bytes>) -> Result<()> {
        tokio::task::yield_now().await;
        self.0.write_all_at(&frames.concat(), offset).expect("writes");
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }

    async fn abandon(self: Box<Self>) -> bool {
        true
    }
}

struct Reading {
    bytes: Bytes,
    stat: Stat,
}

#[async_trait]
impl Opened for Reading {
    fn stat(&self) -> &Stat {
        &self.stat
    }

    async fn read(self: Box<Self>, span: Span) -> Result<ByteStream> {
        let end = |at: u64| usize::try_from(at).expect("in memory").min(self.bytes.len());
        let bytes = self.bytes.slice(end(span.start)..end(span.end));
        let frames: Vec<_> = bytes.chunks(100_000).map(|frame| Ok(Bytes::copy_from_slice(frame))).collect();
        Ok(Box::pin(futures_util::stream::iter(frames)))
    }
}

struct Writing {
    files: MemoryFiles,
    nth: usize,
    bytes: Vec<u8>,
    stat: Option<Stat>,
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.files.drafts.send_modify(|drafts| drafts.retain(|nth, _| *nth != self.nth));
    }
}

#[async_trait]
impl Draft for Writing {
    async fn write(&mut self, bytes: Vec<Bytes>) -> Result<()> {
        self.files.stop_at(Stop::BeforeWriting).await;
        tokio::task::yield_now().await;
        if take_one(&self.files.fail_writing) {
            return Err(lost());
        }
        let before = self.bytes.len();
        bytes.iter().for_each(|frame| self.bytes.extend_from_slice(frame));
        self.files.written.fetch_add(self.bytes.len() - before, Ordering::AcqRel);
        self.files.drafts.send_modify(|drafts| drafts.extend([(self.nth, self.bytes.len())]));
        Ok(())
    }

    async fn finish(&mut self) -> Result<Option<Stat>> {
        let stat = self.files.stat_of(&self.bytes);
        self.stat = Some(stat.clone());
        Ok((self.files.quirks == Quirks::Sftp).then_some(stat))
    }

    async fn publish(self: Box<Self>, path: &str, absent: bool) -> Result<Published> {
        assert!(!path.starts_with(OWN), "{path}");
        if take_one(&self.files.fail_publishing) {
            return Err(lost());
        }
        self.files.stop_at(Stop::BeforePublishing).await;
        let files = self.files.clone();
        let published = self.publish_now(path, absent);
        files.stop_at(Stop::AfterPublishing).await;
        if matches!(published, Published::As(_)) && take_one(&files.lose_replies) {
            return Err(lost());
        }
        Ok(published)
    }

    async fn discard(self: Box<Self>) {}
}

impl Writing {
    fn publish_now(self: Box<Self>, path: &str, absent: bool) -> Published {
        let path = &*self.files.spelled(path);
        let nodes = self.files.nodes.clone();
        let mut nodes = nodes.lock().expect("no panic");
        if self.files.quirks == Quirks::Folding {
            let on_the_way = |known: &str| {
                format!("{path}/").to_lowercase().starts_with(&format!("{known}/").to_lowercase())
            };
            if nodes
                .keys()
                .any(|known| on_the_way(known) && !format!("{path}/").starts_with(&format!("{known}/")))
            {
                return Published::Spelled(self);
            }
        }
        for (at, _) in path.match_indices('/') {
            if let Node::File { .. } = nodes.entry(path[..at].to_owned()).or_insert(Node::Folder) {
                return Published::Obstructed(self);
            }
        }
        match nodes.get(path) {
            Some(Node::Folder) => return Published::IsFolder(self),
            Some(Node::File { .. }) if absent => return Published::Exists(self),
            _ => {}
        }
        let stat = self.stat.clone().expect("is finished");
        nodes.insert(path.to_owned(), Node::File { bytes: self.bytes.clone().into(), stat: stat.clone() });
        Published::As(stat)
    }
}
