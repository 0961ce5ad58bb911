//! SIGHUP: the whole configuration is read again, and takes effect as far as possible while requests are
//! served.
//!
//! Invariants:
//! - every problem that can be found is found before anything is changed, and all are reported; then the
//!   server continues as before;
//! - a reload that fails later (the catalog cannot be written) undoes its changes;
//! - `InForce` is the current state of the server: a setting that waits for the next start keeps its value
//!   there;
//! - one reload at a time: a signal that arrives meanwhile is followed by another reload, of the newest
//!   configuration.

use super::{Prepared, prepare, tell, tls::Tls};
use crate::{
    access::CredentialsInForce,
    assembly::{
        StartError,
        data::{DataDirectory, KnownCredentials},
        graph::{self, NewBackends, OfAll, Stack},
        settle,
    },
    buckets::Setup,
    config::{ConfigErrors, Reread, Settings, Waiting},
    jobs,
    model::Timestamp,
    telemetry::{log, metrics::Metrics},
};
use std::sync::Arc;
use tokio::{signal::unix::Signal, task::JoinError};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Reads the configuration from the sources with which the server started. It may wait for the disk.
pub type Load = Arc<dyn Fn() -> Result<Settings, ConfigErrors> + Send + Sync>;

/// The state of the server that another configuration can change.
#[derive(Debug)]
pub(super) struct InForce {
    pub(super) settings: Settings,
    /// Whether the administrator was generated.
    pub(super) is_generated: bool,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) credentials: Arc<CredentialsInForce>,
    pub(super) stack: Stack,
}

pub(super) struct Reloading {
    pub(super) load: Load,
    pub(super) in_force: InForce,
    pub(super) data: Arc<DataDirectory>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) jobs: TaskTracker,
    pub(super) stop: CancellationToken,
}

/// All problems, one line for each.
type Problems = Vec<String>;

impl Reloading {
    /// Runs until the server stops. A reload that has begun is completed.
    pub(super) async fn serve(mut self, mut hang_up: Signal) {
        let stop = self.stop.clone();
        while stop.run_until_cancelled(hang_up.recv()).await.flatten().is_some() {
            self.reload().await;
        }
    }

    async fn reload(&mut self) {
        match self.read_again().await {
            Ok(waiting) => {
                for setting in &waiting {
                    tracing::warn!("{setting}");
                }
                tracing::info!(waiting = waiting.len(), "the configuration was read again and is in force");
                self.metrics.reloaded(waiting.len(), Timestamp::now());
            }
            Err(problems) => {
                for problem in &problems {
                    tracing::error!("{problem}");
                }
                tracing::error!(
                    problems = problems.len(),
                    "the configuration was read again and is wrong: nothing was changed. Correct it and send SIGHUP again"
                );
                self.metrics.not_reloaded();
            }
        }
    }

    async fn read_again(&mut self) -> Result<Vec<Waiting>, Problems> {
        let load = self.load.clone();
        let read = move || -> Result<_, Problems> {
            let settings = load().map_err(lines)?;
            let prepared = prepare(&settings).map_err(lines)?;
            Ok((settings, prepared))
        };
        let (settings, prepared) = tokio::task::spawn_blocking(read).await.map_err(interrupted)??;
        let Reread { next, added, waiting } = self.in_force.settings.reread(settings);
        let known = self.data.credentials(&next).map_err(lines)?;
        let new = self.open(&next, &added);
        let opened = new.opened.clone();
        let done = self.take_effect(next, known, prepared, new).await;
        if done.is_err() {
            for (name, backend) in opened {
                if let Err(error) = backend.release().await {
                    tracing::error!(backend = name, %error, "closing a backend failed");
                }
            }
        }
        done.map(|()| waiting)
    }

    /// Opens new backends. It may wait for the disk.
    fn open(&self, next: &Settings, added: &[String]) -> NewBackends {
        let Stack { buckets, limits, opened, .. } = &self.in_force.stack;
        let (catalog, workers) = (buckets.catalog().clone(), buckets.workers().clone());
        let of_all = OfAll { catalog, workers, limits, data: &self.data };
        tokio::task::block_in_place(|| graph::open_backends(next, added, opened, of_all))
    }

    async fn take_effect(
        &mut self,
        next: Settings,
        known: KnownCredentials,
        prepared: Prepared,
        new: NewBackends,
    ) -> Result<(), Problems> {
        let Stack { buckets, limits, caches, opened } = self.in_force.stack.clone();
        let mut all = opened;
        all.extend(new.opened.clone());
        let candidate = graph::setup(&next, &known.credentials, all.clone());
        let checked = settle::check(&next, &known.credentials, &candidate, &**buckets.catalog()).await;
        let mut problems = new.problems;
        let wanted = checked.unwrap_or_else(|found| {
            problems.extend(found);
            Vec::new()
        });
        if !problems.is_empty() {
            return Err(problems.into_iter().flat_map(lines).collect());
        }
        tokio::task::block_in_place(|| caches.open(&next, &self.data)).map_err(lines)?;

        let before = buckets.setup();
        let mut backends = before.backends.clone();
        backends.extend(caches.above_all(&next, new.opened));
        // New buckets need their backends. Only the owners among the rights change before the end.
        buckets.replace(Setup {
            backends: backends.clone(),
            homes: candidate.homes.clone(),
            ..(*before).clone()
        });
        let settled = match settle::settle(&buckets, &wanted).await {
            Ok(settled) => settled,
            Err((settled, error)) => {
                settled.undo(&buckets).await;
                buckets.replace((*before).clone());
                return Err(lines(error));
            }
        };

        // From here on nothing can fail.
        buckets.replace(Setup { backends, ..candidate });
        self.in_force.credentials.replace(known.credentials.clone());
        limits.replace(&next);
        limits.add(new.limits);
        if let (Some(shown), Some(read)) = (&self.in_force.tls, &prepared.tls) {
            shown.replace(read);
        }
        log::set_levels(&next.server.log_level.0);
        if !self.in_force.is_generated {
            tell(&known.announcement());
        }
        graph::keep_ledger(&limits, &self.jobs, self.stop.clone());
        jobs::maintain_new(buckets, settled.made, &self.jobs, self.stop.clone());
        self.in_force.is_generated = known.generated().is_some();
        self.in_force.stack.opened = all;
        self.in_force.settings = next;
        Ok(())
    }
}

fn lines(error: impl std::fmt::Display) -> Problems {
    error.to_string().lines().map(str::to_owned).collect()
}

fn interrupted(error: JoinError) -> Problems {
    lines(StartError::because("reading the configuration", error))
}
