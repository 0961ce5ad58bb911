//! `causeway backend list | probe | authorize`.

use super::{Configuration, FAILED, SENSELESS, fail, report, say, wait};
use crate::{
    config::{self, EditError},
    operate::{
        authorize::{self, Telling, Way},
        inspect,
    },
};
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show the configured backends.
    List {
        #[command(flatten)]
        configuration: Configuration,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Try out what a backend keeps of S3's promises, on objects that are removed again. The exit code is 1
    /// if anything failed.
    ///
    /// The probe uses the first configured bucket that the backend holds, or a place beside its buckets where
    /// that is possible.
    Probe {
        /// Probe the backend of this name in the configuration.
        name: String,
        #[command(flatten)]
        configuration: Configuration,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Use this place: BUCKET or BUCKET/PREFIX on an object store, a directory below the root on a disk.
        #[arg(long, value_name = "PLACE")]
        place: Option<String>,
    },
    /// Give a backend access to a person's drive. The token is stored sealed in the configuration.
    ///
    /// The configuration must name the application (client_id and client_secret) that you have registered
    /// with the provider.
    Authorize {
        /// Authorize the backend of this name in the configuration.
        name: String,
        #[command(flatten)]
        configuration: Configuration,
        /// Show a code to type on another device, instead of using a browser on this one. Google then shows
        /// only files that the application has made.
        #[arg(long)]
        device: bool,
    },
}

pub(super) fn run(command: Command) -> ExitCode {
    match command {
        Command::Authorize { name, configuration, device } => {
            authorize(&name, &configuration, if device { Way::Device } else { Way::Browser })
                .unwrap_or_else(|code| code)
        }
        Command::List { configuration, json } => list(&configuration, json),
        Command::Probe { name, configuration, json, place } => {
            probe(&name, &configuration, json, place.as_deref())
        }
    }
}

fn authorize(name: &str, configuration: &Configuration, way: Way) -> Result<ExitCode, ExitCode> {
    let settings = configuration.load()?;
    // Written to standard error: the result of the command is a change of the configuration, not this text.
    let tell = |telling| match telling {
        Telling::Page { authority, page } => {
            eprintln!("Open this page in a browser, where you agree with {authority}:\n\n{page}\n");
            eprintln!(
                "If that browser is on another machine, it will end at an address that it cannot reach: paste that here."
            );
        }
        Telling::Device { authority, page, user_code } => {
            eprintln!("Open {page} on any device, type {user_code}, and agree with {authority}.");
        }
    };
    let token =
        wait(authorize::authorize(&settings, name, way, tell)).map_err(|error| fail(FAILED, error))?;
    let path = configuration.path();
    let edit =
        config::replace_secret(path, configuration.sources(None), name, authorize::KEY, token.expose());
    let made = edit.and_then(config::Edit::write).map_err(|error| match error {
        error @ EditError::Write { .. } => fail(FAILED, error),
        error => fail(SENSELESS, error),
    })?;
    let words: String = made.iter().map(|made| format!("{made}\n")).collect();
    say(&format!("{words}{} has the token for backend '{name}', sealed\n", path.display()));
    Ok(ExitCode::SUCCESS)
}

fn list(configuration: &Configuration, as_json: bool) -> ExitCode {
    let settings = match configuration.load() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let buckets =
        |name: &str| settings.buckets.values().filter(|bucket| settings.backend_of(bucket) == name).count();
    if as_json {
        let rows = settings.backends.iter().map(|(name, backend)| {
            json!({
                "name": name,
                "type": backend.type_name(),
                "location": backend.location(),
                "buckets": buckets(name),
                "default": Some(name.as_str()) == settings.default_backend(),
            })
        });
        report::document(&json!({ "backends": rows.collect::<Vec<_>>() }));
        return ExitCode::SUCCESS;
    }
    let rows = settings.backends.iter().map(|(name, backend)| {
        let default = if Some(name.as_str()) == settings.default_backend() { "default" } else { "" };
        let (kind, location) = (backend.type_name().to_owned(), backend.location());
        vec![name.clone(), kind, location, buckets(name).to_string(), default.to_owned()]
    });
    report::table(
        &["NAME", "TYPE", "WHERE", "BUCKETS", ""],
        &rows.collect::<Vec<_>>(),
        "there is no backend",
    );
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
