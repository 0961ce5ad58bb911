//! `causeway diff`: what differs between two folders, in the form of a diff.

use super::check::Compared;
use crate::transfer::Mark;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    compared: Compared,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    arguments.compared.run(sign, false, None)
}

/// The signs of a diff, and of `mc diff`.
fn sign(mark: Mark) -> char {
    match mark {
        Mark::OnlySource => '<',
        Mark::OnlyDestination => '>',
        Mark::Different => '!',
        Mark::Same => '=',
        Mark::Error => '?',
    }
}
