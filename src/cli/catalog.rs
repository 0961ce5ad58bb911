//! `causeway catalog export | import | rebuild`.

use super::{Configuration, FAILED, fail, say, wait};
use crate::{
    assembly::StartError,
    operate::{self, Clash, Header, ImportOptions, Imported, Reply, Request, Scanned},
};
use serde::Serialize;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Export what only the catalog knows: the buckets, metadata of objects whose storage keeps none, and the
    /// identities, users, groups, roles and policies that were added while a server ran.
    ///
    /// A running server does the export. Uploads in progress are left out. Secrets stay sealed.
    Export {
        /// Write lines of JSON to this file. "-" is standard output.
        file: PathBuf,
        #[command(flatten)]
        place: CatalogArguments,
    },
    /// Import an exported catalog into a data directory, while no server uses it.
    ///
    /// Nothing is changed if a line makes no sense, or if a bucket is elsewhere. The next start scans every
    /// bucket.
    Import {
        /// Read this file, which `causeway catalog export` wrote.
        file: PathBuf,
        /// Replace objects, identities, users, groups, roles and policies that the catalog knows already.
        /// Without this option they stay as they are.
        #[arg(long)]
        replace: bool,
        /// Leave out identities, users, groups, roles and policies. Their secrets can be unsealed only with
        /// .causeway/identities.key of the data directory that they come from.
        #[arg(long)]
        without_identities: bool,
        #[command(flatten)]
        place: CatalogArguments,
    },
    /// Build the index that listings come from again, while no server runs.
    ///
    /// After an interruption, the next start of the server completes it.
    Rebuild {
        #[command(flatten)]
        place: CatalogArguments,
    },
}

/// The catalog that a command is about.
#[derive(Debug, clap::Args)]
pub(super) struct CatalogArguments {
    #[command(flatten)]
    configuration: Configuration,
    /// Use this data directory of the server, instead of that of the configuration.
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
}

impl CatalogArguments {
    pub(super) fn settings(&self) -> Result<crate::config::Settings, ExitCode> {
        self.configuration.load_with(self.data.as_deref())
    }
}

pub(super) fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::Export { file, place } => export(&file, &place),
        Command::Import { file, replace, without_identities, place } => {
            let clash = if replace { Clash::Replace } else { Clash::Keep };
            import(&file, ImportOptions { clash, with_identities: !without_identities }, &place)
        }
        Command::Rebuild { place } => rebuild(&place),
    };
    done.unwrap_or_else(|code| code)
}

fn export(file: &Path, place: &CatalogArguments) -> Result<ExitCode, ExitCode> {
    let settings = place.settings()?;
    let failed = |error: io::Error| StartError::because(format_args!("writing {}", file.display()), error);
    let exported = wait(async {
        let mut out = Out::begin(file).map_err(failed)?;
        out.line(&Header::default()).map_err(failed)?;
        let hear = async |reply| match reply {
            Reply::Row(row) => out.line(&row).map_err(failed),
            _ => Ok(()),
        };
        operate::ask(&settings, Request::Export, hear).await?;
        out.end().map_err(failed)
    });
    exported.map(|()| ExitCode::SUCCESS).map_err(|error| fail(FAILED, error))
}

fn import(file: &Path, options: ImportOptions, place: &CatalogArguments) -> Result<ExitCode, ExitCode> {
    let settings = place.settings()?;
    let imported = wait(operate::import(&settings, file, options)).map_err(|error| fail(FAILED, error))?;
    let Imported { buckets, objects, identities, members, kept } = imported;
    let mut text = format!("imported {buckets} buckets and {objects} objects");
    for (count, words) in [
        (identities, "identities"),
        (members, "users, groups, roles and policies"),
        (kept, "were there and were kept"),
    ] {
        if count > 0 {
            text += &format!(", {count} {words}");
        }
    }
    say(&(text + "\n"));
    Ok(ExitCode::SUCCESS)
}

fn rebuild(place: &CatalogArguments) -> Result<ExitCode, ExitCode> {
    let settings = place.settings()?;
    let mut failures = 0;
    let hear = async |bucket: &str, scanned: Result<Option<Scanned>, String>| match scanned {
        Ok(Some(Scanned { folders, objects, .. })) => {
            say(&format!("bucket {bucket}: {objects} objects in {folders} folders\n"))
        }
        Ok(None) => say(&format!("bucket {bucket}: its storage lists itself\n")),
        Err(error) => {
            failures += 1;
            let _ = fail(FAILED, error);
        }
    };
    wait(operate::rebuild(&settings, hear)).map_err(|error| fail(FAILED, error))?;
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// A file that appears once it is complete, or standard output.
enum Out<'f> {
    File { file: BufWriter<File>, draft: PathBuf, path: &'f Path },
    Standard(BufWriter<io::Stdout>),
}

impl<'f> Out<'f> {
    fn begin(path: &'f Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Standard(BufWriter::new(io::stdout())));
        }
        let mut draft = path.as_os_str().to_owned();
        draft.push(format!(".{}", std::process::id()));
        let draft = PathBuf::from(draft);
        // Metadata may be private.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        Ok(Self::File { file: BufWriter::new(file), draft, path })
    }

    fn line(&mut self, row: &impl Serialize) -> io::Result<()> {
        let out: &mut dyn Write = match self {
            Self::File { file, .. } => file,
            Self::Standard(out) => out,
        };
        serde_json::to_writer(&mut *out, row)?;
        out.write_all(b"\n")
    }

    fn end(mut self) -> io::Result<()> {
        match &mut self {
            Self::Standard(out) => out.flush(),
            Self::File { file, draft, path } => {
                file.flush()?;
                file.get_ref().sync_all()?;
                fs::rename(draft, path)
            }
        }
    }
}

impl Drop for Out<'_> {
    fn drop(&mut self) {
        if let Self::File { draft, .. } = self {
            // The draft is already gone if the file is complete.
            let _ = fs::remove_file(draft);
        }
    }
}
