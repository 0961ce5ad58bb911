//! `causeway config check | seal`.

use super::{Configuration, FAILED, SENSELESS, environment, fail, prompt, say};
use crate::{
    config::{self, EditError},
    server,
};
use std::process::ExitCode;

pub(super) fn check(configuration: &Configuration) -> ExitCode {
    let settings = match configuration.load() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    if let Err(error) = server::prepare(&settings) {
        return fail(SENSELESS, error);
    }
    say(&settings.show());
    ExitCode::SUCCESS
}

pub(super) fn seal(key: &str, configuration: &Configuration) -> ExitCode {
    let read = prompt::secret("secret").and_then(|typed| match typed {
        Some(secret) => Ok(secret),
        None => std::io::read_to_string(std::io::stdin())
            .map(|text| text.trim_end_matches(['\r', '\n']).to_owned()),
    });
    let secret = match read {
        Ok(secret) => secret,
        Err(error) => return fail(FAILED, format_args!("reading the secret: {error}")),
    };
    match config::seal(configuration.path(), &environment(), key, &secret) {
        Ok((value, made)) => {
            if let Some(made) = made {
                eprintln!("made the seal key {}", made.display());
            }
            say(&format!("{value}\n"));
            ExitCode::SUCCESS
        }
        Err(error @ EditError::Write { .. }) => fail(FAILED, error),
        Err(error) => fail(SENSELESS, error),
    }
}
