//! The options that say how storage is reached, and trying a new bucket out before it is written down.

use super::{FAILED, SENSELESS, fail, prompt, report, say, wait};
use crate::{
    config::{Added, Addition, EditError, SecretSource},
    operate::{DataMemory, inspect},
};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(Debug, Default, clap::Args)]
pub(super) struct StorageArguments {
    /// Use this backend of the configuration, or give the new one this name.
    #[arg(long, value_name = "NAME")]
    pub(super) backend: Option<String>,
    /// Sign for this region [default: what the URL or AWS_REGION says, or us-east-1].
    #[arg(long)]
    pub(super) region: Option<String>,
    /// Use this access key id; on Azure it is the account. Without it, credentials are looked for where the
    /// provider's own tools do.
    #[arg(long, value_name = "KEY")]
    pub(super) access_key: Option<String>,
    /// Read the secret key from this variable. Without a variable and without a file, the terminal asks for
    /// it.
    #[arg(long, value_name = "VARIABLE")]
    pub(super) secret_key_env: Option<String>,
    /// Read the secret key from this file.
    #[arg(long, value_name = "FILE", conflicts_with = "secret_key_env")]
    pub(super) secret_key_file: Option<PathBuf>,
    /// Read the connection string of Azure from this variable.
    #[arg(long, value_name = "VARIABLE")]
    pub(super) connection_string_env: Option<String>,
    /// Read the JSON of a Google account from this file.
    #[arg(long, value_name = "FILE")]
    pub(super) credentials_file: Option<PathBuf>,
    /// Create a new bucket in this project of Google Cloud.
    #[arg(long)]
    pub(super) project: Option<String>,
    /// Set a further key of the new backend, as [backend.NAME] has it. The option may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(super) set: Vec<(String, String)>,
    /// Read a secret key of the new backend from this variable. The option may be repeated.
    #[arg(long, value_name = "KEY=VARIABLE", value_parser = pair)]
    pub(super) secret_env: Vec<(String, String)>,
    /// Read a secret key of the new backend from this file. The option may be repeated.
    #[arg(long, value_name = "KEY=FILE", value_parser = pair)]
    pub(super) secret_file: Vec<(String, String)>,
    /// Create the bucket, container, directory or folder if it is missing.
    #[arg(long)]
    pub(super) create: bool,
    /// Write the configuration without trying anything out.
    #[arg(long)]
    pub(super) no_check: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        // The argument is not repeated, because it may be the secret itself.
        _ => Err("it must be KEY=VALUE".to_owned()),
    }
}

impl StorageArguments {
    /// `secrets` were typed.
    pub(super) fn addition(
        self,
        bucket: String,
        url: String,
        secrets: Vec<(String, SecretSource)>,
    ) -> Result<Addition, ExitCode> {
        let secret_key = match (self.secret_key_env, self.secret_key_file) {
            (Some(variable), _) => Some(SecretSource::Environment(variable)),
            (None, Some(file)) => Some(SecretSource::File(file)),
            // On Azure, an account alone is enough; elsewhere both or neither must be given.
            (None, None) if self.access_key.is_some() => {
                let typed = prompt::secret("secret key")
                    .map_err(|error| fail(FAILED, format_args!("asking for the secret key: {error}")))?;
                typed.map(SecretSource::Typed)
            }
            (None, None) => None,
        };
        let variables =
            self.secret_env.into_iter().map(|(key, variable)| (key, SecretSource::Environment(variable)));
        let files = self.secret_file.into_iter().map(|(key, file)| (key, SecretSource::File(file.into())));
        Ok(Addition {
            bucket,
            url,
            backend: self.backend,
            region: self.region,
            access_key: self.access_key,
            secret_key,
            connection_string: self.connection_string_env,
            credentials: self.credentials_file,
            project: self.project,
            settings: self.set,
            secrets: variables.chain(files).chain(secrets).collect(),
        })
    }
}

/// How a new bucket is tried out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trial {
    /// Whether a place that is missing is made.
    pub(super) create: bool,
    pub(super) check: bool,
}

/// Makes the place of a new bucket if that is wanted, and tries it out. `path` is the configuration, to which
/// nothing is written here.
pub(super) fn try_out(added: &Added, addition: &Addition, trial: Trial, path: &Path) -> Result<(), ExitCode> {
    let Trial { create, check } = trial;
    let settings = added.edit.settings();
    let (name, failed) = (addition.bucket.as_str(), |error| fail(FAILED, error));
    match wait(DataMemory::check(settings, name)) {
        Ok(Some(note)) => say(&format!("{note}\n")),
        Ok(None) => {}
        Err(error) => return Err(fail(FAILED, error)),
    }
    match (&added.directory, create) {
        (Some(directory), true) => std::fs::create_dir_all(directory).map_err(|error| {
            let directory = directory.display();
            fail(FAILED, format_args!("making {directory}: {error}"))
        })?,
        (Some(directory), false) if !directory.is_dir() => {
            return Err(fail(
                FAILED,
                format_args!("there is no directory {}: --create makes it", directory.display()),
            ));
        }
        (None, true) => {
            wait(inspect::create(settings, name)).map_err(failed)?;
            say("the storage has the bucket\n");
        }
        (None, false) if check && added.awaits_authorization => {
            let backend = &added.backend;
            return Err(fail(
                SENSELESS,
                format_args!(
                    "nobody has let backend '{backend}' into the drive yet, so nothing can be tried out: add the bucket with --no-check, \
                     and then let it in with 'causeway backend authorize {backend}'"
                ),
            ));
        }
        (None, false) if check && !wait(inspect::is_there(settings, name)).map_err(failed)? => {
            return Err(fail(
                FAILED,
                format_args!("there is no folder at {}: --create makes it", addition.url),
            ));
        }
        _ => {}
    }
    if check {
        let found = wait(inspect::bucket(settings, name)).map_err(failed)?;
        report::inspected(&found);
        if !found.report.is_sound() {
            return Err(fail(
                FAILED,
                format_args!("bucket '{name}' was not added: nothing was written to {}", path.display()),
            ));
        }
    }
    Ok(())
}

/// A refused change makes no sense; a failed write may succeed later.
pub(super) fn refused(error: EditError) -> ExitCode {
    let code = if matches!(error, EditError::Write { .. }) { FAILED } else { SENSELESS };
    fail(code, error)
}
