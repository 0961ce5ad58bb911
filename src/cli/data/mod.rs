//! The verbs on data: `causeway ls | tree | cat | head | stat | put | rm | mkdir | size | du | find | touch |
//! hash | link | dedupe | watch | verify`, between two ends `cp | mv | copy | sync | bisync | move | check |
//! diff`, and `snapshot`.
//!
//! Owns the arguments that they share, and their exit codes: 0 done; 1 it was tried and failed; 2 the request
//! makes no sense, or the configuration is wrong; 3 there is no such bucket, object or folder; 4 what was
//! compared differs; 5 it was stopped by a signal. Who reads the output may stop reading: the command then
//! ends with 0. What the verbs do is in `verbs`.

pub(super) mod bisync;
pub(super) mod cat;
pub(super) mod check;
pub(super) mod copy;
pub(super) mod cp;
pub(super) mod dedupe;
pub(super) mod diff;
pub(super) mod du;
mod events;
mod filters;
pub(super) mod find;
pub(super) mod hash;
pub(super) mod head;
pub(super) mod link;
pub(super) mod ls;
pub(super) mod mkdir;
mod out;
mod pace;
pub(super) mod put;
pub(super) mod rm;
mod rules;
mod run;
pub(super) mod size;
pub(super) mod snapshot;
pub(super) mod stat;
pub(super) mod sync;
pub(super) mod touch;
pub(super) mod tree;
mod two_way;
pub(super) mod verify;
pub(super) mod watch;

use super::{Configuration, FAILED, SENSELESS, environment, fail};
use crate::{
    assembly::StartError,
    config::Settings,
    ends::{Failure, FailureKind, Named, Opener, Place, Search},
    telemetry::log,
};
use out::Out;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

const MISSING: u8 = 3;
const DIFFERENT: u8 = 4;
const STOPPED: u8 = 5;

/// What an end is, for the help of all verbs.
pub(super) const ENDS: &str = "An END is a local path (it begins with ./ or / or ~/ or file:), BUCKET/KEY of the \
configuration, BACKEND:PATH of the configuration, or a URL: s3://BUCKET/KEY, gs://BUCKET/KEY, \
az://CONTAINER/KEY, sftp://USER@HOST/PATH, https://HOST/BUCKET/KEY. Exit codes: 0 done, 1 failed, 2 a wrong \
request or configuration, 3 no such bucket, object or folder, 4 a check found differences, 5 stopped by a signal.";

/// How ends are reached, and how much is said.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Access {
    #[command(flatten)]
    configuration: Configuration,
    /// Use this data directory of the server, instead of that of the configuration.
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Use this profile of AWS's files for s3:// and https:// ends.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Send requests to s3://, gs:// and https:// ends without credentials.
    #[arg(long)]
    anonymous: bool,
    /// Also ask the metadata service of this machine for credentials.
    #[arg(long)]
    cloud_metadata: bool,
    /// Print JSON: one object for each line.
    #[arg(long)]
    json: bool,
    /// Print no warnings, and nothing about success.
    #[arg(long, short)]
    quiet: bool,
    /// Log what is sent to storage, on standard error.
    #[arg(long, short, conflicts_with = "quiet")]
    verbose: bool,
}

impl Access {
    fn settings(&self) -> Result<Settings, Failure> {
        let sources = self.configuration.sources(self.data.as_deref());
        Settings::load(&sources).map_err(|error| Failure::senseless(error.to_string()))
    }

    /// Returns the configuration that was named, as an absolute path.
    fn configuration_file(&self) -> Option<PathBuf> {
        std::path::absolute(self.configuration.config.as_ref()?).ok()
    }

    /// Returns the data directory that was named, as an absolute path.
    fn data_directory(&self) -> Option<String> {
        let data = std::path::absolute(self.data.as_ref()?).ok()?;
        Some(data.to_string_lossy().into_owned())
    }

    /// Returns the same with another configuration and data directory, unless they were named.
    fn with(&self, config: Option<PathBuf>, data: Option<String>) -> Self {
        let config = self.configuration.config.clone().or(config);
        let data = self.data.clone().or(data);
        Self { configuration: Configuration { config }, data, ..self.clone() }
    }

    /// Runs a verb to its exit code.
    fn run(&self, work: impl AsyncFnOnce(&Opener<'_>, &mut Out) -> Result<(), Failure>) -> ExitCode {
        if self.verbose {
            log::start(log::Format::Human, "info,causeway=debug");
        }
        let quiet = self.quiet;
        let settings = || self.settings();
        let opener = Opener {
            environment: environment(),
            search: Search { profile: self.profile.clone(), anonymous: self.anonymous },
            asks_metadata: self.cloud_metadata,
            settings: &settings,
            hear: Arc::new(move |path: &Path, why| {
                if !quiet {
                    eprintln!("causeway: {} is left out: {why}", out::printable(&path.display().to_string()));
                }
            }),
        };
        let mut out = Out::new(self.json, self.quiet);
        let done = super::wait(async {
            let done = work(&opener, &mut out).await;
            Ok::<_, StartError>(done.and_then(|()| out.end()))
        });
        match done.map_err(|error| Failure::of_start(&error)).flatten() {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => match failure.kind() {
                FailureKind::Unread => ExitCode::SUCCESS,
                FailureKind::Failed => fail(FAILED, failure),
                FailureKind::Senseless => fail(SENSELESS, failure),
                FailureKind::Missing => fail(MISSING, failure),
                FailureKind::Different => fail(DIFFERENT, failure),
                FailureKind::Stopped => fail(STOPPED, failure),
            },
        }
    }

    /// Runs a verb on one end, and closes the end afterwards.
    fn on(
        &self,
        end: &str,
        named: Named,
        work: impl AsyncFnOnce(&Place, &mut Out) -> Result<(), Failure>,
    ) -> ExitCode {
        self.run(async |opener, out| {
            let place = opener.open(end, named).await?;
            let done = work(&place, out).await;
            place.end().await;
            done
        })
    }
}
