//! `causeway snapshot`: snapshots of any end in a repository at any other end.
//!
//! Owns the arguments and what is printed. What the commands do is in `snapshot`; a restore is a run of
//! `transfer` whose source is a snapshot.

mod create;
mod key;
mod prune;
mod restore;
mod show;

use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Make a repository for snapshots, and a key file if there is none.
    Init(key::Init),
    /// Make a snapshot of what is below a folder. Only what is new is stored.
    Create(create::Arguments),
    /// List the snapshots of a repository.
    List(show::List),
    /// Bring a snapshot, or a part of it, to a folder.
    Restore(restore::Arguments),
    /// Find out whether a repository is whole.
    Check(show::Check),
    /// Remove snapshots by name. The space is freed by `prune`.
    Forget(prune::Forget),
    /// Remove snapshots that no rule keeps, and what no snapshot needs any more.
    Prune(prune::Arguments),
}

pub(in crate::cli) fn run(command: &Command) -> ExitCode {
    match command {
        Command::Init(arguments) => key::init(arguments),
        Command::Create(arguments) => create::run(arguments),
        Command::List(arguments) => show::list(arguments),
        Command::Restore(arguments) => restore::run(arguments),
        Command::Check(arguments) => show::check(arguments),
        Command::Forget(arguments) => prune::forget(arguments),
        Command::Prune(arguments) => prune::run(arguments),
    }
}
