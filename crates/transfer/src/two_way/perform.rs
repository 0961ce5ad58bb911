//! Takes one step of a two-way run, writes down the result, and reports it.
//!
//! Invariants: what is kept of a conflict is at both ends before anything is replaced or deleted. What fails
//! for one name is reported, and the run goes on: the state of that name stays as it was.

use super::{
    both::Working,
    step::{Conflict, Outcome, Planned, Step, deeds},
    version::{Base, Version},
};
use crate::{
    context::Trouble,
    end::Side,
    error::TransferError,
    events::{Action, Deed, Event},
};

/// Returns the versions in the order of the state.
fn ordered(to: Side, from: Version, stored: Version) -> Base {
    match to {
        Side::Source => (stored, from),
        Side::Destination => (from, stored),
    }
}

impl Working<'_> {
    /// Takes a step. The result is what ends the run; what ends the step alone is reported.
    pub(crate) async fn perform(&self, planned: &Planned) -> Result<(), TransferError> {
        let (name, deeds) = (&planned.name, deeds(planned));
        let done = match &planned.step {
            Step::Copy { from, version, over } => {
                self.copy(name, *from, version, over.as_ref(), &deeds).await
            }
            Step::Delete { at, version, .. } => self.remove(name, *at, version, &deeds).await,
            Step::Move { at, from, version, now } => {
                self.rename(name, *at, (from, version), now, &deeds).await
            }
            Step::Conflict(conflict) => self.settle(name, conflict, &deeds).await,
        };
        match done {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.both.progress.left(1);
                self.report().warn(name, "it changed during the run: it is left for the next one").await;
                Ok(())
            }
            Err(Trouble::Run(error)) => Err(error),
            Err(Trouble::Object(error)) => {
                let action = deeds.first().map(|deed| deed.action);
                self.report().fail(name, action, &error).await;
                Ok(())
            }
        }
    }

    fn record(&self, name: &str, both: Option<Base>) -> Result<(), Trouble> {
        Ok(self.both.state.record(name, both)?)
    }

    async fn done(&self, deed: Option<&Deed>) {
        let Some(deed) = deed else { return };
        let progress = &self.both.progress;
        match deed.action {
            Action::Copy | Action::Replace => {
                progress.transferred(1);
                progress.transferred_bytes(deed.size);
            }
            Action::Delete | Action::DeleteSource => progress.deleted(1),
            Action::Rename => progress.renamed(1),
            Action::Keep | Action::SetTime => {}
        }
        self.both.reporter.send(Event::Done(deed.clone())).await;
    }

    /// Each of these returns whether the step was taken; otherwise something changed meanwhile.
    async fn copy(
        &self,
        name: &str,
        from: Side,
        version: &Version,
        over: Option<&Version>,
        deeds: &[Deed],
    ) -> Result<bool, Trouble> {
        let to = from.other();
        let Some((brought, stored)) = self.bring(to, (name, version), (name, over)).await? else {
            return Ok(false);
        };
        self.record(name, Some(ordered(to, brought, stored)))?;
        self.done(deeds.first()).await;
        Ok(true)
    }

    async fn remove(&self, name: &str, at: Side, version: &Version, deeds: &[Deed]) -> Result<bool, Trouble> {
        if !self.is_absent(at.other(), name).await? || !self.delete(at, name, version).await? {
            return Ok(false);
        }
        self.record(name, None)?;
        self.done(deeds.first()).await;
        Ok(true)
    }

    async fn rename(
        &self,
        name: &str,
        at: Side,
        (old, version): (&str, &Version),
        now: &Version,
        deeds: &[Deed],
    ) -> Result<bool, Trouble> {
        let other = at.other();
        let Some(entry) = self.still(other, name, now).await? else { return Ok(false) };
        if !self.is_absent(other, old).await? {
            return Ok(false);
        }
        let stored = match self.keep(at, (old, version), name).await {
            Ok(Some(stored)) => stored,
            Ok(None) => return Ok(false),
            // The storage cannot copy it by itself, for its size perhaps: it is brought from the other end.
            Err(Trouble::Object(error)) if !error.is_temporary() => {
                match self.bring(at, (name, now), (name, None)).await? {
                    Some((_, stored)) => stored,
                    None => return Ok(false),
                }
            }
            Err(trouble) => return Err(trouble),
        };
        self.record(name, Some(ordered(at, Version::of(&entry.object), stored)))?;
        if self.delete(at, old, version).await? {
            self.record(old, None)?;
        }
        self.done(deeds.first()).await;
        Ok(true)
    }

    async fn settle(&self, name: &str, conflict: &Conflict, deeds: &[Deed]) -> Result<bool, Trouble> {
        let mut deeds = deeds.iter();
        match &conflict.outcome {
            Outcome::Left => Ok(true),
            Outcome::Wins { side, keep } => {
                let (won, lost) = (conflict.version(*side), conflict.version(side.other()));
                if let (Some(keep), Some(lost)) = (keep, lost)
                    && !self.keep_at_both(name, (side.other(), lost), keep, &mut deeds).await?
                {
                    return Ok(false);
                }
                let rest = deeds.as_slice();
                match (won, lost) {
                    (Some(won), lost) => self.copy(name, *side, won, lost, rest).await,
                    (None, Some(lost)) => self.remove(name, side.other(), lost, rest).await,
                    (None, None) => Ok(true),
                }
            }
            Outcome::Both { source, destination } => {
                let versions = [(Side::Source, source), (Side::Destination, destination)];
                for (side, keep) in versions {
                    let Some(version) = conflict.version(side) else { continue };
                    if !self.keep_at_both(name, (side, version), keep, &mut deeds).await? {
                        return Ok(false);
                    }
                }
                for (side, _) in versions {
                    let Some(version) = conflict.version(side) else { continue };
                    if !self.delete(side, name, version).await? {
                        return Ok(false);
                    }
                    self.done(deeds.next()).await;
                }
                self.record(name, None)?;
                Ok(true)
            }
        }
    }

    /// Gives a version another name at its end, and brings it to the other end.
    async fn keep_at_both(
        &self,
        name: &str,
        (side, version): (Side, &Version),
        keep: &str,
        deeds: &mut std::slice::Iter<'_, Deed>,
    ) -> Result<bool, Trouble> {
        let Some(kept) = self.keep(side, (name, version), keep).await? else { return Ok(false) };
        self.done(deeds.next()).await;
        let other = side.other();
        let Some((brought, stored)) = self.bring(other, (keep, &kept), (keep, None)).await? else {
            return Ok(false);
        };
        self.record(keep, Some(ordered(other, brought, stored)))?;
        self.done(deeds.next()).await;
        Ok(true)
    }
}
