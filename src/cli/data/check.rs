//! `causeway check`: both ends are compared, and nothing is changed.

use super::{
    Access,
    events::Events,
    filters::Filters,
    out::printable,
    pace::{Pace, clock},
    run::until_stopped,
};
use crate::{
    ends::{Failure, Named, Place},
    model::Timestamp,
    transfer::{Check, CheckOptions, Mark, events::Event},
    verbs,
};
use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    compared: Compared,
    /// Let the destination have what the source has not.
    #[arg(long)]
    one_way: bool,
    /// Write a line for each name to this file: '=' the same, '*' different, '+' only at the source, '-' only
    /// at the destination, '!' not compared.
    #[arg(long, value_name = "FILE")]
    combined: Option<PathBuf>,
}

/// Two folders, and how they are compared.
#[derive(Debug, clap::Args)]
pub(super) struct Compared {
    /// Compare what is below this folder.
    source: String,
    /// Compare with what is below this folder.
    destination: String,
    /// Compare sizes alone.
    #[arg(long, conflicts_with = "download")]
    size_only: bool,
    /// Read both ends, even where checksums could be compared.
    #[arg(long)]
    download: bool,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    pace: Pace,
    #[command(flatten)]
    access: Access,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { compared, one_way, combined } = arguments;
    compared.run(Mark::sign, *one_way, combined.as_deref())
}

impl Compared {
    /// Compares both folders. Each difference is printed with its sign.
    pub(super) fn run(&self, sign: fn(Mark) -> char, one_way: bool, combined: Option<&Path>) -> ExitCode {
        let Self { source, destination, access, .. } = self;
        access.run(async |opener, out| {
            opener
                .open_both((source, Named::Folder), (destination, Named::Folder), async |from, to| {
                    let mut events = Events::of_check(out, sign, access.verbose);
                    let mut combined = combined.map(Combined::create).transpose()?;
                    let check = self.check(from, to, one_way).await?;
                    let cancel = check.cancel.clone();
                    let compared = verbs::check(check, |event| {
                        if let Some(combined) = &mut combined {
                            combined.write(&event)?;
                        }
                        events.hear(event)
                    });
                    let summary = until_stopped(compared, &cancel).await?;
                    combined.map_or(Ok(()), Combined::end)?;
                    events.found(&summary)
                })
                .await
        })
    }

    async fn check(&self, source: &Place, destination: &Place, one_way: bool) -> Result<Check, Failure> {
        verbs::something_below(source).await?;
        let Self { size_only, download, .. } = *self;
        let options = CheckOptions { one_way, size_only, read: download, filter: self.filters.options()? };
        let ends = (verbs::folder(source), verbs::folder(destination));
        let mut check = Check::new(ends.0, ends.1, options, Timestamp::now());
        check.tuning = self.pace.tuning()?;
        check.clock = clock();
        Ok(check)
    }
}

/// The file of `--combined`.
struct Combined<'p> {
    path: &'p Path,
    file: BufWriter<File>,
}

impl<'p> Combined<'p> {
    fn create(path: &'p Path) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|error| failed(path, &error))?;
        Ok(Self { path, file: BufWriter::new(file) })
    }

    fn write(&mut self, event: &Event) -> Result<(), Failure> {
        let Event::Checked { name, mark, .. } = event else { return Ok(()) };
        writeln!(self.file, "{} {}", mark.sign(), printable(name)).map_err(|error| failed(self.path, &error))
    }

    fn end(mut self) -> Result<(), Failure> {
        self.file.flush().map_err(|error| failed(self.path, &error))
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("writing {}: {error}", path.display()))
}
