//! `causeway snapshot create`.

use super::super::{
    Access,
    filters::Filters,
    out::{Out, printable, size},
    run::{Pair, until_stopped},
};
use super::{key::Key, show::SHOWN};
use crate::{
    ends::{Failure, Named, Place},
    model::Timestamp,
    snapshot::{Create, Created, Said},
    transfer::filter::Filter,
    verbs,
};
use serde_json::json;
use std::{process::ExitCode, sync::Arc};
use tokio_util::sync::CancellationToken;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Take what is below this folder.
    source: String,
    /// The folder of the repository, at any END.
    repository: String,
    #[command(flatten)]
    key: Key,
    /// Also read objects whose size, ETag and time are those of the snapshot before.
    #[arg(long)]
    read_all: bool,
    /// Read so many objects at once.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    transfers: u16,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    access: Access,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { source, repository, access, .. } = arguments;
    access.run(async |opener, out| {
        opener
            .open_both((source, Named::Folder), (repository, Named::Folder), async |from, to| {
                arguments.between(out, from, to).await
            })
            .await
    })
}

impl Arguments {
    async fn between(&self, out: &mut Out, source: &Place, target: &Place) -> Result<(), Failure> {
        Pair { source, destination: target, part: "" }.refuse_overlap()?;
        let repository = verbs::repository(target, &self.key.read()?).await?;
        verbs::something_below(source).await?;
        let now = Timestamp::now();
        let filter = Filter::new(&self.filters.options()?, now);
        let filter = filter.map_err(|error| Failure::senseless(error.to_string()))?;
        let (cancel, is_quiet) = (CancellationToken::new(), out.is_quiet());
        let run = Create {
            source: verbs::folder(source),
            identity: source.whole(),
            repository,
            filter: Arc::new(filter),
            reads_all: self.read_all,
            at_once: self.transfers.into(),
            now,
            cancel: cancel.clone(),
            hear: Arc::new(move |said| tell(&said, is_quiet)),
        };
        let made = async { run.run().await.map_err(|error| verbs::snapshot_failure(&error)) };
        let made = until_stopped(made, &cancel).await?;
        let Created { snapshot, read, read_bytes, stored_bytes } = &made;
        let line = || {
            format!(
                "snapshot {}: {} objects ({}), {read} read ({}), {} stored",
                &snapshot.name.to_string()[..SHOWN],
                snapshot.objects,
                size(snapshot.bytes, true),
                size(*read_bytes, true),
                size(*stored_bytes, true)
            )
        };
        let value = || {
            let mut value = super::show::value(snapshot);
            value["read"] = json!(read);
            value["read_bytes"] = json!(read_bytes);
            value["stored_bytes"] = json!(stored_bytes);
            value
        };
        out.done(line, value)?;
        match snapshot.failed {
            0 => Ok(()),
            failed => Err(Failure::failed(format!(
                "{failed} objects could not be read, and are not in the snapshot: the reasons are above"
            ))),
        }
    }
}

fn tell(said: &Said, is_quiet: bool) {
    let (name, text) = match said {
        Said::Failed { name, reason } => (name, reason),
        Said::Warning { .. } if is_quiet => return,
        Said::Warning { name, message } => (name, message),
    };
    let of = if name.is_empty() { String::new() } else { format!("{}: ", printable(name)) };
    eprintln!("causeway: {of}{}", printable(text));
}
