//! `causeway migrate BUCKET --to BACKEND`, and `migrate status | pause | resume | verify | cutover | rollback |
//! finish`.

use super::{FAILED, SENSELESS, catalog::CatalogArguments, fail, report, say, wait};
use crate::{
    operate::{self, Done, Migrate, MigrationCounts, MigrationState, MigrationStep, Request, Stage},
    verbs,
};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Migrate the bucket of this name.
    #[arg(value_name = "BUCKET", required = true)]
    name: Option<String>,
    /// Migrate to this backend.
    #[arg(long, value_name = "BACKEND", required = true)]
    to: Option<String>,
    #[command(flatten)]
    place: CatalogArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Use this bucket or container of the storage [default: as for a bucket that is created there].
    #[arg(long, value_name = "NAME")]
    remote: Option<String>,
    /// Use this directory or prefix [default: as for a bucket that is created there].
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
    /// Use the location even if there are objects. Those that the bucket does not have are deleted there.
    #[arg(long)]
    overwrite: bool,
    /// Copy at most so many bytes a second: 512K, 10M.
    #[arg(long, value_name = "RATE", value_parser = verbs::size)]
    rate: Option<u64>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show how far a migration is.
    Status(Of),
    /// Let the background copy rest. Changes still go to both places.
    Pause(Of),
    /// Let the background copy go on.
    Resume(Of),
    /// Compare all objects of both places again, and bring what differs.
    Verify(Of),
    /// Serve the bucket from the new place. The old one still gets every change.
    ///
    /// It is possible once everything was compared.
    Cutover(Of),
    /// Serve the bucket from the old place alone, and end the migration. What was copied stays at the new place.
    Rollback {
        #[command(flatten)]
        of: Of,
        /// Give up changes that only the new place has, if it cannot be reached any more.
        #[arg(long)]
        force: bool,
    },
    /// Send no more changes to the old place, and end the migration. Its objects stay there.
    ///
    /// It is possible once the bucket was cut over. After it there is no way back.
    Finish(Of),
}

#[derive(Debug, clap::Args)]
struct Of {
    /// Work on the bucket of this name.
    #[arg(value_name = "BUCKET")]
    name: String,
    #[command(flatten)]
    place: CatalogArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: Arguments) -> ExitCode {
    let Arguments { command, name, to, place, json, remote, prefix, overwrite, rate } = arguments;
    let (of, what) = match (command, name, to) {
        (Some(command), ..) => {
            let (of, step) = match command {
                Command::Status(of) => (of, MigrationStep::Status),
                Command::Pause(of) => (of, MigrationStep::Pause),
                Command::Resume(of) => (of, MigrationStep::Resume),
                Command::Verify(of) => (of, MigrationStep::Verify),
                Command::Cutover(of) => (of, MigrationStep::CutOver),
                Command::Rollback { of, force } => (of, MigrationStep::RollBack { force }),
                Command::Finish(of) => (of, MigrationStep::Finish),
            };
            (of, Migrate::Step(step))
        }
        (None, Some(name), Some(backend)) => {
            (Of { name, place, json }, Migrate::Start { backend, remote, prefix, overwrite, rate })
        }
        // Both are required without a verb.
        (None, ..) => {
            return fail(SENSELESS, "which bucket? 'causeway help migrate' shows how it is named");
        }
    };
    ask(&of, what).unwrap_or_else(|code| code)
}

fn ask(of: &Of, what: Migrate) -> Result<ExitCode, ExitCode> {
    let settings = of.place.settings()?;
    let request = Request::Migrate { bucket: of.name.clone(), what };
    let done = wait(operate::ask(&settings, request, async |_| Ok(())));
    let state = match done.map_err(|error| fail(FAILED, error))? {
        Done::Migrated(state) => state,
        _ => return Err(fail(FAILED, "the server answered something else")),
    };
    match (state, of.json) {
        (state, true) => report::document(&serde_json::json!({ "bucket": of.name, "migration": state })),
        (None, false) => say(&format!("bucket '{}' does not migrate\n", of.name)),
        (Some(state), false) => show(&of.name, &state),
    }
    Ok(ExitCode::SUCCESS)
}

fn show(bucket: &str, state: &MigrationState) {
    let MigrationState { migration, pass, after, counts, pending, waits_for, trouble } = state;
    let (from, to) = (&migration.from, &migration.to);
    let mut text = format!(
        "bucket '{bucket}': {}{}\n  from  {} ('{}')\n  to    {} ('{}')\n",
        migration.stage.words(),
        if migration.paused { ", paused" } else { "" },
        from.backend,
        from.location,
        to.backend,
        to.location
    );
    if let Some(pass) = pass {
        let after = after.as_ref().map(|after| format!(", up to {after:?}")).unwrap_or_default();
        text += &format!("  pass  {pass}{after}\n");
    }
    let MigrationCounts { objects, copied, bytes, removed, differing, failed } = counts;
    text += &format!(
        "  so far {objects} objects compared, {copied} copied ({bytes} bytes), {removed} removed; in this pass \
         {differing} differed, {failed} failed\n  pending {pending} keys\n"
    );
    if matches!(migration.stage, Stage::Finishing | Stage::RollingBack) {
        text += &format!("  waits for {waits_for} requests and uploads at the place that is left\n");
    }
    if let Some(trouble) = trouble {
        text += &format!("  trouble: {trouble}\n");
    }
    say(&text);
}
