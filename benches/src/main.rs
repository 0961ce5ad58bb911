//! `causeway-bench`: measures an S3 server from outside.
//!
//! Owns: choosing the command and the exit status. 0: the run completed; 1: a goal was missed under
//! `--check`, a request failed, or an object was wrong. The last two fail a run without `--check`, too.

mod client;
mod complete;
mod connection;
mod content;
mod crash;
mod document;
mod figures;
mod history;
mod listing;
mod load;
mod machine;
mod memory;
mod options;
mod peers;
mod process;
mod report;
mod scale;
mod server;
mod side_by_side;
mod sigv4;
mod work;

use std::process::ExitCode;

use anyhow::Result;

use crate::machine::Machine;
use crate::options::{Command, HELP, Options};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("causeway-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let Some(options) = Options::parse()? else {
        print!("{HELP}");
        return Ok(true);
    };
    std::fs::create_dir_all(&options.programs.work)?;
    let machine = Machine::now(&options.programs.work);
    let report = match options.command {
        Command::Run => {
            let figures = side_by_side::run(&options)?;
            if options.write {
                document::write_side_by_side(&figures, &options, &machine)?;
            }
            figures.report()
        }
        Command::Scale => {
            let report = scale::run(&options)?;
            if options.write {
                document::write_scale(&report, &options, &machine)?;
            }
            report
        }
        Command::Memory => memory::run(&options)?,
        Command::Complete => complete::run(&options)?,
        Command::Crash => crash::run(&options)?,
    };
    let met = report.finish(options.json, &machine)?;
    // A missed goal is only reported; a lost object is always a failure.
    Ok(met || !(options.check || options.command == Command::Crash))
}
