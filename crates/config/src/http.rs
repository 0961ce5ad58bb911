//! The settings that all backends reached over HTTP share: they are written and described here only.
//!
//! Each of these backends has them beside its own keys, and chooses two defaults: storages differ in how fast
//! they answer, and in how many requests they take at once. SFTP and FTP have keys of the same names that mean
//! something else there: they time a session, not a request.

use super::{
    error::ConfigErrors,
    section::{
        Fallback::{Text, Unset},
        Reader, Row,
    },
    value::Setting,
};
use std::{path::PathBuf, time::Duration};

#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    pub timeout: Duration,
    pub connect_timeout: Duration,
    pub attempts: usize,
    pub max_requests: usize,
    pub ca_file: Option<PathBuf>,
}

impl Http {
    pub(super) const fn rows(timeout: &'static str, max_requests: &'static str) -> [Row; 5] {
        [
            Row {
                name: "timeout",
                kind: Duration::KIND,
                fallback: Text(timeout),
                help: "A reply, or the next piece of one, must come within this time.",
            },
            Row {
                name: "connect_timeout",
                kind: Duration::KIND,
                fallback: Text("3s"),
                help: "TCP and TLS must be done within this time. A storage that has never answered, or not since it \
                       was lost, must say something within it, too.",
            },
            Row {
                name: "attempts",
                kind: usize::KIND,
                fallback: Text("4"),
                help: "Maximum number of times that a request is sent, if repeating it is safe.",
            },
            Row {
                name: "max_requests",
                kind: usize::KIND,
                fallback: Text(max_requests),
                help: "Maximum number of requests in flight; further ones wait, and are answered 503 SlowDown after \
                       `timeout`.",
            },
            Row {
                name: "ca_file",
                kind: <Option<PathBuf>>::KIND,
                fallback: Unset("the public authorities only"),
                help: "A PEM file with certificates to trust besides the public ones.",
            },
        ]
    }

    /// Reads the keys that `rows` names. Keys that a section does not have are its reader's to find.
    pub(super) fn read(reader: &mut Reader<'_>, rows: &[Row; 5]) -> Result<Self, ConfigErrors> {
        let mut wrong = ConfigErrors::default();
        let [timeout, connect_timeout, attempts, max_requests, ca_file] = rows;
        let timeout = wrong.note(reader.row(timeout));
        let connect_timeout = wrong.note(reader.row(connect_timeout));
        let (attempts, max_requests) =
            (wrong.note(reader.row(attempts)), wrong.note(reader.row(max_requests)));
        let ca_file = wrong.note(reader.row(ca_file));
        match (timeout, connect_timeout, attempts, max_requests, ca_file) {
            (Some(timeout), Some(connect_timeout), Some(attempts), Some(max_requests), Some(ca_file)) => {
                Ok(Self { timeout, connect_timeout, attempts, max_requests, ca_file })
            }
            _ => Err(wrong),
        }
    }

    pub(super) fn show(&self) -> Vec<(&'static str, Option<String>)> {
        let Self { timeout, connect_timeout, attempts, max_requests, ca_file } = self;
        vec![
            ("timeout", timeout.show()),
            ("connect_timeout", connect_timeout.show()),
            ("attempts", attempts.show()),
            ("max_requests", max_requests.show()),
            ("ca_file", ca_file.show()),
        ]
    }

    /// The keys whose values differ.
    pub(super) fn changed(&self, other: &Self) -> Vec<&'static str> {
        let differ = [
            ("timeout", self.timeout != other.timeout),
            ("connect_timeout", self.connect_timeout != other.connect_timeout),
            ("attempts", self.attempts != other.attempts),
            ("max_requests", self.max_requests != other.max_requests),
            ("ca_file", self.ca_file != other.ca_file),
        ];
        differ.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }
}
