//! `causeway verify`.

use super::{
    Access,
    out::{Out, printable, size},
};
use crate::{
    ends::{Failure, FailureKind, Named},
    verbs::{self, Verified, VerifySummary},
};
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Read this object, or everything below this folder, and compare the bytes with the recorded checksums.
    end: String,
    /// Read so many objects at once.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    checkers: u16,
    #[command(flatten)]
    access: Access,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { end, checkers, access } = arguments;
    access.on(end, Named::Folder, async |place, out| {
        let hear = |key: &str, verified: &Verified| tell(out, key, verified, access.verbose);
        let summary = verbs::verify(place, (*checkers).into(), hear).await?;
        let VerifySummary { verified, damaged, unrecorded, failed, bytes } = summary;
        let line = || {
            format!(
                "{verified} verified ({}), {damaged} damaged, {unrecorded} without a checksum of the whole, {failed} not \
                 read",
                size(bytes, true)
            )
        };
        out.done(line, || {
            let mut value = json!(summary);
            value["event"] = json!("summary");
            value
        })?;
        match (damaged, failed) {
            (0, 0) => Ok(()),
            (0, _) => Err(Failure::failed("some objects could not be read: the reasons are above")),
            _ => Err(Failure::new(FailureKind::Different, format!("{damaged} objects are damaged"))),
        }
    })
}

fn tell(out: &mut Out, key: &str, verified: &Verified, says_all: bool) -> Result<(), Failure> {
    let name = printable(key);
    match verified {
        Verified::Damaged { algorithm, recorded, found } => {
            let algorithm = algorithm.as_str();
            out.entry(
                || format!("damaged {name}: its {algorithm} is {found}, and {recorded} is recorded"),
                || json!({ "key": key, "result": "damaged", "algorithm": algorithm, "recorded": recorded, "found": found }),
            )
        }
        Verified::Failed(failure) => {
            eprintln!("causeway: {}", printable(&failure.to_string()));
            let reason = failure.to_string();
            if out.is_json() {
                out.entry(String::new, || json!({ "key": key, "result": "failed", "reason": reason }))
            } else {
                Ok(())
            }
        }
        Verified::Whole(algorithm) if says_all || out.is_json() => {
            let algorithm = algorithm.as_str();
            let value = || json!({ "key": key, "result": "verified", "algorithm": algorithm });
            out.done(|| format!("verified {name} ({algorithm})"), value)
        }
        Verified::Unrecorded if says_all || out.is_json() => {
            out.done(|| format!("not recorded {name}"), || json!({ "key": key, "result": "unrecorded" }))
        }
        Verified::Whole(_) | Verified::Unrecorded => Ok(()),
    }
}
