//! The output of commands: tables and reports for people, JSON for machines.

use super::say;
use crate::operate::inspect::{Inspected, StepOutcome};
use serde_json::{Value, json};
use std::{fmt::Write, process::ExitCode};

/// Columns as wide as their widest cell. Without rows, prints the text for that case.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>], none: &str) {
    if rows.is_empty() {
        return say(&format!("{none}\n"));
    }
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([headings[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let mut text = String::new();
    let headings = headings.iter().map(|heading| (*heading).to_owned()).collect();
    for row in std::iter::once(&headings).chain(rows) {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    say(&text);
}

pub(super) fn document(value: &Value) {
    say(&format!("{value:#}\n"));
}

/// Prints what was found, one line per step.
pub(super) fn inspected(found: &Inspected) {
    let report = &found.report;
    let width = report.steps.iter().map(|step| step.step.chars().count()).max().unwrap_or_default();
    let mut text = format!(
        "backend {}, in {}\n",
        found.backend,
        if found.location.is_empty() { "all of it" } else { &found.location }
    );
    for step in &report.steps {
        let _ = writeln!(text, "{:<6}  {:<width$}  {}", step.outcome, step.step, step.words);
    }
    if !report.promises.is_empty() {
        let promises: Vec<String> = report
            .promises
            .iter()
            .map(|(name, value)| format!("{} {value}", name.replace('_', " ")))
            .collect();
        let _ = writeln!(text, "clients are promised: {}", promises.join(", "));
    }
    let count = |outcome| report.count(outcome);
    let _ = write!(
        text,
        "{} ok, {} no, {} failed",
        count(StepOutcome::Ok),
        count(StepOutcome::No),
        count(StepOutcome::Failed)
    );
    text += if report.complete { "\n" } else { "; the rest was not tried\n" };
    say(&text);
}

pub(super) fn inspected_document(found: &Inspected) -> Value {
    let report = &found.report;
    json!({
        "backend": found.backend,
        "place": found.location,
        "ok": report.is_sound(),
        "complete": report.complete,
        "steps": report.steps,
        "promises": report.promises,
    })
}

/// Prints what was found, and returns the exit code: a capability that a storage lacks is no failure.
pub(super) fn conclude(found: &Inspected, as_json: bool) -> ExitCode {
    if as_json {
        document(&inspected_document(found))
    } else {
        inspected(found)
    }
    if found.report.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(super::FAILED) }
}
