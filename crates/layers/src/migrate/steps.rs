//! What an operator asks of a migration: its state, and the next stage.
//!
//! Invariant: the truth changes only while nobody has a turn and the place that becomes the truth lacks nothing;
//! or because the operator gives up what it lacks.

use super::{
    moving::Moving,
    worker::{Pass, Shared},
};
use crate::{
    backend::migration::{MigrationState, MigrationStep, Stage},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// How long changes wait at most for a stage to change.
const CLOSED: Duration = Duration::from_secs(2);
/// How long the other place is waited for until it lacks nothing.
const PATIENCE: Duration = Duration::from_secs(30);
/// The time between two attempts.
const POLL: Duration = Duration::from_millis(200);

pub(super) async fn step(moving: &Arc<Moving>, shared: &Shared, step: MigrationStep) -> Result<()> {
    let stage = moving.stage();
    match step {
        MigrationStep::Status => Ok(()),
        MigrationStep::Pause => pause(moving, true).await,
        MigrationStep::Resume => pause(moving, false).await,
        MigrationStep::Verify if stage.mirrors() => {
            shared.verify();
            moving.wake.notify_one();
            Ok(())
        }
        MigrationStep::CutOver => match stage {
            Stage::Verified => turn_over(moving, Stage::Verified, Stage::CutOver, false).await,
            Stage::CutOver => Ok(()),
            _ => Err(refused("is cut over once it is verified", stage)),
        },
        MigrationStep::RollBack { force } => match stage {
            // The old place is the truth already.
            Stage::Copying | Stage::Verified => enter(moving, stage, Stage::RollingBack).await,
            Stage::CutOver => turn_over(moving, Stage::CutOver, Stage::RollingBack, force).await,
            Stage::RollingBack => Ok(()),
            Stage::Finishing | Stage::Done => Err(refused(
                "is rolled back until it is finished: the old place gets no changes any more",
                stage,
            )),
        },
        MigrationStep::Finish => match stage {
            Stage::CutOver => enter(moving, stage, Stage::Finishing).await,
            Stage::Finishing => Ok(()),
            _ => Err(refused("is finished once it is cut over", stage)),
        },
        MigrationStep::Verify => Err(refused("is verified before it is finished or rolled back", stage)),
    }
}

fn refused(rule: &str, stage: Stage) -> StoreError {
    let words = format!("a migration {rule}; this one is {}", stage.words());
    StoreError::new(StoreErrorKind::InvalidRequest, words)
}

async fn pause(moving: &Moving, paused: bool) -> Result<()> {
    moving
        .change(|migration| {
            migration.paused = paused;
            Ok(())
        })
        .await
}

async fn enter(moving: &Moving, from: Stage, to: Stage) -> Result<()> {
    moving
        .change(|migration| match migration.stage == from {
            true => {
                migration.stage = to;
                Ok(())
            }
            false => Err(format!("the migration is {} meanwhile", migration.stage.words())),
        })
        .await
}

/// Makes the other place the truth.
async fn turn_over(moving: &Moving, from: Stage, to: Stage, force: bool) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(closed) = moving.closed(CLOSED).await
            && (force || !moving.marks.lacks_any().await?)
        {
            let entered = enter(moving, from, to).await;
            drop(closed);
            return entered;
        }
        if Instant::now() >= until {
            let why = moving.trouble().map(|why| format!(" ({why})")).unwrap_or_default();
            let force = if to == Stage::RollingBack { "; --force gives up what it lacks" } else { "" };
            let words = format!(
                "backend '{}' still lacks changes that are being brought to it{why}. Nothing was changed: try \
                 again when 'causeway migrate status' shows fewer pending keys{force}",
                moving.other().site.backend
            );
            return Err(StoreError::new(StoreErrorKind::Busy, words));
        }
        moving.wake.notify_one();
        sleep(POLL).await;
    }
}

pub(super) async fn state(moving: &Moving, shared: &Shared) -> Result<MigrationState> {
    let migration = moving.migration();
    let position = shared.position();
    let pass = position.as_ref().and_then(|position| position.pass).map(|pass| match pass {
        Pass::Copy => "copy".to_owned(),
        Pass::Verify => "verify".to_owned(),
    });
    let waits_for = match migration.stage.mirrors() {
        true => 0,
        false => {
            let side = migration.stage.truth().other();
            let has_uploads = super::parts::has_uploads(moving.place(side)).await.unwrap_or(true);
            moving.rooted(side) as u64 + u64::from(has_uploads)
        }
    };
    Ok(MigrationState {
        pass,
        after: position.as_ref().and_then(|position| position.after.clone()),
        counts: position.map(|position| position.counts).unwrap_or_default(),
        pending: if migration.stage.mirrors() { moving.marks.count().await? } else { 0 },
        waits_for,
        trouble: moving.trouble(),
        migration,
    })
}
