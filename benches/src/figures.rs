//! What `run` measured, and the tables that are made of it.
//!
//! Owns: the ratios, the verdict on each goal. Does not own: measuring, or how a table is printed.

use crate::peers::{Peer, Role};
use crate::report::{self, Cell, Report, Table};
use crate::server::Server;
use crate::work::{Goal, MIB, Row, Work};

/// The server that others are compared with, and that the goals are about.
const OURS: &str = "causeway-relaxed";
const FLOOR: &str = "nginx";
/// The highest resident memory at the end of a run.
const MEMORY_MEBIBYTES: f64 = 64.0;

pub struct Figures {
    peers: Vec<&'static Peer>,
    /// Servers that were wanted, and whose programs are not there.
    pub skipped: Vec<&'static Peer>,
    work: Vec<&'static Work>,
    /// By work, then by server.
    pub rows: Vec<Vec<Row>>,
    /// Resident bytes at the end, by server.
    pub memory: Vec<u64>,
    /// MD5 alone in ms/MiB, once for each round of each row.
    pub md5: Vec<f64>,
}

impl Figures {
    pub fn new(servers: &[Server], work: &[&'static Work], skipped: Vec<&'static Peer>) -> Self {
        let row = || servers.iter().map(|_| Row::default()).collect();
        Self {
            peers: servers.iter().map(|server| server.peer).collect(),
            skipped,
            work: work.to_vec(),
            rows: work.iter().map(|_| row()).collect(),
            memory: vec![0; servers.len()],
            md5: Vec::new(),
        }
    }

    pub fn report(&self) -> Report {
        let tables = vec![self.cost(), self.relative(), self.rate(), self.detail()];
        Report { tables, goals: self.goals() }
    }

    /// The tables of the document.
    pub fn documented(&self) -> [Table; 3] {
        [self.cost(), self.relative(), self.rate()]
    }

    /// The median: one round that was disturbed does not count.
    pub fn md5_alone(&self) -> f64 {
        let mut all = self.md5.clone();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.peers.iter().position(|peer| peer.name == name)
    }

    /// The CPU time of a server, if it took part.
    fn cost_of(&self, work: usize, column: Option<usize>) -> Option<f64> {
        let row = &self.rows[work][column?];
        (row.seen.requests > 0).then(|| self.work[work].cost(row))
    }

    fn columns(&self, first: &str) -> Vec<String> {
        let titles = self.peers.iter().map(|peer| peer.title.to_owned());
        std::iter::once(first.to_owned()).chain(titles).collect()
    }

    fn named(work: &Work) -> Cell {
        Cell::Text(format!("{}, {}", work.name, work.unit()))
    }

    fn cost(&self) -> Table {
        let mut columns = self.columns("work");
        columns.push("MD5 alone".to_owned());
        let mut rows: Vec<Vec<Cell>> = Vec::new();
        for (at, work) in self.work.iter().enumerate() {
            let mut row = vec![Self::named(work)];
            row.extend((0..self.peers.len()).map(|column| report::figure(self.cost_of(at, Some(column)))));
            row.push(report::figure(matches!(work.goal, Goal::TimesMd5(_)).then(|| self.md5_alone())));
            rows.push(row);
        }
        let mut memory = vec![Cell::Text("resident at the end, MiB".into())];
        memory.extend(self.memory.iter().map(|bytes| report::figure(Some(*bytes as f64 / MIB as f64))));
        memory.push(Cell::Empty);
        rows.push(memory);
        Table { title: "Server CPU: per request, or per MiB that was moved".into(), columns, rows }
    }

    /// How much more than Causeway each server needs.
    fn relative(&self) -> Table {
        let ours = self.column(OURS);
        let mut rows: Vec<Vec<Cell>> = Vec::new();
        for (at, work) in self.work.iter().enumerate() {
            let base = self.cost_of(at, ours);
            let ratio = |column| Some(self.cost_of(at, Some(column))? / base?);
            let mut row = vec![Cell::Text(work.name.into())];
            row.extend((0..self.peers.len()).map(|column| report::figure(ratio(column))));
            rows.push(row);
        }
        let base = ours.map(|column| self.memory[column] as f64);
        let mut memory = vec![Cell::Text("resident at the end".into())];
        memory.extend(self.memory.iter().map(|bytes| report::figure(base.map(|base| *bytes as f64 / base))));
        rows.push(memory);
        Table { title: "The same, with Causeway as 1".into(), columns: self.columns("work"), rows }
    }

    fn rate(&self) -> Table {
        let mut rows: Vec<Vec<Cell>> = Vec::new();
        for (at, work) in self.work.iter().enumerate() {
            let unit = work.rate(&Row::default()).1;
            let rate = |row: &Row| (row.seen.requests > 0).then(|| work.rate(row).0);
            let mut cells = vec![Cell::Text(format!("{}, {unit}", work.name))];
            cells.extend(self.rows[at].iter().map(|row| report::figure(rate(row))));
            rows.push(cells);
        }
        let title = "On the clock, with the clients on the same cores".into();
        Table { title, columns: self.columns("work"), rows }
    }

    fn detail(&self) -> Table {
        let columns = ["work", "server", "durability", "requests", "p50 ms", "p99 ms", "CPU", "peak MiB"];
        let mut rows = Vec::new();
        for (work, row) in self.work.iter().zip(&self.rows) {
            for (peer, row) in self.peers.iter().zip(row).filter(|(_, row)| row.seen.requests > 0) {
                let mut seen = row.seen.clone();
                rows.push(vec![
                    Self::named(work),
                    Cell::Text(peer.name.into()),
                    Cell::Text(peer.durability.into()),
                    Cell::Figure(seen.requests as f64, 0),
                    Cell::Figure(seen.percentile(0.50), 2),
                    Cell::Figure(seen.percentile(0.99), 2),
                    report::figure(Some(work.cost(row))),
                    Cell::Figure(row.peak as f64 / MIB as f64, 1),
                ]);
            }
        }
        Table { title: "Each server".into(), columns: columns.map(String::from).into(), rows }
    }

    fn goals(&self) -> Vec<report::Goal> {
        let ours = self.column(OURS);
        let floor = self.column(FLOOR);
        let mut goals = Vec::new();
        for (at, work) in self.work.iter().enumerate() {
            let Some(cost) = self.cost_of(at, ours) else { continue };
            let (limit, measured, against) = match work.goal {
                Goal::Figure(limit) => (limit, cost, work.unit()),
                Goal::TimesMd5(limit) => (limit, cost / self.md5_alone(), "times MD5 alone"),
                Goal::TimesNginx(limit) => match self.cost_of(at, floor) {
                    Some(floor) => (limit, cost / floor, "times nginx"),
                    None => continue,
                },
            };
            goals.push(report::Goal { what: work.name.into(), limit, measured, unit: against });
        }
        if let Some(column) = ours {
            let measured = self.memory[column] as f64 / MIB as f64;
            let what = "resident at the end".into();
            goals.push(report::Goal { what, limit: MEMORY_MEBIBYTES, measured, unit: "MiB" });
        }
        goals
    }

    /// The ratios to those servers that do everything, for the README.
    pub fn short(&self) -> Table {
        let Table { title, columns, rows } = self.relative();
        let whole = |at: &usize| *at == 0 || self.peers[at - 1].role == Role::Whole;
        let kept: Vec<usize> = (0..columns.len()).filter(whole).collect();
        let pick = |row: Vec<Cell>| {
            let mut row: Vec<Option<Cell>> = row.into_iter().map(Some).collect();
            kept.iter().filter_map(|at| row[*at].take()).collect()
        };
        let columns = kept.iter().map(|at| columns[*at].clone()).collect();
        Table { title, columns, rows: rows.into_iter().map(pick).collect() }
    }
}
