//! `causeway snapshot restore`: a copy whose source is a snapshot.

use super::super::{
    out::Out,
    rules::Rules,
    run::{Going, Pair},
};
use super::{key::Key, show::SHOWN};
use crate::{
    ends::{Failure, Named, Opener, Place},
    snapshot::{Snapshot, View},
    store::ListRequest,
    transfer::{End, options::Verb},
    verbs,
};
use std::{process::ExitCode, sync::Arc};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The folder of the repository, at any END.
    repository: String,
    /// The snapshot: its name, enough of the beginning of it, or `latest`.
    snapshot: String,
    /// Bring it to this folder, at any END.
    destination: String,
    /// Bring only what is below this folder of the snapshot. Its name is left away.
    #[arg(long, value_name = "FOLDER", default_value = "")]
    path: String,
    #[command(flatten)]
    key: Key,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    going: Going,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { repository, destination, going, .. } = arguments;
    going.access.run(async |opener, out| {
        let ends = ((repository.as_str(), Named::Folder), (destination.as_str(), Named::Folder));
        opener
            .open_both(ends.0, ends.1, async |from, to| arguments.between(opener, out, from, to).await)
            .await
    })
}

impl Arguments {
    async fn between(
        &self,
        opener: &Opener<'_>,
        out: &mut Out,
        source: &Place,
        destination: &Place,
    ) -> Result<(), Failure> {
        let failed = |error| verbs::snapshot_failure(&error);
        let repository = verbs::repository(source, &self.key.read()?).await?;
        let snapshot = Snapshot::find(&repository, &self.snapshot).await.map_err(failed)?;
        let name = snapshot.name.to_string();
        let part = format!("#{name}/{}", self.path);
        let pair = Pair { source, destination, part: &part };
        pair.refuse_overlap()?;
        let view = View::open(repository, &snapshot).await.map_err(failed)?;
        let label = format!("{} of {}", &name[..SHOWN], source.label);
        let from = End::new(Arc::new(view), self.path.trim_start_matches('/'), &label);
        let request = ListRequest { prefix: from.prefix().to_owned(), limit: 1, ..ListRequest::default() };
        let page = from.store.list(request).await;
        let page = page.map_err(|error| Failure::of_store(format_args!("listing '{label}'"), &error))?;
        if page.entries.is_empty() {
            return Err(Failure::missing(format!("'{label}': there is nothing below '{}'", self.path)));
        }
        let options = self.rules.options(Verb::Copy, None, &destination.prefix())?;
        self.going.run(opener, out, &pair, (from, verbs::folder(destination)), options, None).await
    }
}
