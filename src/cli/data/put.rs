//! `causeway put`: from standard input to an object.

use super::Access;
use crate::{
    ends::{Failure, Named},
    store::condition::{ETagMatch, WriteConditions},
    verbs::{self, Body, Described},
};
use bytes::Bytes;
use serde_json::json;
use std::{
    io::{self, Read},
    process::ExitCode,
};
use tokio::sync::mpsc;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Write standard input to this object. It is replaced once all of the input has come.
    end: String,
    /// Give the object this type.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Give the object this user metadata. The option may be repeated.
    #[arg(long = "metadata", short, value_name = "NAME=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
    /// Fail if the object exists.
    #[arg(long)]
    if_absent: bool,
    #[command(flatten)]
    access: Access,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_lowercase(), value.to_owned())),
        _ => Err("it must be NAME=VALUE".to_owned()),
    }
}

const PIECE: usize = 256 << 10;
/// Maximum number of pieces that wait to be written.
const AHEAD: usize = 2;

/// Reads standard input on a thread of its own, which nobody waits for: a command that fails ends at once, even
/// if a terminal sends nothing more.
fn input() -> Body {
    let (pieces, receiver) = mpsc::channel(AHEAD);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let mut piece = vec![0; PIECE];
            let read = match input.read(&mut piece) {
                Ok(0) => return,
                Ok(read) => {
                    piece.truncate(read);
                    Ok(Bytes::from(piece))
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            if pieces.blocking_send(read).is_err() {
                return;
            }
        }
    });
    let next = |mut receiver: mpsc::Receiver<io::Result<Bytes>>| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    };
    Box::pin(futures_util::stream::unfold(receiver, next))
}

pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { end, content_type, metadata, if_absent, access } = arguments;
    access.on(end, Named::Object, async |place, out| {
        if place.path.is_empty() || place.path.ends_with('/') {
            let label = &place.label;
            return Err(Failure::senseless(format!(
                "'{label}' is a folder: write the name of an object behind it"
            )));
        }
        let mut described = Described::default();
        described.attributes.content_type = content_type.clone();
        described.attributes.user = metadata.iter().cloned().collect();
        if *if_absent {
            described.conditions =
                WriteConditions { if_none_match: Some(ETagMatch::Any), ..WriteConditions::default() };
        }
        let (size, written) = verbs::write(place, input(), described).await?;
        out.done(
            || format!("{size} bytes written to {}", place.label),
            || json!({ "key": place.path, "size": size, "etag": written.etag.as_str() }),
        )
    })
}
