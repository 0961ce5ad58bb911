//! `causeway head`: the beginning of an object. What is known of an object is shown by `stat`.

use super::Access;
use crate::{ends::Named, verbs};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Print the beginning of this object.
    end: String,
    /// Print so many lines.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    lines: u64,
    /// Print so many bytes instead.
    #[arg(long, short = 'c', value_name = "N", conflicts_with = "lines")]
    bytes: Option<u64>,
    #[command(flatten)]
    access: Access,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { end, lines, bytes, access } = arguments;
    access.on(end, Named::Object, async |place, out| {
        let mut reading = verbs::open(place, &place.key()?, 0, *bytes).await?;
        let mut left = if bytes.is_some() { u64::MAX } else { *lines };
        while left > 0
            && let Some(piece) = reading.next().await?
        {
            let mut end = 0;
            for line in piece.split_inclusive(|byte| *byte == b'\n') {
                if left == 0 {
                    break;
                }
                end += line.len();
                left -= u64::from(line.ends_with(b"\n") && bytes.is_none());
            }
            out.bytes(&piece[..end])?;
        }
        Ok(())
    })
}
