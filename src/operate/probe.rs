//! Probes which of S3's promises a storage keeps, step by step, through the [`Store`] that serves it: the
//! result is what clients get.
//!
//! All test objects have one random prefix and are removed at the end, also after failures and interrupts.
//! Known keys are removed by name, and the rest by a listing.
//!
//! | file | owns |
//! |---|---|
//! | `report` | the results, and their text |
//! | `trial` | the test objects, and removing them |
//! | `reading` | reach, list, write, read, overwrite, delete |
//! | `conditions` | atomic create, compare-and-swap, conditional delete |
//! | `keys` | order of listings, alphabet of keys |
//! | `features` | multipart, metadata, tags, checksums, copies |

mod conditions;
mod features;
mod keys;
mod reading;
mod report;
#[cfg(test)]
mod tests;
mod trial;

pub use report::{Report, Step, StepOutcome};

use crate::store::Store;
use report::Found;
use std::{future::Future, sync::Arc, time::Instant};
use trial::Trial;

/// How much is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What any use needs: listing, writing, reading, deleting.
    Permissions,
    Everything,
}

/// Probes `store` until it is done, or until `stop`, which is polled again while the objects are removed.
pub(super) async fn probe(store: Arc<dyn Store>, depth: Depth, mut stop: impl AsyncFnMut()) -> Report {
    let trial = match Trial::new(store.clone()) {
        Ok(trial) => trial,
        Err(trouble) => return Report::of(vec![Step::of("begin", Err(trouble), 0)], false, None),
    };
    let mut run = Run { trial: &trial, steps: Vec::new() };
    let complete = tokio::select! {
        complete = run.run(depth) => complete,
        () = stop() => {
            run.steps.push(Step::interrupted("stopped before everything was tried"));
            false
        }
    };
    if trial.is_touched() {
        tokio::select! {
            _ = run.step("clean up", trial.clean()) => {}
            () = stop() => run.steps.push(Step::interrupted(format!("something may be left under {}", trial.prefix))),
        }
    }
    // A driver's promise before the probe is only an assumption.
    let tried = (complete && depth == Depth::Everything).then_some(&*store);
    Report::of(std::mem::take(&mut run.steps), complete, tried)
}

struct Run<'t> {
    trial: &'t Trial,
    steps: Vec<Step>,
}

impl Run<'_> {
    /// Runs a step, and returns whether it succeeded.
    async fn step(&mut self, name: &str, found: impl Future<Output = Found>) -> bool {
        let begun = Instant::now();
        let found = found.await;
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.steps.push(Step::of(name, found, took));
        self.steps.last().is_some_and(|step| step.outcome == StepOutcome::Ok)
    }

    /// Returns whether everything was probed: if a storage cannot be listed or written, nothing else is worth
    /// knowing.
    async fn run(&mut self, depth: Depth) -> bool {
        let trial = self.trial;
        if !self.step("reach and list", reading::list(trial)).await
            || !self.step("write", reading::write(trial)).await
        {
            return false;
        }
        self.step("read", reading::read(trial)).await;
        self.step("read a range", reading::read_range(trial)).await;
        self.step("list what was written", reading::listed(trial)).await;
        if depth == Depth::Everything {
            self.step("overwrite", reading::overwrite(trial)).await;
        }
        self.step("delete", reading::delete(trial)).await;
        if depth == Depth::Everything {
            self.promises().await;
        }
        true
    }

    async fn promises(&mut self) {
        let trial = self.trial;
        self.step("create only if absent", conditions::create(trial)).await;
        self.step("of 8 creators one wins", conditions::creators(trial)).await;
        self.step("compare and swap", conditions::swap(trial)).await;
        self.step("conditional delete", conditions::delete(trial)).await;
        self.step("order of listings", keys::order(trial)).await;
        self.step("pages of listings", keys::pages(trial)).await;
        self.step("common prefixes", keys::grouped(trial)).await;
        self.steps.extend(keys::alphabet(trial).await);
        self.step("upload of one part", features::one_part(trial)).await;
        self.step("parts in any order with gaps", features::parts(trial)).await;
        self.step("upload only if absent", features::conditional_upload(trial)).await;
        self.step("abort an upload", features::abort(trial)).await;
        self.step("metadata", features::metadata(trial)).await;
        self.step("tags", features::tags(trial)).await;
        self.step("checksums", features::checksums(trial)).await;
        self.step("copy", features::copy(trial)).await;
    }
}
