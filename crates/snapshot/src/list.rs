//! The list of a snapshot's objects: pages of records, sorted by name, and above them pages that say which
//! name a page begins with.
//!
//! A page ends where the keyed hash of a name says so. So two snapshots have the same pages but where their
//! objects differ, and the page with a name is found by reading one page of each level.
//!
//! Invariant: memory holds one page of each level while a list is written, and `PAGES` while it is read.

use crate::{
    Result, SnapshotError,
    chunker::ends_run,
    files::Id,
    reader::Reader,
    record::{Object, Root},
    repository::Repository,
    writer::{Stream, Writer},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// A page has at least so many bytes, and ends at the latest behind the line that exceeds the other number.
const MIN_PAGE: usize = 8 << 10;
const MAX_PAGE: usize = 128 << 10;
/// One of 2 to the power of this many names ends a page.
const BITS: u32 = 6;
const PAGES: usize = 32;

/// A line of a page above others.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Item {
    /// The first name below.
    pub(crate) first: String,
    pub(crate) page: Id,
}

#[derive(Default)]
struct Level {
    lines: Vec<u8>,
    first: Option<String>,
}

/// Writes a list. Objects come in the order of their names.
#[derive(Default)]
pub(crate) struct ListWriter {
    levels: Vec<Level>,
}

impl ListWriter {
    pub(crate) async fn push(
        &mut self,
        repository: &Repository,
        writer: &Writer,
        object: &Object,
    ) -> Result<()> {
        let item = self.line(repository, writer, 0, &object.name, object).await?;
        self.climb(repository, writer, 1, item).await
    }

    /// Writes the line of a page that ended to the level above, and so on while pages end.
    async fn climb(
        &mut self,
        repository: &Repository,
        writer: &Writer,
        mut level: usize,
        mut item: Option<Item>,
    ) -> Result<()> {
        while let Some(above) = item {
            item = self.line(repository, writer, level, &above.first, &above).await?;
            level += 1;
        }
        Ok(())
    }

    /// Writes a line, and the page if it ends there. Returns the line for the level above then.
    async fn line(
        &mut self,
        repository: &Repository,
        writer: &Writer,
        level: usize,
        name: &str,
        line: &impl Serialize,
    ) -> Result<Option<Item>> {
        if self.levels.len() == level {
            self.levels.push(Level::default());
        }
        let open = &mut self.levels[level];
        open.first.get_or_insert_with(|| name.to_owned());
        serde_json::to_writer(&mut open.lines, line)
            .map_err(|error| SnapshotError::Format(error.to_string()))?;
        open.lines.push(b'\n');
        let length = open.lines.len();
        let ends =
            length >= MAX_PAGE || length >= MIN_PAGE && ends_run(&repository.keys.id(name.as_bytes()), BITS);
        if ends { self.page(writer, level).await.map(Some) } else { Ok(None) }
    }

    async fn page(&mut self, writer: &Writer, level: usize) -> Result<Item> {
        let open = &mut self.levels[level];
        let page = writer.put(Stream::Lists, &open.lines).await?;
        open.lines.clear();
        Ok(Item { first: open.first.take().unwrap_or_default(), page })
    }

    pub(crate) async fn end(mut self, repository: &Repository, writer: &Writer) -> Result<Root> {
        if self.levels.is_empty() {
            self.levels.push(Level::default());
        }
        let mut level = 0;
        // The highest level has no page yet: the line of one would be on a level above.
        while level + 1 < self.levels.len() {
            if !self.levels[level].lines.is_empty() {
                let item = self.page(writer, level).await?;
                self.climb(repository, writer, level + 1, Some(item)).await?;
            }
            level += 1;
        }
        Ok(Root { depth: level as u8, page: self.page(writer, level).await?.page })
    }
}

pub(crate) enum Page {
    Objects(Vec<Object>),
    Items(Vec<Item>),
}

/// Reads pages of lists, and keeps those that were read last.
pub(crate) struct Lists {
    pub(crate) reader: Arc<Reader>,
    pages: Mutex<VecDeque<(Id, u8, Arc<Page>)>>,
}

fn lines<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<Vec<T>> {
    let lines = serde_json::Deserializer::from_slice(bytes).into_iter::<T>();
    lines
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| SnapshotError::Format(format!("a list: {error}")))
}

impl Lists {
    pub(crate) fn new(reader: Arc<Reader>) -> Self {
        Self { reader, pages: Mutex::default() }
    }

    /// Reads a page of this depth.
    pub(crate) async fn page(&self, id: &Id, depth: u8) -> Result<Arc<Page>> {
        {
            let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = pages.iter().position(|(held, of, _)| held == id && *of == depth) {
                let held = pages.remove(at);
                let page = held.as_ref().map(|(_, _, page)| page.clone());
                pages.extend(held);
                if let Some(page) = page {
                    return Ok(page);
                }
            }
        }
        let bytes = self.reader.read(id).await?;
        let page = Arc::new(match depth {
            0 => Page::Objects(lines(&bytes)?),
            _ => Page::Items(lines(&bytes)?),
        });
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.push_back((*id, depth, page.clone()));
        if pages.len() > PAGES {
            pages.pop_front();
        }
        Ok(page)
    }
}

/// A place in a list.
pub(crate) struct Cursor {
    lists: Arc<Lists>,
    /// The pages that lead there, the highest first, each with the next line.
    stack: Vec<(Arc<Page>, usize)>,
    depth: u8,
}

impl Cursor {
    /// Goes to the first object whose name is this one or greater.
    pub(crate) async fn seek(lists: Arc<Lists>, root: Root, name: &str) -> Result<Self> {
        let mut cursor = Self { lists, stack: Vec::new(), depth: root.depth };
        let (mut page, mut depth) = (root.page, root.depth);
        loop {
            let read = cursor.lists.page(&page, depth).await?;
            match &*read {
                Page::Objects(objects) => {
                    let at = objects.partition_point(|object| *object.name < *name);
                    cursor.stack.push((read, at));
                    cursor.settle().await?;
                    return Ok(cursor);
                }
                Page::Items(items) => {
                    let at = items.partition_point(|item| *item.first <= *name).saturating_sub(1);
                    let Some(item) = items.get(at) else {
                        return Err(SnapshotError::Format("an empty page of pages".into()));
                    };
                    page = item.page;
                    depth = depth.saturating_sub(1);
                    cursor.stack.push((read, at + 1));
                }
            }
        }
    }

    /// Goes on to a line of an object, or to the end.
    async fn settle(&mut self) -> Result<()> {
        loop {
            let height = self.stack.len();
            let Some((page, at)) = self.stack.last_mut() else { return Ok(()) };
            let below = match &**page {
                Page::Objects(objects) if *at < objects.len() => return Ok(()),
                Page::Items(items) if *at < items.len() => {
                    *at += 1;
                    Some(items[*at - 1].page)
                }
                _ => None,
            };
            match below {
                Some(id) => {
                    let depth = (usize::from(self.depth)).saturating_sub(height) as u8;
                    let page = self.lists.page(&id, depth).await?;
                    self.stack.push((page, 0));
                }
                None => {
                    self.stack.pop();
                }
            }
        }
    }

    pub(crate) fn current(&self) -> Option<&Object> {
        match self.stack.last() {
            Some((page, at)) => match &**page {
                Page::Objects(objects) => objects.get(*at),
                Page::Items(_) => None,
            },
            None => None,
        }
    }

    pub(crate) async fn advance(&mut self) -> Result<()> {
        if let Some((_, at)) = self.stack.last_mut() {
            *at += 1;
        }
        self.settle().await
    }
}
