//! Listing: all entries below a prefix, or those of one folder, page by page.

use crate::{
    ends::{Failure, FailureKind, Place},
    model::{ETag, ObjectInfo, Timestamp},
    store::{ListEntry, ListPage, ListRequest, condition::ReadConditions},
};

const PAGE: usize = 1000;

/// How deep a listing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Folders are entries themselves.
    OneFolder,
    All,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// `name` ends with a `/`.
    Folder {
        key: String,
    },
    Object {
        key: String,
        size: u64,
        modified: Timestamp,
        etag: ETag,
    },
}

impl Entry {
    pub fn key(&self) -> &str {
        match self {
            Self::Folder { key } | Self::Object { key, .. } => key,
        }
    }
}

impl From<ListEntry> for Entry {
    fn from(entry: ListEntry) -> Self {
        match entry {
            ListEntry::CommonPrefix(key) => Self::Folder { key },
            ListEntry::Object(object) => Self::Object {
                key: object.key.as_str().to_owned(),
                size: object.size,
                modified: object.last_modified,
                etag: object.etag,
            },
        }
    }
}

/// The entries of a listing, in the order of their keys.
#[derive(Debug)]
pub struct Entries<'p> {
    place: &'p Place,
    request: ListRequest,
    page: std::vec::IntoIter<ListEntry>,
    is_last: bool,
    /// The object that was named itself.
    named: Option<Entry>,
    /// What names of entries are relative to.
    prefix: String,
}

impl<'p> Entries<'p> {
    /// Begins a listing of what was named: the entries of a folder, or one object. What is neither is missing.
    pub async fn of(place: &'p Place, depth: Depth) -> Result<Entries<'p>, Failure> {
        let mut entries = Self::below(place, &place.prefix(), depth);
        entries.turn().await?;
        let is_named = !place.path.is_empty() && !place.path.ends_with('/');
        if is_named {
            match stat(place).await {
                Ok(info) => {
                    let (key, size) = (place.path.clone(), info.size);
                    let (modified, etag) = (info.last_modified, info.etag);
                    entries.named = Some(Entry::Object { key, size, modified, etag });
                    if entries.page.len() == 0 {
                        entries.prefix = place.path.rfind('/').map_or("", |at| &place.path[..=at]).to_owned();
                    }
                }
                Err(failure) if failure.kind() == FailureKind::Missing => {}
                Err(failure) => return Err(failure),
            }
        }
        if !place.path.is_empty() && entries.named.is_none() && entries.page.len() == 0 {
            return Err(Failure::missing(format!(
                "'{}': there is neither an object nor a folder of that name",
                place.label
            )));
        }
        Ok(entries)
    }

    /// Begins a listing of everything below a prefix.
    pub fn below(place: &'p Place, prefix: &str, depth: Depth) -> Self {
        let delimiter = (depth == Depth::OneFolder).then(|| "/".to_owned());
        let request = ListRequest { prefix: prefix.to_owned(), after: None, delimiter, limit: PAGE };
        let page = Vec::new().into_iter();
        Self { place, request, page, is_last: false, named: None, prefix: prefix.to_owned() }
    }

    pub async fn next(&mut self) -> Result<Option<Entry>, Failure> {
        if let Some(named) = self.named.take() {
            return Ok(Some(named));
        }
        loop {
            if let Some(entry) = self.page.next() {
                return Ok(Some(entry.into()));
            }
            if self.is_last {
                return Ok(None);
            }
            self.turn().await?;
        }
    }

    /// Returns the name of an entry: its key from the listed folder on.
    pub fn name<'e>(&self, entry: &'e Entry) -> &'e str {
        let key = entry.key();
        match key.strip_prefix(&self.prefix) {
            Some("") | None => key,
            Some(name) => name,
        }
    }

    /// Reads the next page.
    async fn turn(&mut self) -> Result<(), Failure> {
        let listed = self.place.store.list(self.request.clone()).await;
        let ListPage { entries, truncated, .. } = listed
            .map_err(|error| Failure::of_store(format_args!("listing '{}'", self.place.label), &error))?;
        self.request.after = entries.last().map(|entry| entry.name().to_owned());
        self.is_last = !truncated;
        self.page = entries.into_iter();
        Ok(())
    }
}

/// Returns what is known of the object that was named.
pub async fn stat(place: &Place) -> Result<ObjectInfo, Failure> {
    let key = place.key()?;
    let info = place.store.describe(key.current(), &ReadConditions::default()).await;
    info.map_err(|error| Failure::of_store(format_args!("looking at '{}'", place.label), &error))
}
