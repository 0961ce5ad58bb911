//! Writes what was measured into Markdown documents, between marks.
//!
//! Owns: which part of which document is generated. Invariant: text outside the marks stays as it is, and a
//! document without the marks is an error, not a document that silently keeps old figures.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::figures::Figures;
use crate::machine::Machine;
use crate::options::Options;
use crate::peers::PEERS;
use crate::report::Report;
use crate::server::{Program, Programs};

const BENCHMARKS: &str = "docs/benchmarks.md";
const README: &str = "README.md";
const END: &str = "<!-- end -->";

/// Writes the figures of `run`.
pub fn write_side_by_side(figures: &Figures, options: &Options, machine: &Machine) -> Result<()> {
    let mut text = format!("Measured on {}.\n\n", machine.described());
    let _ = writeln!(text, "{}\n", versions(&options.programs));
    let skipped: Vec<&str> = figures.skipped.iter().map(|peer| peer.title).collect();
    if !skipped.is_empty() {
        let _ = writeln!(text, "Skipped, because the program was not there: {}.\n", skipped.join(", "));
    }
    let _ = writeln!(
        text,
        "Rounds for each cell: {}, of {} s. MD5 alone, in the same run: {:.2} ms/MiB.\n",
        options.rounds,
        options.slice.as_secs_f64(),
        figures.md5_alone()
    );
    for table in figures.documented() {
        let _ = writeln!(text, "**{}**\n\n{}", table.title, table.markdown());
    }
    let report = figures.report();
    let verdicts = report.verdicts();
    let _ = write!(text, "**Goals of Causeway, relaxed durability**\n\n{}", verdicts.markdown());
    replace(Path::new(BENCHMARKS), "side by side", &text)?;
    if options.programs.is_debug_build() {
        eprintln!("{README} stays as it is: this is a debug build");
        return Ok(());
    }
    replace(Path::new(README), "figures", &figures.short().markdown())
}

/// Writes the tables of `scale`.
pub fn write_scale(report: &Report, options: &Options, machine: &Machine) -> Result<()> {
    let mut text = format!("Measured on {}.\n\n{}\n\n", machine.described(), versions(&options.programs));
    for table in &report.tables {
        let _ = writeln!(text, "**{}**\n\n{}", table.title, table.markdown());
    }
    let _ = write!(text, "**Goals**\n\n{}", report.verdicts().markdown());
    replace(Path::new(BENCHMARKS), "scale", &text)
}

fn versions(programs: &Programs) -> String {
    let named = |(name, program): (&String, &Program)| {
        let peer = PEERS.iter().find(|peer| peer.program == name);
        format!("{} {}", peer.map_or(name.as_str(), |peer| peer.title), program.version)
    };
    let versions = programs.of.iter().map(named).collect::<Vec<_>>().join(", ");
    let debug = match programs.is_debug_build() {
        true => " **This is a debug build of Causeway**, whose figures say nothing about a release.",
        false => "",
    };
    format!("Versions: {versions}.{debug}")
}

/// Replaces what is between the mark of this name and the end mark after it.
fn replace(path: &Path, mark: &str, text: &str) -> Result<()> {
    let document = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let replaced = replaced(&document, mark, text)
        .with_context(|| format!("{} has no mark of '{mark}', or none after it", path.display()))?;
    fs::write(path, replaced).with_context(|| format!("write {}", path.display()))
}

fn replaced(document: &str, mark: &str, text: &str) -> Option<String> {
    let begin = format!("<!-- {mark}: generated -->\n");
    let (before, rest) = document.split_once(&begin)?;
    let after = &rest[rest.find(END)?..];
    Some(format!("{before}{begin}{}\n{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let document =
            "a\n<!-- x: generated -->\nold\n<!-- end -->\nb\n<!-- y: generated -->\n<!-- end -->\n";
        assert_eq!(
            replaced(document, "x", "new\n").expect("the mark is there"),
            "a\n<!-- x: generated -->\nnew\n<!-- end -->\nb\n<!-- y: generated -->\n<!-- end -->\n"
        );
        assert_eq!(replaced(document, "z", "new"), None);
    }
}
