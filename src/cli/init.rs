//! `causeway init`: the first configuration, with one bucket on one backend.
//!
//! Owns the questions, and what a person is told at the end. `config` makes the configuration, and `storage`
//! tries it out, as for `bucket add`.
//!
//! Invariants: each question has an option, and only what no option answers is asked, at a terminal; nothing
//! is written before the storage was tried out; a file that exists is replaced only where `--force` says so.

use super::{
    Configuration, FAILED, SENSELESS, fail, prompt, say,
    storage::{self, StorageArguments, Trial},
};
use crate::{
    config::{self, Addition, Address, Need, Needs, SecretSource, Settings},
    operate,
};
use std::{path::Path, process::ExitCode};

const LISTEN: &str = "127.0.0.1:9000";
const DATA: &str = "./causeway-data";
const PLACES: &str = "Where are the objects of the first bucket, or where shall they be?\n\
    \x20 ./photos, /srv/photos            a directory of this machine\n\
    \x20 s3://BUCKET/PREFIX               AWS\n\
    \x20 https://HOST/BUCKET/PREFIX       MinIO, Ceph, R2, Wasabi and others that speak S3\n\
    \x20 gs://BUCKET  az://CONTAINER      Google Cloud Storage, Azure Blob Storage\n\
    \x20 sftp://USER@HOST/FOLDER          also ftps://, ftp://, davs:// and dav://\n\
    \x20 b2:FOLDER                        the name of any other type of backend, and a colon\n";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Give the first bucket this name for clients.
    #[arg(long, value_name = "NAME")]
    bucket: Option<String>,
    /// Keep its objects at this place: a path, or a URL as `bucket add` takes it.
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    storage: StorageArguments,
    /// Serve S3 at this address [default: 127.0.0.1:9000].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Keep the server's own files in this directory [default: ./causeway-data].
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Replace a configuration that exists.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    configuration: Configuration,
}

pub(super) fn run(arguments: Arguments) -> ExitCode {
    done(arguments).unwrap_or_else(|code| code)
}

fn done(arguments: Arguments) -> Result<ExitCode, ExitCode> {
    let Arguments { bucket, url, mut storage, listen, data, force, configuration } = arguments;
    let path = configuration.path().to_owned();
    if path.exists() && !force {
        let path = path.display();
        return Err(fail(
            SENSELESS,
            format_args!("{path} exists: --force replaces it, and 'causeway bucket add' adds a bucket to it"),
        ));
    }
    let mut asking = Asking::new();
    let bucket = asking.needed(bucket, "Name of the first bucket", "--bucket NAME")?;
    if asking.is_at_terminal && url.is_none() {
        eprint!("{PLACES}");
    }
    let url = asking.needed(url, "Place", "--url URL")?;
    let secrets = if url.is_empty() { Vec::new() } else { of_backend(&mut asking, &url, &mut storage)? };
    let listen = asking.with_default(listen, "Address at which S3 is served", LISTEN)?;
    let data = asking.with_default(data, "Directory of the server's own files", DATA)?;
    asking.complete()?;
    let mut trial = Trial { create: storage.create, check: !storage.no_check };
    let addition = storage.addition(bucket, url, secrets)?;
    let server = [("listen", listen), ("data", data)];
    let begun = config::begin(&path, configuration.sources(None), &server, &addition);
    let begun = begun.map_err(storage::refused)?;
    if let Some(directory) = begun.directory.as_ref().filter(|directory| !directory.exists())
        && !trial.create
    {
        trial.create = asking.agrees(&format!("There is no directory {}. Make it?", directory.display()))?;
    }
    storage::try_out(&begun, &addition, trial, &path)?;
    let settings = begun.edit.settings().clone();
    // Fails before anything is written, where a server uses the data directory.
    let next = next(&settings, &addition, &path)?;
    let mut words = begun.notes.clone();
    words.extend(begun.edit.write().map_err(storage::refused)?);
    words.push(format!("{} is written", path.display()));
    say(&(words.join("\n") + "\n" + &next));
    Ok(ExitCode::SUCCESS)
}

/// Asks for what a new backend needs beside its URL. Returns the secrets that were typed.
fn of_backend(
    asking: &mut Asking,
    url: &str,
    storage: &mut StorageArguments,
) -> Result<Vec<(String, SecretSource)>, ExitCode> {
    let mut typed = Vec::new();
    match config::needs(url).map_err(|why| fail(SENSELESS, why))? {
        Needs::Nothing => {}
        // `addition` asks for the secret of an access key.
        Needs::AccessKey => {
            let question = "Access key [empty: from where the provider's own tools look]";
            storage.access_key = asking.optional(storage.access_key.take(), question)?;
        }
        Needs::Account { is_named } => {
            if !is_named && storage.connection_string_env.is_none() {
                storage.access_key =
                    Some(asking.needed(storage.access_key.take(), "Account", "--access-key ACCOUNT")?);
            }
        }
        Needs::GoogleAccount => {
            let question =
                "File with the JSON of a Google account [empty: from where Google's own tools look]";
            let file = storage.credentials_file.take().map(|file| file.to_string_lossy().into_owned());
            storage.credentials_file = asking.optional(file, question)?.map(Into::into);
        }
        Needs::Keys(all) => {
            for need in all {
                let is_given = |pairs: &[(String, String)]| pairs.iter().any(|(key, _)| key == need.key);
                if [&storage.set, &storage.secret_env, &storage.secret_file]
                    .into_iter()
                    .any(|all| is_given(all))
                {
                    continue;
                }
                if need.is_secret {
                    typed.extend(secret(asking, &need)?.map(|secret| (need.key.to_owned(), secret)));
                } else {
                    let option = format!("--set {}=VALUE", need.key);
                    let value = asking.needed(None, &format!("{} ({})", need.key, need.help), &option)?;
                    storage.set.push((need.key.to_owned(), value));
                }
            }
        }
    }
    Ok(typed)
}

/// A secret is typed without echo. `@FILE` reads it from a file: keys have several lines.
fn secret(asking: &mut Asking, need: &Need) -> Result<Option<SecretSource>, ExitCode> {
    let option = format!("--secret-env {}=VARIABLE", need.key);
    if !asking.is_at_terminal {
        if need.is_required {
            asking.missing.push(option);
        }
        return Ok(None);
    }
    let question = format!("{} ({}; @FILE reads a file; empty: none)", need.key, need.help);
    let typed = prompt::secret(&question).map_err(asked)?.unwrap_or_default();
    Ok(match typed.strip_prefix('@') {
        _ if typed.is_empty() => None,
        Some(file) => Some(SecretSource::File(file.into())),
        None => Some(SecretSource::Typed(typed)),
    })
}

fn asked(error: std::io::Error) -> ExitCode {
    fail(FAILED, format_args!("asking at the terminal: {error}"))
}

/// Asks a person, or notes what is missing where there is none.
struct Asking {
    is_at_terminal: bool,
    /// The options without which nothing can be done.
    missing: Vec<String>,
}

impl Asking {
    fn new() -> Self {
        Self { is_at_terminal: prompt::is_at_terminal(), missing: Vec::new() }
    }

    /// Without an answer it is empty, and `complete` fails.
    fn needed(&mut self, given: Option<String>, question: &str, option: &str) -> Result<String, ExitCode> {
        let mut answer = given.unwrap_or_default();
        while answer.is_empty() && self.is_at_terminal {
            answer = prompt::line(&format!("{question}: ")).map_err(asked)?;
        }
        if answer.is_empty() {
            self.missing.push(option.to_owned());
        }
        Ok(answer)
    }

    fn optional(&self, given: Option<String>, question: &str) -> Result<Option<String>, ExitCode> {
        if given.is_some() || !self.is_at_terminal {
            return Ok(given);
        }
        let answer = prompt::line(&format!("{question}: ")).map_err(asked)?;
        Ok(Some(answer).filter(|answer| !answer.is_empty()))
    }

    fn with_default(&self, given: Option<String>, question: &str, default: &str) -> Result<String, ExitCode> {
        let answer = self.optional(given, &format!("{question} [{default}]"))?;
        Ok(answer.unwrap_or_else(|| default.to_owned()))
    }

    /// Without a terminal nobody agrees.
    fn agrees(&self, question: &str) -> Result<bool, ExitCode> {
        if !self.is_at_terminal {
            return Ok(false);
        }
        let answer = prompt::line(&format!("{question} [Y/n]: ")).map_err(asked)?;
        Ok(answer.is_empty() || answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes"))
    }

    fn complete(&self) -> Result<(), ExitCode> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let missing = self.missing.join(", ");
        Err(fail(
            SENSELESS,
            format_args!("there is no terminal to ask at, and these options are missing: {missing}"),
        ))
    }
}

/// What to do next, and what to paste where.
fn next(settings: &Settings, addition: &Addition, path: &Path) -> Result<String, ExitCode> {
    let generated = operate::first_credentials(settings).map_err(|error| fail(FAILED, error))?;
    let root = settings.root.as_ref().map_or("ACCESS_KEY", |root| root.access_key.as_str());
    // A secret that somebody has set is not repeated.
    let (key, secret) = generated.as_ref().map_or((root, "$CAUSEWAY_ROOT_PASSWORD"), |generated| {
        (generated.access_key.as_str(), generated.secret_key.expose())
    });
    let (bucket, path) = (&addition.bucket, path.display());
    let address = settings.server.listen.0.first().map(Address::for_clients).unwrap_or_default();
    let endpoint = format!("http://{address}");
    let region = settings.server.region_name();
    Ok(format!(
        "\nStart the server:\n\
         \n    causeway serve --config {path}\n\
         \naws-cli:\n\
         \n    export AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={secret}\
         \n    export AWS_ENDPOINT_URL={endpoint} AWS_REGION={region}\
         \n    aws s3 ls s3://{bucket}\n\
         \nrclone, in rclone.conf:\n\
         \n    [causeway]\
         \n    type = s3\
         \n    provider = Other\
         \n    access_key_id = {key}\
         \n    secret_access_key = {secret}\
         \n    endpoint = {endpoint}\
         \n    region = {region}\n\
         \n    rclone ls causeway:{bucket}\n\
         \nmc:\n\
         \n    mc alias set causeway {endpoint} {key} {secret}\
         \n    mc ls causeway/{bucket}\n"
    ))
}
