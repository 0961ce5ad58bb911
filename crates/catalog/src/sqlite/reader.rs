//! The connections that read one database. There are few; each is opened when first needed, and used by one
//! blocking task at a time.
//!
//! A read sees every change whose commit was reported before the read began.

use super::{
    error::{closed, internal, is_corrupt},
    file::{damaged, open_reader},
};
use crate::catalog::Result;
use rusqlite::Connection;
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::Semaphore;

#[derive(Debug)]
pub(super) struct Readers {
    permits: Arc<Semaphore>,
    size: u32,
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(file: PathBuf, size: u32) -> Self {
        let pool = Pool { file, idle: Mutex::default() };
        Self { permits: Arc::new(Semaphore::new(size as usize)), size, pool: Arc::new(pool) }
    }

    /// Runs `read` off the reactor, on one snapshot.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| closed())?;
        let pool = self.pool.clone();
        let task = tokio::task::spawn_blocking(move || {
            let result = pool.with(read);
            drop(permit);
            result
        });
        match task.await {
            Ok(result) => result,
            Err(failed) if failed.is_panic() => Err(internal("a read of the catalog panicked")),
            Err(_) => Err(closed()),
        }
    }

    /// Waits for reads in progress, then closes their connections. Later reads fail with `Closed`.
    pub(super) async fn close(&self) {
        let all = self.permits.acquire_many(self.size).await;
        self.permits.close();
        drop(all);
        self.pool.idle().clear();
    }
}

impl Pool {
    fn with<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        // A separate statement, so that the lock is not held while a file is opened.
        let idle = self.idle().pop();
        let db = match idle {
            Some(db) => db,
            None => open_reader(&self.file)?,
        };
        let execute = |sql| db.prepare_cached(sql)?.execute([]).map(drop);
        execute("BEGIN")?;
        // If `read` fails or panics, the connection is not used again: the state of its transaction is
        // unknown.
        let value = read(&db)
            .map_err(|error| if is_corrupt(&error) { damaged(&self.file, &error) } else { error.into() })?;
        execute("COMMIT")?;
        self.idle().push(db);
        Ok(value)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
