//! `causeway link`.

use super::Access;
use crate::{
    ends::Named,
    model::Endpoint,
    verbs::{self, Link},
};
use serde_json::json;
use std::{process::ExitCode, time::Duration};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Print an address at which this object can be read without credentials.
    end: String,
    /// Let the link end after this time, of seven days at most. A link to a bucket of a running server ends
    /// after twelve hours.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = span)]
    expires: Duration,
    /// Make a link for writing the object, with PUT.
    #[arg(long)]
    put: bool,
    /// Use this address of the storage in the link, such as https://s3.example.com.
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    endpoint: Option<Endpoint>,
    #[command(flatten)]
    access: Access,
}

fn span(text: &str) -> Result<Duration, String> {
    verbs::span(text).ok_or_else(|| format!("'{text}' is no length of time: write 15m, 1h or 7d"))
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    Endpoint::parse(text).ok_or_else(|| "it must be like https://s3.example.com".to_owned())
}

pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { end, expires, put, endpoint, access } = arguments;
    let wanted = Link { writes: *put, expires: *expires, endpoint: endpoint.clone() };
    access.on(end, Named::Object, async |place, out| {
        let link = verbs::link(place, &wanted).await?;
        out.entry(
            || link.clone(),
            || json!({ "key": place.path, "link": link, "seconds": expires.as_secs() }),
        )
    })
}
