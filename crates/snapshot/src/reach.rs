//! Which chunks snapshots need.
//!
//! Invariant: a page or run that was visited is not visited again, so that what snapshots share costs once.
//! They are told from chunks of objects, which may have the same bytes: an object can be a copy of a page.

use crate::{
    Result, SnapshotError,
    content::{Content, read_run},
    files::Id,
    list::{Lists, Page},
    reader::Reader,
    record::Snapshot,
    writer::SharedIndex,
};
use std::{
    collections::HashSet,
    sync::{Arc, PoisonError},
};

pub(crate) struct Reach {
    index: SharedIndex,
    reader: Arc<Reader>,
    lists: Lists,
    /// Whether each entry of the index is needed.
    pub(crate) marks: Vec<bool>,
    visited: HashSet<(Above, Id)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Above {
    Page(u8),
    Run(u8),
}

impl Reach {
    pub(crate) fn new(index: SharedIndex, reader: Arc<Reader>) -> Self {
        let entries = index.read().unwrap_or_else(PoisonError::into_inner).len();
        let (lists, marks) = (Lists::new(reader.clone()), vec![false; entries]);
        Self { index, reader, lists, marks, visited: HashSet::new() }
    }

    fn mark(&mut self, id: &Id) -> Result<()> {
        let at = self.index.read().unwrap_or_else(PoisonError::into_inner).position(id);
        let at = at.ok_or_else(|| SnapshotError::NoChunk(id.to_string()))?;
        self.marks[at] = true;
        Ok(())
    }

    /// Marks all chunks of a snapshot. Fails with the first one that is missing.
    pub(crate) async fn visit(&mut self, snapshot: &Snapshot) -> Result<()> {
        let visited = self.pages(snapshot).await;
        if visited.is_err() {
            // What another snapshot shares with this one has to fail there, too.
            self.visited.clear();
        }
        visited
    }

    async fn pages(&mut self, snapshot: &Snapshot) -> Result<()> {
        let mut pages = vec![(snapshot.list.depth, snapshot.list.page)];
        while let Some((depth, id)) = pages.pop() {
            if !self.visited.insert((Above::Page(depth), id)) {
                continue;
            }
            self.mark(&id)?;
            match &*self.lists.page(&id, depth).await? {
                Page::Items(items) => {
                    pages.extend(items.iter().map(|item| (depth.saturating_sub(1), item.page)));
                }
                Page::Objects(objects) => {
                    for object in objects {
                        self.content(&object.content).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn content(&mut self, content: &Content) -> Result<()> {
        let mut runs = vec![(content.depth, content.parts.clone())];
        while let Some((depth, parts)) = runs.pop() {
            for part in &parts {
                self.mark(&part.id)?;
                if depth > 0 && self.visited.insert((Above::Run(depth), part.id)) {
                    runs.push((depth - 1, read_run(&self.reader, &part.id).await?));
                }
            }
        }
        Ok(())
    }
}
