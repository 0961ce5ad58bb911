//! Lists the entries of a folder: by MLSD, or by LIST and one request for the time of each file.
//!
//! Entries whose names are invalid or not UTF-8 are reported as nameless: they are left as they are, and
//! their folder is not removed. The same holds for an entry whose name contains a line end, because it
//! arrives as two lines. A listing of which no line can be parsed fails. Up to some ten thousand entries are
//! read ahead of the caller, so that a caller that checks each entry does not occupy a connection meanwhile.
//! In a larger folder the server waits until the caller takes entries.

use super::{
    data::Data,
    facts,
    failure::Failure,
    formats::{self, Line},
    pool::{Lease, Use},
    remote::{Remote, look, modified},
    session::present,
};
use crate::{
    backend::{
        codec::join,
        pages::Pages,
        tree::files::{Entry, EntryKind, Stat, gathered},
    },
    store::Result,
};
use bytes::BytesMut;
use futures_util::{
    TryStreamExt,
    stream::{self, BoxStream, StreamExt},
};
use std::sync::Arc;
use tokio::sync::mpsc;

/// The number of entries in one batch.
const BATCH: usize = 256;
/// The number of batches that are read ahead of the caller.
const AHEAD: usize = 64;
/// The maximum number of batches in one listing.
const MOST_BATCHES: u64 = 400_000;
/// The maximum number of bytes without an entry in them. A server that sends more than that fails the
/// listing.
const MOST_IDLE: usize = 256 << 20;
/// The longest line, in bytes.
const LONGEST_LINE: usize = 16 << 10;

struct Listing {
    remote: Arc<Remote>,
    folder: String,
    lease: Lease,
    /// `None` after the end of the listing.
    data: Option<Data>,
    unread: BytesMut,
    has_facts: bool,
    /// At least one line was parsed as an entry.
    is_understood: bool,
    pages: Pages,
    /// The number of bytes since the last entry that contained no entry.
    idle: usize,
}

pub(super) fn list<'r>(remote: &'r Arc<Remote>, folder: &str) -> BoxStream<'r, Result<Vec<Entry>>> {
    let folder = folder.to_owned();
    let batches = async move {
        let begun = remote.repeat(Use::Listing, "listing a folder", |lease, _| begin(remote, lease, &folder));
        let Some((first, mut listing)) = begun.await? else { return Ok(stream::empty().boxed()) };
        let (sender, receiver) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            while let Some(batch) = listing.batch().await.transpose() {
                let is_last = batch.is_err();
                let batch = batch.map_err(|failure| failure.during("listing a folder"));
                if sender.send(batch).await.is_err() || is_last {
                    break;
                }
            }
        });
        let rest =
            stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
        Result::Ok(stream::once(async { Ok(first) }).chain(rest).boxed())
    };
    stream::once(batches).try_flatten().boxed()
}

/// Returns the first entries and the source of the further ones. A lost connection is repeated only up to
/// here.
async fn begin(
    remote: &Arc<Remote>,
    mut lease: Lease,
    folder: &str,
) -> std::result::Result<Option<(Vec<Entry>, Listing)>, Failure> {
    let at = lease.at(folder);
    let has_facts = lease.features.facts;
    let data = if has_facts {
        // Some servers list a file as if it were a folder with this file in it.
        if !look(&mut lease, folder).await?.is_some_and(|seen| seen.is_folder()) {
            return Ok(None);
        }
        match Data::begin(&mut lease, &remote.passive, ("MLSD", &at), 0).await {
            Err(failure @ Failure::Refused(_)) => {
                // The folder may have been removed or replaced by a file.
                return if look(&mut lease, folder).await?.is_some_and(|seen| seen.is_folder()) {
                    Err(failure)
                } else {
                    Ok(None)
                };
            }
            begun => begun?,
        }
    } else {
        if present(lease.tell("CWD", &at).await)?.is_none() {
            return Ok(None);
        }
        // Most servers list names that begin with a dot only with `-a`. CWD has selected the folder, so no
        // path is sent that a server could parse as a pattern.
        match Data::begin(&mut lease, &remote.passive, ("LIST", "-a"), 0).await {
            Err(Failure::Refused(_) | Failure::Unsupported(_) | Failure::Later(_)) => {
                match Data::begin(&mut lease, &remote.passive, ("LIST", ""), 0).await {
                    // Some servers report an empty folder as a failure.
                    Err(Failure::Refused(_) | Failure::Later(_)) => return Ok(None),
                    begun => begun?,
                }
            }
            begun => begun?,
        }
    };
    let pages = Pages::at_most("listing a folder", MOST_BATCHES);
    let mut listing = Listing {
        remote: remote.clone(),
        folder: folder.to_owned(),
        lease,
        data: Some(data),
        unread: BytesMut::new(),
        has_facts,
        is_understood: false,
        pages,
        idle: 0,
    };
    Ok(listing.batch().await?.map(|first| (first, listing)))
}

impl Listing {
    async fn batch(&mut self) -> std::result::Result<Option<Vec<Entry>>, Failure> {
        let mut entries = Vec::new();
        while let Some(data) = &mut self.data {
            while let Some(end) = self.unread.iter().position(|c| *c == b'\n') {
                let line = self.unread.split_to(end + 1);
                let before = entries.len();
                take(&line, self.has_facts, &mut self.is_understood, &mut entries)?;
                self.idle = if entries.len() > before { 0 } else { self.idle + line.len() };
                if self.idle > MOST_IDLE {
                    return Err(endless("there is nothing in it"));
                }
                if entries.len() >= BATCH {
                    let first = entries.first().map(|first| &first.name);
                    self.pages.next(first).map_err(|error| endless(error.message()))?;
                    return self.dated(entries).await.map(Some);
                }
            }
            if self.unread.len() > LONGEST_LINE {
                return Err(Failure::Unsupported("a line of its listing has no end".to_owned()));
            }
            match data.read().await? {
                Some(bytes) => self.unread.extend_from_slice(&bytes),
                None => {
                    let line = self.unread.split();
                    take(&line, self.has_facts, &mut self.is_understood, &mut entries)?;
                    if let Some(data) = self.data.take() {
                        data.finish(&mut self.lease).await?;
                    }
                }
            }
        }
        if entries.is_empty() { Ok(None) } else { self.dated(entries).await.map(Some) }
    }

    /// Adds the times of files to entries from LIST, whose times cannot be used. A second connection asks for
    /// them, because the first one is busy with the listing.
    async fn dated(&self, entries: Vec<Entry>) -> std::result::Result<Vec<Entry>, Failure> {
        if self.has_facts {
            return Ok(entries);
        }
        let mut lease =
            self.remote.pool.lease(Use::Short).await.map_err(|error| Failure::Later(error.to_string()))?;
        let mut dated = Vec::with_capacity(entries.len());
        for mut entry in entries {
            if entry.stat.kind == EntryKind::File {
                let at = lease.at(&join(&self.folder, &entry.name));
                entry.stat.modified = modified(&mut lease, &at).await?;
            }
            dated.push(entry);
        }
        Ok(dated)
    }
}

/// Returns all entries of one of the driver's own folders, which are small. For a large folder it returns
/// only the first ones.
pub(super) async fn whole(remote: &Arc<Remote>, folder: &str) -> Result<Vec<Entry>> {
    gathered(list(remote, folder)).await
}

fn endless(why: &str) -> Failure {
    Failure::Unsupported(format!("its listing of a folder has no end: {why}"))
}

/// Parses a line and adds its entry.
fn take(
    line: &[u8],
    has_facts: bool,
    is_understood: &mut bool,
    entries: &mut Vec<Entry>,
) -> std::result::Result<(), Failure> {
    match entry(line, has_facts) {
        Ok(found) => {
            *is_understood |= found.is_some();
            entries.extend(found);
        }
        // A line that cannot be parsed is most likely the second part of the name in the line before it.
        Err(_) if *is_understood => match entries.last_mut() {
            Some(torn) => *torn = Entry::nameless(torn.name.as_bytes()),
            None => entries.push(Entry::nameless(line)),
        },
        Err(unexpected) => return Err(unexpected),
    }
    Ok(())
}

fn entry(line: &[u8], has_facts: bool) -> std::result::Result<Option<Entry>, Failure> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let unexpected = || {
        Failure::Unsupported(format!(
            "a line of its listing is not understood: {}",
            String::from_utf8_lossy(line).escape_debug()
        ))
    };
    let (name, stat) = if has_facts {
        if line.is_empty() {
            return Ok(None);
        }
        let facts = line.split(|c| *c == b' ').next().unwrap_or_default();
        if facts::is_itself(facts) {
            return Ok(None);
        }
        let (seen, name) = facts::line(line).ok_or_else(unexpected)?;
        (name, seen.stat)
    } else {
        match formats::line(line) {
            Line::Void => return Ok(None),
            Line::Strange => return Err(unexpected()),
            Line::Entry { kind, size, name } => {
                (name, Stat { kind, size, modified: None, tag: None, md5: None })
            }
        }
    };
    Ok(match std::str::from_utf8(name) {
        Ok("" | "." | "..") => None,
        Ok(name) if !name.contains('/') => Some(Entry { name: name.to_owned(), stat }),
        _ => Some(Entry::nameless(name)),
    })
}
