//! The entries of a folder, as the server sends them.
//!
//! Entries whose names are invalid or not UTF-8 are reported as nameless: they are left as they are, and
//! their folder is not removed.

use super::{
    failure::Failure,
    packet::Name,
    remote::{FolderPath, Remote},
    requests::{Open, names},
    session::Answer,
};
use crate::{
    backend::{
        codec::join,
        pages::Pages,
        tree::files::{Entry, gathered},
    },
    store::Result,
};
use futures_util::{
    TryStreamExt,
    stream::{self, BoxStream, StreamExt},
};
use std::collections::VecDeque;

/// The maximum number of replies in one listing. Servers send about a hundred names in each.
const MOST_REPLIES: u64 = 1_000_000;
/// The number of requests in flight for one listing.
const AHEAD: usize = 3;

struct Listing {
    open: Open,
    asked: VecDeque<Answer>,
    pages: Pages,
}

pub(super) fn list<'r>(remote: &'r Remote, folder: &str) -> BoxStream<'r, Result<Vec<Entry>>> {
    let folder = folder.to_owned();
    let batches = async move {
        let (first, rest) = begin(remote, &folder).await?.unzip();
        let rest = stream::try_unfold(rest, move |listing| {
            let folder = folder.clone();
            async move {
                let Some(mut listing) = listing else { return Ok(None) };
                match listing.batch(remote, &folder).await {
                    Ok(Some(entries)) => Ok(Some((entries, Some(listing)))),
                    Ok(None) => Ok(None),
                    Err(failure) => Err(failure.during("listing a folder")),
                }
            }
        });
        Result::Ok(stream::iter(first.map(Ok)).chain(rest))
    };
    stream::once(batches).try_flatten().boxed()
}

/// Returns all entries of one of the driver's own folders, which are small. For a large folder it returns
/// only the first ones.
pub(super) async fn whole(remote: &Remote, folder: &str) -> Result<Vec<Entry>> {
    gathered(list(remote, folder)).await
}

/// Returns the first entries and the source of the further ones. A lost connection is repeated only up to
/// here.
async fn begin(remote: &Remote, folder: &str) -> Result<Option<(Vec<Entry>, Listing)>> {
    let path = &remote.at(folder);
    let begun = remote.repeat("listing a folder", |lease, _| async move {
        if remote.way(&lease, folder).await? != FolderPath::Clear {
            return Ok(None);
        }
        let open = match Open::folder(lease.clone(), path).await {
            Ok(open) => open,
            Err(Failure::Missing | Failure::BadName) => return Ok(None),
            Err(failure @ Failure::Refused(_)) => {
                // The folder may have been removed or replaced by a file.
                remote.forget_way(folder);
                return if remote.way(&lease, folder).await? == FolderPath::Clear {
                    Err(failure)
                } else {
                    Ok(None)
                };
            }
            Err(failure) => return Err(failure),
        };
        let mut listing =
            Listing { open, asked: VecDeque::new(), pages: Pages::at_most("listing a folder", MOST_REPLIES) };
        Ok(listing.batch(remote, folder).await?.map(|first| (first, listing)))
    });
    begun.await
}

impl Listing {
    async fn batch(
        &mut self,
        remote: &Remote,
        folder: &str,
    ) -> std::result::Result<Option<Vec<Entry>>, Failure> {
        while self.asked.len() < AHEAD {
            self.asked.push_back(self.open.names().await?);
        }
        let Some(answer) = self.asked.pop_front() else { return Ok(None) };
        let Some(found) = names(answer.await?)? else { return Ok(None) };
        // A reply without a name, or one that repeats the last names, is no progress: the listing must not
        // run forever.
        self.pages
            .next(found.first().map(|first| &first.name))
            .map_err(|endless| Failure::Refused(endless.message().to_owned()))?;
        let mut entries = Vec::with_capacity(found.len());
        for Name { name, attributes } in found {
            let name = match std::str::from_utf8(&name) {
                Ok("" | "." | "..") => continue,
                Ok(name) if !name.contains(['/', '\0']) => name,
                _ => {
                    entries.push(Entry::nameless(&name));
                    continue;
                }
            };
            let stat = match attributes.stat() {
                Some(stat) => stat,
                None => match self.open.lease.lstat(&remote.at(&join(folder, name))).await? {
                    Some(stat) => stat,
                    None => continue,
                },
            };
            entries.push(Entry { name: name.to_owned(), stat });
        }
        Ok(Some(entries))
    }
}
