//! `causeway user | group | role | policy`: members of an account and their policies.
//!
//! Each command is one action of IAM that the account calls. Owns how an action is sent, and how its result is
//! shown. The commands themselves are in the files below.

pub(super) mod group;
pub(super) mod held;
pub(super) mod policy;
pub(super) mod role;
pub(super) mod user;

use super::{FAILED, SENSELESS, catalog::CatalogArguments, fail, report, wait};
use crate::operate::{self, Action, Done, Hidden, Members, Request};
use serde_json::Value;
use std::{io::Read, process::ExitCode};

/// The account that a command is about, and how its result is shown.
#[derive(Debug, clap::Args)]
pub(super) struct To {
    /// Use the account with this access key [default: the first administrator].
    #[arg(long, value_name = "ACCESS_KEY")]
    account: Option<String>,
    #[command(flatten)]
    place: CatalogArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// An action with its parameters.
type Asked<'a> = (&'a str, Vec<(&'a str, String)>);

impl To {
    fn send(&self, asked: Members) -> Result<Value, ExitCode> {
        let settings = self.place.settings()?;
        let done = wait(operate::ask(&settings, Request::Members(asked), async |_| Ok(())));
        match done.map_err(|error| fail(FAILED, error))? {
            Done::Members(Hidden(json)) => serde_json::from_str(&json).map_err(|error| fail(FAILED, error)),
            other => Err(fail(FAILED, format_args!("an unexpected reply: {other:?}"))),
        }
    }

    fn call(&self, (action, parameters): Asked<'_>) -> Result<Value, ExitCode> {
        let parameters = parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        self.send(Members::Call(Action {
            account: self.account.clone(),
            action: action.to_owned(),
            parameters,
        }))
    }

    /// Calls an action whose result says nothing that a person needs.
    fn carry_out(&self, asked: Asked<'_>) -> Result<ExitCode, ExitCode> {
        let result = self.call(asked)?;
        if self.json {
            report::document(&result);
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Lists all pages. `columns` are headings, each with the element that it shows.
    fn list(
        &self,
        asked: Asked<'_>,
        list: &str,
        columns: &[(&str, &str)],
        none: &str,
    ) -> Result<ExitCode, ExitCode> {
        let all = self.all(asked, list)?;
        if self.json {
            report::document(&Value::Array(all));
        } else {
            table(&all, columns, none);
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The entries of all pages.
    fn all(&self, (action, parameters): Asked<'_>, list: &str) -> Result<Vec<Value>, ExitCode> {
        let (mut all, mut marker) = (Vec::new(), None);
        loop {
            let mut parameters = parameters.clone();
            parameters.extend(marker.take().map(|marker| ("Marker", marker)));
            let page = self.call((action, parameters))?;
            all.extend(page[list].as_array().cloned().unwrap_or_default());
            marker = page["Marker"].as_str().map(str::to_owned);
            if marker.is_none() {
                return Ok(all);
            }
        }
    }
}

/// Prints entries: texts, or objects of which each column shows one element.
fn table(all: &[Value], columns: &[(&str, &str)], none: &str) {
    let cell = |item: &Value, element: &str| match item {
        Value::String(text) => text.clone(),
        other => other[element].as_str().unwrap_or_default().to_owned(),
    };
    let row = |item: &Value| columns.iter().map(|(_, element)| cell(item, element)).collect();
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let headings: Vec<&str> = columns.iter().map(|(heading, _)| *heading).collect();
    report::table(&headings, &rows, none);
}

/// The text of a file, or of standard input for `-`.
fn read(path: &str) -> Result<String, ExitCode> {
    let mut text = String::new();
    let read = match path {
        "-" => std::io::stdin().lock().read_to_string(&mut text).map(drop),
        path => std::fs::read_to_string(path).map(|read| text = read),
    };
    read.map(|()| text).map_err(|error| fail(SENSELESS, format_args!("reading {path}: {error}")))
}
