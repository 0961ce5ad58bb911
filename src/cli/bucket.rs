//! `causeway bucket list | validate | scan | scrub | add | adopt | remove | forget`.

use super::{
    Configuration, FAILED, SENSELESS,
    catalog::CatalogArguments,
    fail, report, say,
    storage::{self, StorageArguments, Trial, refused},
    wait,
};
use crate::{
    config,
    operate::{self, Adoption, DataMemory, Done, Finding, Reply, Request, Scanned, ScrubCounts, inspect},
};
use serde_json::json;
use std::{io::IsTerminal, path::Path, process::ExitCode};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show the buckets of the configuration.
    List {
        #[command(flatten)]
        configuration: Configuration,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Try out whether objects of a bucket can be listed, written, read and deleted. The exit code is 1 if
    /// not.
    Validate {
        /// Check the bucket of this name in the configuration.
        name: String,
        #[command(flatten)]
        configuration: Configuration,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Scan a bucket's storage for what other programs created, changed or removed, so that listings show it.
    ///
    /// The scan looks at what has changed, as the upkeep of a server does from time to time. A running server
    /// does the scan. After an interruption, the next scan continues about where this one stopped.
    Scan {
        /// Scan the bucket of this name.
        name: String,
        #[command(flatten)]
        place: CatalogArguments,
        /// Compare every file: on local disk, this finds files that were changed in place, too.
        #[arg(long)]
        full: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Compare what a bucket lists with its objects. The exit code is 1 if anything differs or cannot be
    /// read.
    ///
    /// Caches are not asked. Nothing is repaired: `replicate scrub` does that for buckets on several
    /// backends. A running server does the work. Files that are in the storage and not listed are found by a
    /// scan.
    Scrub {
        /// Compare the bucket of this name.
        name: String,
        #[command(flatten)]
        place: CatalogArguments,
        /// Read every object too, and compare its bytes with its ETag, its checksum and its size.
        #[arg(long)]
        bytes: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Try out a bucket, then add it and the backend that it needs to the configuration.
    ///
    /// Secrets are stored sealed. Nothing is written if a check fails.
    Add(Box<AddArguments>),
    /// Make a bucket of data that is on a backend already and was not created through S3.
    ///
    /// Clients cannot do this: a client that creates a bucket of that name is refused. A running server does
    /// the work.
    Adopt {
        /// Give the bucket this name for clients.
        name: String,
        #[command(flatten)]
        place: CatalogArguments,
        /// Look on this backend [default: that of buckets created through S3].
        #[arg(long, value_name = "NAME")]
        backend: Option<String>,
        /// Look in this bucket or container, on backends that have such [default: that of the backend, or
        /// else NAME].
        #[arg(long, value_name = "NAME")]
        remote: Option<String>,
        /// Take this directory on the backend, or this prefix in the remote bucket [default: NAME, or all of
        /// a remote bucket].
        #[arg(long, value_name = "PATH")]
        prefix: Option<String>,
        /// Give the bucket to the identity with this access key [default: the first administrator].
        #[arg(long, value_name = "KEY")]
        owner: Option<String>,
    },
    /// Forget a bucket that is not in the configuration, while no server runs. Its objects stay where they
    /// are.
    Forget {
        /// Forget the bucket of this name.
        name: String,
        #[command(flatten)]
        place: CatalogArguments,
    },
    /// Remove a bucket from the configuration. Its data stays where it is.
    Remove {
        /// Remove the bucket of this name from the configuration.
        name: String,
        #[command(flatten)]
        configuration: Configuration,
        /// Use this data directory of the server, instead of that of the configuration.
        #[arg(long, value_name = "DIR")]
        data: Option<String>,
        /// Remove its backend too. No other bucket may be on it.
        #[arg(long)]
        with_backend: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct AddArguments {
    /// Give the bucket this name for clients.
    name: String,
    /// Look at this place: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX,
    /// https://HOST/BUCKET/PREFIX, sftp://USER@HOST/FOLDER, ftps:// or ftp://, davs:// or dav://,
    /// gdrive:FOLDER, onedrive:FOLDER, dropbox:FOLDER, the type of any other backend and ':FOLDER', or a
    /// path.
    url: String,
    #[command(flatten)]
    configuration: Configuration,
    /// Use this data directory of the server, instead of that of the configuration.
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    #[command(flatten)]
    storage: StorageArguments,
}

pub(super) fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::List { configuration, json } => list(&configuration, json),
        Command::Validate { name, configuration, json } => validate(&name, &configuration, json),
        Command::Scan { name, place, full, json } => scan(name, &place, full, json),
        Command::Scrub { name, place, bytes, json } => scrub(name, &place, bytes, json),
        Command::Add(arguments) => add(*arguments),
        Command::Adopt { name, place, backend, remote, prefix, owner } => {
            adopt(name, &place, (backend, remote, prefix), owner)
        }
        Command::Forget { name, place } => forget(&name, &place),
        Command::Remove { name, configuration, data, with_backend } => {
            remove(&name, &configuration, data, with_backend)
        }
    };
    done.unwrap_or_else(|code| code)
}

fn list(configuration: &Configuration, as_json: bool) -> Result<ExitCode, ExitCode> {
    let settings = configuration.load()?;
    let rows = settings.buckets.iter().map(|(name, bucket)| {
        let (place, location) = (settings.place_of(name, bucket), settings.location_of(name, bucket));
        (name.as_str().to_owned(), settings.backend_of(bucket).to_owned(), place, location)
    });
    if as_json {
        let row = |(name, backend, place, location)| json!({ "name": name, "backend": backend, "place": place, "location": location });
        report::document(&json!({ "buckets": rows.map(row).collect::<Vec<_>>() }));
    } else {
        let rows: Vec<_> = rows.map(|(name, backend, _, location)| vec![name, backend, location]).collect();
        report::table(&["NAME", "BACKEND", "WHERE"], &rows, "the configuration has no bucket");
    }
    Ok(ExitCode::SUCCESS)
}

fn validate(name: &str, configuration: &Configuration, as_json: bool) -> Result<ExitCode, ExitCode> {
    let settings = configuration.load()?;
    let found = wait(inspect::bucket(&settings, name)).map_err(|error| fail(FAILED, error))?;
    Ok(report::conclude(&found, as_json))
}

fn scan(bucket: String, place: &CatalogArguments, full: bool, as_json: bool) -> Result<ExitCode, ExitCode> {
    let settings = place.settings()?;
    let is_watched = !as_json && std::io::stderr().is_terminal();
    let words = |Scanned { folders, objects, changed }| {
        format!("{objects} objects in {folders} folders, {changed} were not as listed")
    };
    let hear = async |reply| {
        if let (Reply::Scanning(counts), true) = (reply, is_watched) {
            eprint!("\r{}", words(counts));
        }
        Ok(())
    };
    let done = wait(operate::ask(&settings, Request::Scan { bucket: bucket.clone(), full }, hear));
    if is_watched {
        eprint!("\r\x1b[K");
    }
    match done.map_err(|error| fail(FAILED, error))? {
        Done::Scanned(counts) if as_json => {
            report::document(&json!({ "bucket": bucket, "indexed": true, "scanned": counts }))
        }
        Done::Scanned(counts) => say(&format!("bucket {bucket}: {}\n", words(counts))),
        _ if as_json => report::document(&json!({ "bucket": bucket, "indexed": false })),
        _ => say(&format!("bucket {bucket}: its storage lists itself, there is nothing to scan\n")),
    }
    Ok(ExitCode::SUCCESS)
}

/// Maximum number of findings in a JSON document. The counts include all.
const FINDINGS: usize = 10_000;

fn scrub(bucket: String, place: &CatalogArguments, bytes: bool, as_json: bool) -> Result<ExitCode, ExitCode> {
    let settings = place.settings()?;
    let is_watched = !as_json && std::io::stderr().is_terminal();
    let mut findings: Vec<Finding> = Vec::new();
    let hear = async |reply| {
        match reply {
            Reply::Differs(finding) if as_json && findings.len() < FINDINGS => findings.push(finding),
            Reply::Differs(Finding { key, what }) if !as_json => {
                if is_watched {
                    eprint!("\r\x1b[K");
                }
                // Quoted, and with control characters escaped: a client may choose any key.
                say(&format!("{key:?}: {what}\n"));
            }
            Reply::Scrubbing(counts) if is_watched => eprint!("\r{}", scrubbed(&counts, bytes)),
            _ => {}
        }
        Ok(())
    };
    let done = wait(operate::ask(&settings, Request::Scrub { bucket: bucket.clone(), bytes }, hear));
    if is_watched {
        eprint!("\r\x1b[K");
    }
    let counts = match done.map_err(|error| fail(FAILED, error))? {
        Done::Scrubbed(counts) => counts,
        _ => return Err(fail(FAILED, "the server answered something else")),
    };
    if as_json {
        report::document(&json!({ "bucket": bucket, "bytes": bytes, "counts": counts, "findings": findings }))
    } else {
        say(&format!("bucket {bucket}: {}\n", scrubbed(&counts, bytes)))
    }
    Ok(if counts.differing + counts.failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// `at` is the backend, the remote bucket and the prefix, as far as they were given.
fn adopt(
    bucket: String,
    place: &CatalogArguments,
    at: (Option<String>, Option<String>, Option<String>),
    owner: Option<String>,
) -> Result<ExitCode, ExitCode> {
    let settings = place.settings()?;
    let owner = owner
        .map(|key| operate::owner(&settings, &key))
        .transpose()
        .map_err(|error| fail(SENSELESS, error))?;
    let (backend, remote, prefix) = at;
    let prefix = prefix.map(|prefix| prefix.trim_matches('/').to_owned());
    let adoption = Adoption { bucket: bucket.clone(), backend, remote, prefix, owner };
    let done = wait(operate::ask(&settings, Request::Adopt(adoption), async |_| Ok(())));
    match done.map_err(|error| fail(FAILED, error))? {
        Done::Adopted { backend, place, owner } => {
            say(&format!(
                "'{place}' on backend '{backend}' is bucket {bucket} now, and belongs to {owner}\n"
            ));
            Ok(ExitCode::SUCCESS)
        }
        _ => Err(fail(FAILED, "the server answered something else")),
    }
}

fn forget(name: &str, place: &CatalogArguments) -> Result<ExitCode, ExitCode> {
    let settings = place.settings()?;
    if settings.buckets.keys().any(|known| known.as_str() == name) {
        return Err(fail(
            SENSELESS,
            format_args!("bucket '{name}' is in the configuration: 'causeway bucket remove' takes it out"),
        ));
    }
    let memory = DataMemory::open(&settings)
        .map_err(|error| fail(FAILED, format_args!("{error}: stop it first; nothing was changed")))?;
    let Some(memory) = memory else { return Err(fail(FAILED, format_args!("there is no bucket '{name}'"))) };
    if !wait(memory.knows(name)).map_err(|error| fail(FAILED, error))? {
        return Err(fail(FAILED, format_args!("there is no bucket '{name}'")));
    }
    let words = wait(memory.forget(name)).map_err(|error| fail(FAILED, error))?;
    let lines =
        [format!("bucket '{name}' is forgotten; its objects stay where they are")].into_iter().chain(words);
    say(&(lines.collect::<Vec<_>>().join("\n") + "\n"));
    Ok(ExitCode::SUCCESS)
}

fn scrubbed(counts: &ScrubCounts, bytes: bool) -> String {
    let ScrubCounts { objects, bytes: read, differing, failed, changed, unverified } = counts;
    let mut words = format!(
        "{objects} objects looked at, {differing} differ, {failed} failed, {changed} changed meanwhile"
    );
    if bytes {
        words += &format!(", {read} bytes read, {unverified} objects have nothing to tell their bytes by");
    }
    words
}

fn add(arguments: AddArguments) -> Result<ExitCode, ExitCode> {
    let AddArguments { name, url, configuration, data, storage } = arguments;
    let (path, sources) = (configuration.path().to_owned(), configuration.sources(data.as_deref()));
    let trial = Trial { create: storage.create, check: !storage.no_check };
    let addition = storage.addition(name, url, Vec::new())?;
    let added = config::add(&path, sources, &addition).map_err(refused)?;
    storage::try_out(&added, &addition, trial, &path)?;

    let name = &addition.bucket;
    let mut words = added.notes.clone();
    words.extend(added.backend_is_new.then(|| format!("added backend '{}'", added.backend)));
    words.push(format!("added bucket '{name}' on backend '{}'", added.backend));
    words.extend(added.edit.write().map_err(refused)?);
    written(&path, words);
    Ok(ExitCode::SUCCESS)
}

fn written(path: &Path, mut words: Vec<String>) {
    let path = path.display();
    words.push(format!(
        "{path} is written; a running server takes it up on SIGHUP, any other at its next start: causeway serve --config {path}"
    ));
    say(&(words.join("\n") + "\n"));
}

fn remove(
    name: &str,
    configuration: &Configuration,
    data: Option<String>,
    with_backend: bool,
) -> Result<ExitCode, ExitCode> {
    let (path, sources) = (configuration.path(), configuration.sources(data.as_deref()));
    let removed = config::remove(path, sources, name, with_backend).map_err(refused)?;
    // Held until everything is done, so that no server starts in between.
    let memory = DataMemory::open(removed.edit.settings()).map_err(|error| {
        fail(
            FAILED,
            format_args!("{error}: stop it first, or it goes on serving the bucket; nothing was changed"),
        )
    })?;
    let mut words = vec![format!("removed bucket '{name}'; its data stay where they are")];
    words.extend(with_backend.then(|| format!("removed backend '{}'", removed.backend)));
    words.extend(removed.edit.write().map_err(refused)?);
    if let Some(memory) = memory {
        let forgotten = wait(memory.forget(name));
        words.extend(
            forgotten
                .map_err(|error| fail(FAILED, format_args!("{} is written, but {error}", path.display())))?,
        );
    }
    written(path, words);
    Ok(ExitCode::SUCCESS)
}
