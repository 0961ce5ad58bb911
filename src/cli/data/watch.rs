//! `causeway watch`: the end is listed again and again, and what has changed is printed.

use super::{
    Access,
    ls::described,
    out::{Out, printable},
};
use crate::{
    assembly::signals,
    ends::{Failure, Named, Place},
    verbs::{self, Entry, Seen, What},
};
use std::{path::PathBuf, process::ExitCode, time::Duration};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Watch what is below this folder.
    end: String,
    /// List it so often: 30s, 15m, 2h.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = interval)]
    interval: Duration,
    /// End after so many listings.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rounds: Option<u64>,
    /// Keep what was seen in this file, and begin with what it says. Without it, nothing is printed about
    /// what is there at first.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    #[command(flatten)]
    access: Access,
}

fn interval(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no time: write 30s, 15m or 2h, and at least 1s");
    verbs::span(text).filter(|span| !span.is_zero()).ok_or_else(wrong)
}

pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { end, access, .. } = arguments;
    access.on(end, Named::Folder, async |place, out| {
        let (mut stopping, mut hang_up) = signals::install().map_err(|error| Failure::of_start(&error))?;
        tokio::select! {
            watched = watch(arguments, place, out) => watched,
            () = stopping.wait() => Ok(()),
            _ = hang_up.recv() => Ok(()),
        }
    })
}

async fn watch(arguments: &Arguments, place: &Place, out: &mut Out) -> Result<(), Failure> {
    let mut seen = Seen::open(arguments.state.as_deref())?;
    let mut ticks = tokio::time::interval(arguments.interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut round = 0;
    while arguments.rounds.is_none_or(|most| round < most) {
        ticks.tick().await;
        let is_first = seen.is_first();
        let name = |entry: &Entry| {
            let key = entry.key();
            key.strip_prefix(&place.prefix()).unwrap_or(key).to_owned()
        };
        seen.look(place, |what, entry| if is_first { Ok(()) } else { tell(out, what, entry, &name(entry)) })
            .await?;
        out.end()?;
        round += 1;
    }
    Ok(())
}

fn tell(out: &mut Out, what: What, entry: &Entry, name: &str) -> Result<(), Failure> {
    let sign = match what {
        What::New => '+',
        What::Changed => '*',
        What::Gone => '-',
    };
    let value = || {
        let mut value = described(entry, name);
        value["event"] = serde_json::json!(what);
        value
    };
    out.entry(|| format!("{sign} {}", printable(name)), value)
}
