//! Migrations of buckets to another backend: beginning one, its state, and its stages.

use crate::{
    backend::migration::{MigrationState, MigrationStep},
    buckets::{BucketError, Buckets, Destination},
    model::{BucketName, Chain},
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Migrate {
    Start {
        backend: String,
        remote: Option<String>,
        prefix: Option<String>,
        overwrite: bool,
        /// In bytes for each second.
        rate: Option<u64>,
    },
    Step(MigrationStep),
}

/// Returns the state afterwards. `None`: the bucket does not migrate.
pub(super) async fn migrate(
    buckets: &Buckets,
    name: &str,
    what: Migrate,
) -> Result<Option<MigrationState>, String> {
    let failed = |error: BucketError| format!("bucket '{name}': {}", Chain(&error));
    let parsed = BucketName::parse(name).map_err(|error| format!("bucket '{name}': {error}"))?;
    let step = match what {
        Migrate::Start { backend, remote, prefix, overwrite, rate } => {
            let to = Destination { backend, remote, prefix, overwrite, rate };
            buckets.begin_migration(&parsed, to).await.map_err(failed)?;
            MigrationStep::Status
        }
        Migrate::Step(step) => step,
    };
    let bucket = buckets.get(&parsed).await.map_err(failed)?;
    let id = bucket.id();
    // The layer waits for requests that have the bucket without it: this one is none.
    drop(bucket);
    let Some(migrations) = buckets.migrations() else { return Ok(None) };
    let state = migrations.step(id, step).await.map_err(|error| failed(error.into()))?;
    if state.is_none() && step != MigrationStep::Status {
        return Err(format!("bucket '{name}' does not migrate: 'causeway migrate start' begins that"));
    }
    Ok(state)
}
