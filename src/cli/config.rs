//! `causeway config check`.

use super::{SENSELESS, environment, fail, say};
use crate::{
    config::{Settings, Sources},
    server,
};
use std::{path::PathBuf, process::ExitCode};

pub(super) fn check(file: PathBuf) -> ExitCode {
    let sources = Sources { file: Some(file), environment: environment(), flags: Vec::new() };
    let settings = match Settings::load(&sources) {
        Ok(settings) => settings,
        Err(error) => return fail(SENSELESS, error),
    };
    if let Err(error) = server::prepare(&settings) {
        return fail(SENSELESS, error);
    }
    say(&settings.show());
    ExitCode::SUCCESS
}
