//! `causeway cat`.

use super::Access;
use crate::{ends::Named, verbs};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Print these objects, one after the other.
    #[arg(required = true)]
    ends: Vec<String>,
    /// Begin at this byte.
    #[arg(long, value_name = "BYTE", default_value_t = 0)]
    offset: u64,
    /// Print so many bytes at most.
    #[arg(long, value_name = "BYTES")]
    count: Option<u64>,
    #[command(flatten)]
    access: Access,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { ends, offset, count, access } = arguments;
    access.run(async |opener, out| {
        for end in ends {
            let place = opener.open(end, Named::Object).await?;
            let printed = async {
                let mut reading = verbs::open(&place, &place.key()?, *offset, *count).await?;
                while let Some(bytes) = reading.next().await? {
                    out.bytes(&bytes)?;
                }
                Ok(())
            };
            let printed = printed.await;
            place.end().await;
            printed?;
        }
        Ok(())
    })
}
