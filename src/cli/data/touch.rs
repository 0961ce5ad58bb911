//! `causeway touch`.

use super::{Access, out::printable};
use crate::{ends::Named, model::Timestamp, verbs};
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Make this object, without bytes, or give it the current time.
    end: String,
    /// Use this time instead: a day, or a moment such as 2026-11-30T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    time: Option<Timestamp>,
    /// Do not make an object that does not exist.
    #[arg(long)]
    no_create: bool,
    #[command(flatten)]
    access: Access,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("'{text}' is no time: write 2026-11-30 or 2026-11-30T12:00:00Z");
    Timestamp::parse_day_or_time(text).ok_or_else(wrong)
}

pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { end, time, no_create, access } = arguments;
    access.on(end, Named::Object, async |place, out| {
        let at = time.unwrap_or_else(Timestamp::now);
        let made = verbs::touch(place, at, *no_create).await?;
        let words = if made { "made" } else { "touched" };
        let line = || format!("{words} {}", printable(&place.label));
        out.done(line, || json!({ "key": place.path, "made": made, "time": at.iso8601() }))
    })
}
