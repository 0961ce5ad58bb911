//! The entries of a folder, in batches. Each listing is of one folder, because OpenDAL's listings of whole
//! trees are not reliable.

use super::{
    remote::{Limit, Remote, Twice},
    writing::MARKER,
};
use crate::{
    backend::{pages::Pages, tree::files::Entry},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use ::opendal::{Lister, options::ListOptions};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream::BoxStream};
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

const BATCH: usize = 500;
/// The page size that all services support without extra cost.
const PAGE: usize = 1000;
/// The time limit for one page, including everything that a service does between pages.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) fn list<'r>(remote: &'r Arc<Remote>, folder: &str) -> BoxStream<'r, Result<Vec<Entry>>> {
    let folder = folder.to_owned();
    let begun = async move {
        let below = if folder.is_empty() { "/".to_owned() } else { format!("{folder}/") };
        let path = &below;
        let opened = remote.call_with(
            "listing a folder",
            Twice::Harmless,
            Limit::Short,
            None,
            |operator, transport| async move {
                let limit = operator.info().capability().list_with_limit.then_some(PAGE);
                let options = ListOptions { limit, ..Default::default() };
                let mut lister = operator.lister_options(path, options).await?;
                // The first page is requested here, where the request can be repeated.
                let first = lister.next().await.transpose()?;
                Ok((first, lister, transport))
            },
        );
        let Some((Some(first), lister, transport)) = opened.await? else { return Ok::<_, StoreError>(None) };
        let prefix = if below == "/" { String::new() } else { below };
        Ok(Some((Some(first), lister, transport, prefix, Pages::of("listing a folder"))))
    };
    let batches = begun.into_stream().map_ok(move |begun| {
        futures_util::stream::try_unfold(begun, move |state| async move {
            let Some((mut first, mut lister, transport, prefix, mut pages)) = state else { return Ok(None) };
            let mut batch = Vec::new();
            // The loop counts all entries, so that foreign ones are bounded too.
            for nth in 0..BATCH {
                let next = match first.take() {
                    Some(entry) => Some(entry),
                    None => match fenced(&mut lister).await? {
                        Some(Ok(entry)) => Some(entry),
                        Some(Err(error)) => {
                            return Err(remote.failure(&error, &transport).into_error("listing a folder"));
                        }
                        None => None,
                    },
                };
                let Some(entry) = next else { return Ok(Some((batch, None))) };
                if nth == 0 {
                    pages.next(entry.path())?;
                }
                batch.extend(of(remote, &prefix, &entry));
            }
            Ok(Some((batch, Some((None, lister, transport, prefix, pages)))))
        })
    });
    batches.try_flatten().boxed()
}

/// Returns the entry if it is directly in the folder, and `None` for the folder itself and for anything else.
fn of(remote: &Remote, prefix: &str, entry: &::opendal::Entry) -> Option<Entry> {
    let name = entry.path().strip_prefix(prefix)?;
    let name = name.strip_suffix('/').unwrap_or(name);
    let is_entry = !name.is_empty() && !name.contains('/') && name != MARKER;
    is_entry.then(|| Entry { name: name.to_owned(), stat: remote.stat_of(entry.metadata()) })
}

type Next = Option<::opendal::Result<::opendal::Entry>>;

async fn fenced(lister: &mut Lister) -> Result<Next> {
    let next = AssertUnwindSafe(lister.next()).catch_unwind();
    let failed = |kind, text: &str| StoreError::new(kind, format!("listing a folder: {text}"));
    let next = tokio::time::timeout(PATIENCE, next)
        .await
        .map_err(|_| failed(StoreErrorKind::Unavailable, "no answer in time"))?;
    next.map_err(|_| failed(StoreErrorKind::Internal, "the service's driver failed inside"))
}
