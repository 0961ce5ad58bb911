//! A tree of files in folders, for services that are drives.

use bytes::Bytes;
use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

/// The entries by path, without slashes at either end; the root is the empty path.
#[derive(Debug, Clone)]
pub struct Tree(pub BTreeMap<String, Node>);

#[derive(Debug, Clone)]
pub struct Node {
    /// `None` if the entry is a folder.
    pub bytes: Option<Bytes>,
    /// Seconds since 1970.
    pub modified: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    NoParent,
    IsFile,
    IsFolder,
    Missing,
    NotEmpty,
}

impl Default for Tree {
    fn default() -> Self {
        Self(BTreeMap::from([(String::new(), Node { bytes: None, modified: 0 })]))
    }
}

pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

impl Tree {
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.0.get(path)
    }

    pub fn is_folder(&self, path: &str) -> bool {
        self.get(path).is_some_and(|node| node.bytes.is_none())
    }

    pub fn make_folder(&mut self, path: &str) -> Result<(), Refused> {
        match self.get(path) {
            Some(Node { bytes: None, .. }) => return Err(Refused::IsFolder),
            Some(_) => return Err(Refused::IsFile),
            None if !self.is_folder(parent(path)) => return Err(Refused::NoParent),
            None => {}
        }
        self.0.insert(path.to_owned(), Node { bytes: None, modified: now() });
        Ok(())
    }

    pub fn put(&mut self, path: &str, bytes: Bytes) -> Result<(), Refused> {
        match self.get(path) {
            Some(Node { bytes: None, .. }) => return Err(Refused::IsFolder),
            None if !self.is_folder(parent(path)) => return Err(Refused::NoParent),
            _ => {}
        }
        self.0.insert(path.to_owned(), Node { bytes: Some(bytes), modified: now() });
        Ok(())
    }

    /// The names and nodes directly in a folder.
    pub fn children<'t>(&'t self, folder: &str) -> impl Iterator<Item = (&'t str, &'t Node)> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let below = self.0.range(prefix.clone()..).take_while({
            let prefix = prefix.clone();
            move |(path, _)| path.starts_with(&prefix)
        });
        below.filter_map(move |(path, node)| {
            let name = path.strip_prefix(&prefix)?;
            (!name.is_empty() && !name.contains('/')).then_some((name, node))
        })
    }

    pub fn remove_file(&mut self, path: &str) -> Result<(), Refused> {
        match self.get(path) {
            None => Err(Refused::Missing),
            Some(Node { bytes: None, .. }) => Err(Refused::IsFolder),
            Some(_) => {
                self.0.remove(path);
                Ok(())
            }
        }
    }

    pub fn remove_folder(&mut self, path: &str) -> Result<(), Refused> {
        match self.get(path) {
            None => Err(Refused::Missing),
            Some(Node { bytes: Some(_), .. }) => Err(Refused::IsFile),
            Some(_) if self.children(path).next().is_some() => Err(Refused::NotEmpty),
            Some(_) => {
                self.0.remove(path);
                Ok(())
            }
        }
    }

    pub fn remove_all(&mut self, path: &str) -> Result<(), Refused> {
        let below = format!("{path}/");
        let before = self.0.len();
        self.0.retain(|known, _| known != path && !known.starts_with(&below));
        if self.0.len() < before { Ok(()) } else { Err(Refused::Missing) }
    }

    pub fn move_file(&mut self, from: &str, to: &str) -> Result<(), Refused> {
        let node = self.get(from).cloned().ok_or(Refused::Missing)?;
        if !self.is_folder(parent(to)) {
            return Err(Refused::NoParent);
        }
        if self.is_folder(to) || node.bytes.is_none() {
            return Err(Refused::IsFolder);
        }
        self.0.remove(from);
        self.0.insert(to.to_owned(), node);
        Ok(())
    }
}
