//! What a run prints: tables, and the goals of the project with what was measured, as text, as Markdown or as
//! one JSON document.
//!
//! Owns: layout and the verdict on a goal. Does not own: any figure. Invariant: with `--json` standard output
//! holds JSON only.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Value, json};

use crate::machine::Machine;

pub enum Cell {
    Text(String),
    /// A figure, and the decimals it is printed with; JSON keeps it whole.
    Figure(f64, usize),
    /// An empty cell: this server has no such row, or the figure has no meaning there.
    Empty,
}

/// A figure with three digits that count, or an empty cell.
pub fn figure(figure: Option<f64>) -> Cell {
    let decimals = |figure: f64| match figure.abs() {
        100.0.. => 0,
        10.0.. => 1,
        0.1.. => 2,
        _ => 3,
    };
    figure
        .filter(|figure| figure.is_finite())
        .map_or(Cell::Empty, |figure| Cell::Figure(figure, decimals(figure)))
}

pub struct Table {
    pub title: String,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
}

/// A figure that is to be at most `limit`.
pub struct Goal {
    pub what: String,
    pub limit: f64,
    pub measured: f64,
    pub unit: &'static str,
}

impl Goal {
    pub fn met(&self) -> bool {
        self.measured <= self.limit
    }
}

#[derive(Default)]
pub struct Report {
    pub tables: Vec<Table>,
    pub goals: Vec<Goal>,
}

impl Report {
    /// Prints everything, and returns whether every goal is met.
    pub fn finish(&self, as_json: bool, machine: &Machine) -> Result<bool> {
        if as_json {
            println!("{}", serde_json::to_string_pretty(&self.document(machine))?);
        } else {
            println!("{}\n\n{}", machine.described(), self.text());
        }
        Ok(self.goals.iter().all(Goal::met))
    }

    fn document(&self, machine: &Machine) -> Value {
        let tables: Vec<Value> = self.tables.iter().map(Table::document).collect();
        let goals: Vec<Value> = self
            .goals
            .iter()
            .map(
                |goal| json!({ "what": goal.what, "at_most": goal.limit, "measured": goal.measured, "unit": goal.unit, "met": goal.met() }),
            )
            .collect();
        json!({ "machine": machine.described(), "tables": tables, "goals": goals })
    }

    fn text(&self) -> String {
        let mut tables: Vec<String> = self.tables.iter().map(Table::text).collect();
        if !self.goals.is_empty() {
            tables.push(self.verdicts().text());
        }
        tables.join("\n")
    }

    pub fn verdicts(&self) -> Table {
        let rows = self.goals.iter().map(|goal| {
            let verdict = if goal.met() { "met" } else { "MISSED" };
            vec![
                Cell::Text(goal.what.clone()),
                Cell::Figure(goal.limit, 3),
                Cell::Figure(goal.measured, 3),
                Cell::Text(goal.unit.into()),
                Cell::Text(verdict.into()),
            ]
        });
        Table {
            title: "Goals".into(),
            columns: ["goal", "at most", "measured", "unit", "verdict"].map(String::from).into(),
            rows: rows.collect(),
        }
    }
}

impl Table {
    fn text(&self) -> String {
        let rows: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(Cell::text).collect()).collect();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                rows.iter()
                    .map(|row| row[column].len())
                    .chain([self.columns[column].len()])
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let left: Vec<bool> = (0..self.columns.len())
            .map(|column| self.rows.iter().any(|row| matches!(row[column], Cell::Text(_))))
            .collect();
        let line = |cells: &[String]| {
            let mut text = String::new();
            for ((cell, width), left) in cells.iter().zip(&widths).zip(&left) {
                let _ =
                    if *left { write!(text, "{cell:<width$}  ") } else { write!(text, "{cell:>width$}  ") };
            }
            text.trim_end().to_owned() + "\n"
        };
        let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        let body: String = rows.iter().map(|row| line(row)).collect();
        format!("{}\n{}{}{}", self.title, line(&self.columns), line(&rule), body)
    }

    pub fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let is_text = |column: usize| self.rows.iter().any(|row| matches!(row[column], Cell::Text(_)));
        let rule = (0..self.columns.len()).map(|column| if is_text(column) { "---" } else { "---:" });
        let mut text = line(self.columns.clone()) + &line(rule.map(str::to_owned).collect());
        for row in &self.rows {
            text += &line(row.iter().map(Cell::text).collect());
        }
        text
    }

    fn document(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                self.columns
                    .iter()
                    .cloned()
                    .zip(row.iter().map(Cell::value))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            })
            .collect();
        json!({ "title": self.title, "rows": rows })
    }
}

impl Cell {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Figure(figure, decimals) => format!("{figure:.decimals$}"),
            Self::Empty => "-".into(),
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Figure(figure, _) => json!(figure),
            Self::Empty => Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_three_digits_that_count() {
        let text = |value: f64| figure(Some(value)).text();
        assert_eq!([0.0649, 1.234, 12.34, 123.4, 4567.0].map(text), ["0.065", "1.23", "12.3", "123", "4567"]);
        assert_eq!((figure(None).text(), figure(Some(f64::NAN)).text()), ("-".to_owned(), "-".to_owned()));
    }

    #[test]
    fn a_table_is_the_same_in_markdown() {
        let rows = vec![
            vec![Cell::Text("GET".into()), figure(Some(1.5))],
            vec![Cell::Text("PUT".into()), Cell::Empty],
        ];
        let table = Table { title: "t".into(), columns: ["work", "µs"].map(String::from).into(), rows };
        assert_eq!(table.markdown(), "| work | µs |\n| --- | ---: |\n| GET | 1.50 |\n| PUT | - |\n");
    }
}
