//! The command line: arguments become settings, and outcomes become exit codes.
//!
//! Exit codes: 0 success, 1 failure, 2 an invalid request or a wrong configuration. The verbs on data have one
//! more (`data`).

mod backend;
mod bucket;
mod catalog;
mod config;
mod data;
mod health;
mod init;
mod jobs;
mod key;
mod members;
mod migrate;
mod moment;
mod prompt;
mod replicate;
mod report;
mod serve;
mod shells;
mod storage;

use crate::{
    assembly::StartError,
    config::{Flag, Settings, Sources},
    transfer::options::Verb,
};
use clap::{Parser, Subcommand};
use std::{
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    process::ExitCode,
};

/// An S3 server in front of any storage.
#[derive(Debug, Parser)]
#[command(name = "causeway", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve S3 until stopped.
    ///
    /// Without any option and without a file causeway.toml, it serves the directory ./causeway-data at
    /// 127.0.0.1:9000, with credentials that are generated once and printed. CAUSEWAY_ROOT_USER and
    /// CAUSEWAY_ROOT_PASSWORD set them instead. SIGHUP makes it read its configuration again: identities,
    /// buckets, new backends and certificates change without a restart.
    Serve(serve::Arguments),
    /// Write a first configuration: ask for a bucket and its backend, try them out, and say what to paste
    /// into aws-cli, rclone and mc.
    ///
    /// Each question has an option. Without a terminal all that is needed has to be given by options. Secrets
    /// are stored sealed, and nothing is written if a check fails.
    Init(Box<init::Arguments>),
    /// Ask a running server whether it is ready. The exit code is 0 if so, 1 if not.
    Health(health::Arguments),
    /// List backends, and try out what they keep of S3's promises.
    #[command(subcommand)]
    Backend(backend::Command),
    /// List, check, scan, add and remove buckets.
    #[command(subcommand)]
    Bucket(bucket::Command),
    /// Export and import what only the catalog knows, and build the index again.
    #[command(subcommand)]
    Catalog(catalog::Command),
    /// Add, list, change and remove identities while a server runs.
    #[command(subcommand)]
    Key(key::Command),
    /// Create, list and delete users of an account, their access keys and their policies.
    #[command(subcommand)]
    User(members::user::Command),
    /// Create, list and delete groups of users, and their policies.
    #[command(subcommand)]
    Group(members::group::Command),
    /// Create, list and delete roles, which others take on for a while.
    #[command(subcommand)]
    Role(members::role::Command),
    /// Create, list and delete managed policies, and try out what policies allow.
    #[command(subcommand)]
    Policy(members::policy::Command),
    /// Show and repair buckets that are on several backends.
    #[command(subcommand)]
    Replicate(replicate::Command),
    /// Move a bucket to another backend while it is in use.
    Migrate(migrate::Arguments),
    /// Show what a running server does in the background: the state of each job, its last run, its next one,
    /// and why it failed.
    Jobs(jobs::Arguments),
    /// List what is in a folder of a bucket, a directory or any storage.
    #[command(after_help = data::ENDS)]
    Ls(data::ls::Arguments),
    /// Show everything below a folder, indented.
    #[command(after_help = data::ENDS)]
    Tree(data::tree::Arguments),
    /// Print objects.
    #[command(after_help = data::ENDS)]
    Cat(data::cat::Arguments),
    /// Print the beginning of an object. What is known of it is shown by `stat`.
    #[command(after_help = data::ENDS)]
    Head(data::head::Arguments),
    /// Show what is known of an object.
    #[command(after_help = data::ENDS)]
    Stat(data::stat::Arguments),
    /// Write standard input to an object.
    #[command(after_help = data::ENDS)]
    Put(data::put::Arguments),
    /// Remove an object, or everything below a folder.
    #[command(after_help = data::ENDS)]
    Rm(data::rm::Arguments),
    /// Make a folder.
    #[command(after_help = data::ENDS)]
    Mkdir(data::mkdir::Arguments),
    /// Count objects and their bytes.
    #[command(after_help = data::ENDS)]
    Size(data::size::Arguments),
    /// Show how much is in each folder.
    #[command(after_help = data::ENDS)]
    Du(data::du::Arguments),
    /// Find objects by name, size and age.
    #[command(after_help = data::ENDS)]
    Find(data::find::Arguments),
    /// Make an empty object, or give one the current time.
    #[command(after_help = data::ENDS)]
    Touch(data::touch::Arguments),
    /// Print digests of the bytes of objects.
    #[command(after_help = data::ENDS)]
    Hash(data::hash::Arguments),
    /// Print an address at which an object can be read without credentials, for a while.
    #[command(after_help = data::ENDS)]
    Link(data::link::Arguments),
    /// Copy one object, or everything below a folder.
    #[command(after_help = data::ENDS)]
    Cp(data::cp::Arguments),
    /// Copy everything below a folder of this machine: another name for `cp --recursive`.
    #[command(after_help = data::ENDS)]
    UploadFolder(data::cp::FolderArguments),
    /// Copy everything below a folder to this machine: another name for `cp --recursive`.
    #[command(after_help = data::ENDS)]
    DownloadFolder(data::cp::FolderArguments),
    /// Copy one object or everything below a folder, and remove it at the source.
    #[command(after_help = data::ENDS)]
    Mv(data::cp::Arguments),
    /// Copy what is below a folder, and leave out what is there already.
    #[command(after_help = data::ENDS)]
    Copy(data::copy::Arguments),
    /// Make a folder the same as another one: copy, and delete what only the destination has.
    #[command(after_help = data::ENDS)]
    Sync(data::sync::Arguments),
    /// Keep two folders the same, whichever of them changes.
    #[command(after_help = data::ENDS)]
    Bisync(data::bisync::Arguments),
    /// Copy what is below a folder, and remove at the source what has arrived.
    #[command(after_help = data::ENDS)]
    Move(data::copy::Arguments),
    /// Compare two folders, and change nothing.
    #[command(after_help = data::ENDS)]
    Check(data::check::Arguments),
    /// Show what differs between two folders.
    #[command(after_help = data::ENDS)]
    Diff(data::diff::Arguments),
    /// Read objects, and compare them with their recorded checksums.
    #[command(after_help = data::ENDS)]
    Verify(data::verify::Arguments),
    /// Find objects with the same bytes, and remove or rename all but one.
    #[command(after_help = data::ENDS)]
    Dedupe(data::dedupe::Arguments),
    /// Print what changes below a folder, as it happens.
    #[command(after_help = data::ENDS)]
    Watch(data::watch::Arguments),
    /// Print a script that lets a shell complete the commands.
    Completions(shells::Completions),
    /// Write manual pages: one of causeway, and one of each command.
    Man(shells::Man),
    /// Keep snapshots of a folder: incremental, deduplicated, encrypted.
    #[command(subcommand, after_help = data::ENDS)]
    Snapshot(data::snapshot::Command),
    /// Check a configuration without starting anything, or seal a secret for it.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print all that is wrong with a configuration, or the settings in effect, with secrets hidden.
    Check {
        #[command(flatten)]
        configuration: Configuration,
    },
    /// Seal a secret for a configuration. It is read from standard input, and printed as the value to write.
    Seal {
        /// Seal the secret for this key. It is of no use at any other key.
        #[arg(long, value_name = "backend.NAME.secret_key")]
        key: String,
        #[command(flatten)]
        configuration: Configuration,
    },
}

pub fn run() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Init(arguments) => init::run(*arguments),
        Command::Health(arguments) => health::run(&arguments),
        Command::Backend(command) => backend::run(command),
        Command::Bucket(command) => bucket::run(command),
        Command::Catalog(command) => catalog::run(command),
        Command::Key(command) => key::run(command),
        Command::User(command) => members::user::run(command),
        Command::Group(command) => members::group::run(command),
        Command::Role(command) => members::role::run(command),
        Command::Policy(command) => members::policy::run(command),
        Command::Replicate(command) => replicate::run(command),
        Command::Migrate(arguments) => migrate::run(arguments),
        Command::Jobs(arguments) => jobs::run(arguments),
        Command::Ls(arguments) => data::ls::run(&arguments),
        Command::Tree(arguments) => data::tree::run(&arguments),
        Command::Cat(arguments) => data::cat::run(&arguments),
        Command::Head(arguments) => data::head::run(&arguments),
        Command::Stat(arguments) => data::stat::run(&arguments),
        Command::Put(arguments) => data::put::run(&arguments),
        Command::Rm(arguments) => data::rm::run(&arguments),
        Command::Mkdir(arguments) => data::mkdir::run(&arguments),
        Command::Size(arguments) => data::size::run(&arguments),
        Command::Du(arguments) => data::du::run(&arguments),
        Command::Find(arguments) => data::find::run(&arguments),
        Command::Touch(arguments) => data::touch::run(&arguments),
        Command::Hash(arguments) => data::hash::run(&arguments),
        Command::Link(arguments) => data::link::run(&arguments),
        Command::Cp(arguments) => data::cp::run(Verb::Copy, &arguments),
        Command::UploadFolder(arguments) | Command::DownloadFolder(arguments) => data::cp::folder(&arguments),
        Command::Mv(arguments) => data::cp::run(Verb::Move, &arguments),
        Command::Copy(arguments) => data::copy::run(Verb::Copy, &arguments),
        Command::Sync(arguments) => data::sync::run(&arguments),
        Command::Bisync(arguments) => data::bisync::run(&arguments),
        Command::Move(arguments) => data::copy::run(Verb::Move, &arguments),
        Command::Check(arguments) => data::check::run(&arguments),
        Command::Diff(arguments) => data::diff::run(&arguments),
        Command::Verify(arguments) => data::verify::run(&arguments),
        Command::Dedupe(arguments) => data::dedupe::run(&arguments),
        Command::Watch(arguments) => data::watch::run(&arguments),
        Command::Completions(arguments) => shells::completions(&arguments),
        Command::Man(arguments) => shells::man(&arguments),
        Command::Snapshot(command) => data::snapshot::run(&command),
        Command::Config(ConfigCommand::Check { configuration }) => config::check(&configuration),
        Command::Config(ConfigCommand::Seal { key, configuration }) => config::seal(&key, &configuration),
    }
}

/// The configuration that a command is about.
#[derive(Debug, Clone, clap::Args)]
struct Configuration {
    /// Read this configuration file [default: causeway.toml, if there is one].
    #[arg(long, value_name = "FILE", env = "CAUSEWAY_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
}

impl Configuration {
    fn path(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new("causeway.toml"))
    }

    fn is_named(&self) -> bool {
        self.config.is_some()
    }

    /// A file that was named must exist.
    fn sources(&self, data: Option<&str>) -> Sources {
        let file = (self.is_named() || self.path().exists()).then(|| self.path().to_owned());
        let data = data.map(|data| Flag { name: "--data", key: "server.data", value: data.to_owned() });
        Sources { file, environment: environment(), flags: data.into_iter().collect() }
    }

    fn load(&self) -> Result<Settings, ExitCode> {
        self.load_with(None)
    }

    /// Loads the settings with another data directory.
    fn load_with(&self, data: Option<&str>) -> Result<Settings, ExitCode> {
        Settings::load(&self.sources(data)).map_err(|error| fail(SENSELESS, error))
    }
}

/// Runs a future that waits for storage.
fn wait<T>(work: impl Future<Output = Result<T, StartError>>) -> Result<T, StartError> {
    // Boxed: the runtime's loop is compiled for each type of future, and there is one for each command.
    let work: Pin<Box<dyn Future<Output = Result<T, StartError>> + '_>> = Box::pin(work);
    match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => Err(StartError::because("starting threads", error)),
    }
}

/// Prints the error: one line for each problem.
fn fail(code: u8, error: impl std::fmt::Display) -> ExitCode {
    for line in error.to_string().lines() {
        eprintln!("causeway: {line}");
    }
    ExitCode::from(code)
}

/// Prints text on standard output. The reader may have closed it.
fn say(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

const FAILED: u8 = 1;
const SENSELESS: u8 = 2;

/// The environment variables that are valid text. Others cannot be settings of Causeway.
fn environment() -> std::collections::BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
