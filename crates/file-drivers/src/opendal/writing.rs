//! Puts files and folders on a service.
//!
//! Owns the ways to upload (whole, streamed, in parts) and how a folder is made where the service has none. The
//! limits, repeats and credentials of each operation are those of [`Remote`].
//!
//! Invariant: a file that could not be uploaded whole is not there. What stays of parts has no name.

use super::{
    remote::{Limit, Remote, Twice},
    spool::Spooled,
    transport::Upload,
};
use crate::{
    backend::{codec::join, tree::files::EntryKind},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use ::opendal::ErrorKind;
use bytes::Bytes;
use std::sync::Arc;

/// The name of an empty object that makes a folder on flat storage. No key maps to it, because the escape
/// `.cw~f` does not exist.
pub(super) const MARKER: &str = ".cw~folder";

impl Remote {
    /// Uploads a file, completely or not at all.
    pub(super) async fn upload(&self, path: &str, file: &Arc<Spooled>) -> Result<()> {
        self.check(path)?;
        self.known_folders.taken(path);
        let in_parts = self.service.upload.parts_above.is_some_and(|above| file.size() > above);
        let wrote = match (in_parts, self.service.upload.is_streamed) {
            (true, _) => self.upload_parts(path, file).await?,
            (false, true) => {
                let stand_in = random()?;
                let upload = Upload { file: file.clone(), stand_in: stand_in.clone() };
                let written = self.call_with(
                    "writing a file",
                    Twice::Harmless,
                    Limit::Flowing,
                    Some(upload),
                    |operator, transport| {
                        let stand_in = stand_in.clone();
                        async move {
                            match operator.write(path, stand_in).await {
                                // OpenDAL counts only the bytes of the stand-in. The uploaded file is checked
                                // when it is published.
                                Err(error)
                                    if error.message().starts_with("writer got too ")
                                        && transport.has_succeeded() =>
                                {
                                    Ok(())
                                }
                                written => written.map(drop),
                            }
                        }
                    },
                );
                written.await?
            }
            (false, false) => {
                let whole = file.read(0, usize::try_from(file.size()).unwrap_or(usize::MAX)).await?;
                let written = self.call("writing a file", Twice::Harmless, Limit::Flowing, |operator| {
                    let whole = whole.clone();
                    async move { operator.write(path, whole).await.map(drop) }
                });
                written.await?
            }
        };
        wrote.ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::Unavailable,
                "writing a file: the folder, bucket or container is not there",
            )
        })
    }

    /// Uploads a file in parts, which are in memory while they are sent.
    async fn upload_parts(&self, path: &str, file: &Arc<Spooled>) -> Result<Option<()>> {
        // All services allow up to 10,000 parts.
        let part = (file.size() / 9_000).next_multiple_of(1 << 20).max(8 << 20);
        let part = usize::try_from(part).map_err(|_| StoreErrorKind::EntityTooLarge)?;
        let written =
            self.call("writing a file in parts", Twice::Harmless, Limit::Flowing, |operator| async move {
                let mut writer = operator.writer_with(path).chunk(part).concurrent(2).await?;
                let written = async {
                    let mut offset = 0;
                    while offset < file.size() {
                        let failed = |error: StoreError| {
                            ::opendal::Error::new(ErrorKind::Unexpected, "reading the spool failed")
                                .set_source(error)
                        };
                        let piece = file.read(offset, part).await.map_err(failed)?;
                        offset += piece.len() as u64;
                        writer.write(piece).await?;
                    }
                    writer.close().await
                };
                match written.await {
                    Ok(_) => Ok(()),
                    Err(error) => {
                        // If this fails too, the uploaded parts stay at the service.
                        let _ = writer.abort().await;
                        Err(error)
                    }
                }
            });
        written.await
    }

    /// Creates a folder and those above it. The caller knows that none of them is a file.
    pub(super) async fn make_folder(&self, path: &str) -> Result<()> {
        let refused = || {
            StoreError::new(
                StoreErrorKind::Internal,
                "making a folder: a file has its name, or is on the way",
            )
        };
        if path.is_empty() {
            return Ok(());
        }
        if self.service.is_flat() {
            if self.is_file(path).await? || self.obstacle(path).await? {
                return Err(refused());
            }
            let marker = join(path, MARKER);
            let made = self.upload(&marker, &Arc::new(Spooled::new(&self.spool))).await;
            // Another task may have created it in the same moment: Swift replies 202 to the request that it
            // treats as the older one.
            return match made {
                Err(error) if self.look_at_file(&marker).await?.is_none() => Err(error),
                _ => Ok(()),
            };
        }
        if self.look(path).await?.is_some_and(|stat| stat.kind == EntryKind::Folder) {
            return Ok(());
        }
        let folder = &format!("{path}/");
        let made = self.call("making a folder", Twice::Harmless, Limit::Short, |operator| async move {
            operator.create_dir(folder).await
        });
        let made = made.await;
        // Another program may have created it meanwhile, which services report in many ways.
        match self.look(path).await? {
            Some(stat) if stat.kind == EntryKind::Folder => Ok(()),
            Some(_) => Err(refused()),
            None => match made {
                Err(error) => Err(error),
                Ok(_) => Err(refused()),
            },
        }
    }
}

fn random() -> Result<Bytes> {
    let mut random = [0; 24];
    let unlucky =
        |error| StoreError::new(StoreErrorKind::Internal, "no randomness").with_source(format!("{error}"));
    getrandom::fill(&mut random).map_err(unlucky)?;
    Ok(hex::encode(random).into())
}
