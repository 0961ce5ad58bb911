//! `causeway backend list | probe`.

use super::{Configuration, FAILED, fail, report, wait};
use crate::server::inspect;
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show the configured backends.
    List {
        #[command(flatten)]
        configuration: Configuration,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Try out what a backend keeps of S3's promises, on objects that are removed again. Exit code 1 if anything failed.
    ///
    /// It is tried in the first configured bucket that the backend holds, or beside its buckets where that is possible.
    Probe {
        /// The backend's name in the configuration.
        name: String,
        #[command(flatten)]
        configuration: Configuration,
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Where to try it: BUCKET or BUCKET/PREFIX on an object store, a directory below the root on a disk.
        #[arg(long, value_name = "PLACE")]
        place: Option<String>,
    },
}

pub(super) fn run(command: Command) -> ExitCode {
    match command {
        Command::List { configuration, json } => list(&configuration, json),
        Command::Probe { name, configuration, json, place } => probe(&name, &configuration, json, place.as_deref()),
    }
}

fn list(configuration: &Configuration, as_json: bool) -> ExitCode {
    let settings = match configuration.load() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let buckets = |name: &str| settings.buckets.values().filter(|bucket| settings.backend_of(bucket) == name).count();
    if as_json {
        let rows = settings.backends.iter().map(|(name, backend)| {
            json!({
                "name": name,
                "type": backend.type_name(),
                "location": backend.location(),
                "buckets": buckets(name),
                "default": name == settings.default_backend(),
            })
        });
        report::document(&json!({ "backends": rows.collect::<Vec<_>>() }));
        return ExitCode::SUCCESS;
    }
    let rows = settings.backends.iter().map(|(name, backend)| {
        let default = if name == settings.default_backend() { "default" } else { "" };
        let (kind, location) = (backend.type_name().to_owned(), backend.location());
        vec![name.clone(), kind, location, buckets(name).to_string(), default.to_owned()]
    });
    report::table(&["NAME", "TYPE", "WHERE", "BUCKETS", ""], &rows.collect::<Vec<_>>(), "there is no backend");
    ExitCode::SUCCESS
}

fn probe(name: &str, configuration: &Configuration, as_json: bool, place: Option<&str>) -> ExitCode {
    let settings = match configuration.load() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    match wait(inspect::backend(&settings, name, place)) {
        Ok(found) => report::conclude(&found, as_json),
        Err(error) => fail(FAILED, error),
    }
}
