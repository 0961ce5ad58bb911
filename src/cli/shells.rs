//! `causeway completions` and `causeway man`: made from the definitions of the commands.

use super::{Arguments, FAILED, fail};
use clap::CommandFactory;
use clap_complete::Shell;
use std::{io::Write, path::PathBuf, process::ExitCode};

#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// Complete commands in this shell.
    shell: Shell,
}

#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// Write the pages into this directory, which is made if it is missing.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(super) fn completions(Completions { shell }: &Completions) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut Arguments::command(), "causeway", &mut script);
    // The reader may have closed standard output.
    let _ = std::io::stdout().lock().write_all(&script);
    ExitCode::SUCCESS
}

pub(super) fn man(Man { directory }: &Man) -> ExitCode {
    let made = std::fs::create_dir_all(directory);
    match made.and_then(|()| clap_mangen::generate_to(Arguments::command(), directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(FAILED, format_args!("writing pages into {}: {error}", directory.display())),
    }
}
