//! Finds the quirks that a server does not report, with files of a few bytes in the driver's own folder. The
//! probe runs once, when a quirk first matters.

use super::{
    data::Data,
    drafts,
    failure::Failure,
    pool::{Lease, Use},
    quirks::Quirks,
    remote::{Remote, look},
};
use crate::{
    backend::codec::join,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use bytes::Bytes;
use std::sync::Arc;

const CONTENT: &[u8] = b"0123456789";

impl Remote {
    pub(super) async fn quirks(self: &Arc<Self>) -> Result<Quirks> {
        let found = self.quirks.get_or_try_init(|| async {
            let remote = self.clone();
            // The probe runs to its end, even without a waiter: it removes what it has made.
            let trying = tokio::spawn(async move { remote.try_out().await });
            let died = |error| {
                StoreError::new(StoreErrorKind::Internal, "FTP: trying a server out failed")
                    .with_source(error)
            };
            trying.await.map_err(died)?
        });
        found.await.copied()
    }

    /// Returns whether a transfer may begin in the middle of a file.
    pub(super) async fn restarts(self: &Arc<Self>) -> Result<bool> {
        match self.quirks().await {
            Ok(quirks) => Ok(quirks.restarts),
            Err(error) if error.is_temporary() => Err(error),
            // The root is not writable, so the probe cannot run: the features that the server announces
            // decide.
            Err(_) => Ok(self.pool.lease(Use::Short).await?.features.restarts),
        }
    }

    async fn try_out(&self) -> Result<Quirks> {
        let mut random = [0; 8];
        let unlucky = |error| {
            StoreError::new(StoreErrorKind::Internal, "no randomness").with_source(format!("{error}"))
        };
        getrandom::fill(&mut random).map_err(unlucky)?;
        let name = join(&drafts(), &format!("probe-{}", hex::encode(random)));
        let quirks = self.repeat(Use::Writing, "trying the server out", |mut lease, _| {
            let name = &name;
            async move {
                let [one, two, folder] = ["one", "two", "folder"].map(|part| format!("{name}-{part}"));
                let found = self.attempt(&mut lease, [&one, &two, &folder]).await;
                for (verb, path) in
                    [("DELE", &one), ("DELE", &two), ("DELE", &join(&folder, "one")), ("RMD", &folder)]
                {
                    let at = lease.at(path);
                    // Most of these names do not exist any more, so the results are ignored.
                    let _ = lease.ask(verb, &at).await;
                }
                found
            }
        });
        let quirks = quirks.await?;
        tracing::debug!(?quirks, "an FTP server was tried out");
        if !quirks.replaces {
            tracing::warn!(host = %self.pool.settings().host, "this FTP server does not rename a file onto another: objects are not replaced");
        }
        Ok(quirks)
    }

    async fn attempt(
        &self,
        lease: &mut Lease,
        [one, two, folder]: [&str; 3],
    ) -> std::result::Result<Quirks, Failure> {
        self.prepare(lease).await?;
        self.store(lease, one, CONTENT).await?;
        self.store(lease, two, &CONTENT[..3]).await?;
        let restarts = self.from(lease, one, 4).await?;
        let replaces =
            rename(lease, two, one).await? && look(lease, one).await?.is_some_and(|seen| seen.stat.size == 3);
        let inside = join(folder, "one");
        let at = lease.at(folder);
        lease.tell("MKD", &at).await?;
        let filled = rename(lease, one, &inside).await?;
        let removed = lease.ask("RMD", &at).await?;
        let keeps_full_folders = filled && !removed.is_positive() && look(lease, &inside).await?.is_some();
        Ok(Quirks { replaces, restarts, keeps_full_folders })
    }

    async fn store(
        &self,
        lease: &mut Lease,
        path: &str,
        content: &'static [u8],
    ) -> std::result::Result<(), Failure> {
        let at = lease.at(path);
        let mut data = Data::begin(lease, &self.passive, ("STOR", &at), 0).await?;
        data.write(Bytes::from_static(content)).await?;
        data.stored(lease).await
    }

    async fn from(&self, lease: &mut Lease, path: &str, offset: u64) -> std::result::Result<bool, Failure> {
        let at = lease.at(path);
        let mut data = match Data::begin(lease, &self.passive, ("RETR", &at), offset).await {
            Ok(data) => data,
            Err(failure) if failure.is_passing() => return Err(failure),
            Err(_) => return Ok(false),
        };
        let mut read = Vec::new();
        while let Some(bytes) = data.read().await? {
            read.extend_from_slice(&bytes);
            if read.len() > CONTENT.len() {
                return Err(Failure::Lost("the server sends another file"));
            }
        }
        data.finish(lease).await?;
        Ok(read == CONTENT[usize::try_from(offset).unwrap_or_default()..])
    }
}

/// Returns whether the server accepted the rename.
async fn rename(lease: &mut Lease, from: &str, to: &str) -> std::result::Result<bool, Failure> {
    match lease.rename(from, to).await {
        Ok(()) => Ok(true),
        Err(failure) if failure.is_passing() => Err(failure),
        Err(_) => Ok(false),
    }
}
