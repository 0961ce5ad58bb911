//! `causeway mkdir`.

use super::{Access, out::printable};
use crate::{ends::Named, verbs};
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Make this folder: a directory, or an empty object whose key ends with '/'. Folders that have objects
    /// need none.
    end: String,
    #[command(flatten)]
    access: Access,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { end, access } = arguments;
    // The path may not exist yet: it is named like an object, with the folder above it as the end.
    access.on(end.trim_end_matches('/'), Named::Object, async |place, out| {
        let key = verbs::make_folder(place).await?;
        out.done(|| format!("made {}", printable(&place.label)), || json!({ "key": key.as_str() }))
    })
}
