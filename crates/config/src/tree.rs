//! The content of the sources before it is interpreted: one tree of raw values, each with its origin.

use super::error::Origin;

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

#[derive(Debug, Clone)]
pub(super) enum Raw {
    Text(String),
    Integer(i64),
    Boolean(bool),
    /// A number with a fraction, as it was written.
    Fraction(String),
    /// The name of a TOML type that no setting has, such as a date.
    Other(&'static str),
    List(Vec<Node>),
    Table(Table),
}

/// The entries of a table, in the order of the source.
pub(super) type Table = Vec<(String, Node)>;

impl Node {
    pub(super) fn text(text: impl Into<String>, origin: Origin) -> Self {
        Self { raw: Raw::Text(text.into()), origin }
    }

    /// Puts `value` at `path`, and replaces what was there. Missing tables are created. Numbers below a list
    /// are indexes.
    pub(super) fn set(&mut self, path: &[String], value: Node) -> Result<(), String> {
        let Some((first, rest)) = path.split_first() else {
            *self = value;
            return Ok(());
        };
        let origin = value.origin.clone();
        let empty = || Node { raw: Raw::Table(Table::new()), origin: origin.clone() };
        if let Raw::List(items) = &mut self.raw
            && items.iter().all(|item| matches!(item.raw, Raw::Table(_)))
        {
            let index: usize = first
                .parse()
                .map_err(|_| format!("'{first}' is not the number of an entry (the first is 0)"))?;
            if index > items.len() {
                return Err(format!(
                    "entry {index} would leave a gap: there are {} so far, numbered from 0",
                    items.len()
                ));
            }
            if index == items.len() {
                items.push(empty());
            }
            return items[index].set(rest, value);
        }
        if !matches!(self.raw, Raw::Table(_)) {
            *self = empty();
        }
        let Raw::Table(table) = &mut self.raw else { return Ok(()) };
        let at = match table.iter().position(|(name, _)| same_name(name, first)) {
            Some(at) => at,
            None => {
                table.push((first.clone(), empty()));
                table.len() - 1
            }
        };
        table[at].1.set(rest, value)
    }
}

/// Returns whether two names are the same, as far as a variable can show: the name of a variable cannot
/// contain the hyphens and dots that names of backends and buckets may have.
fn same_name(name: &str, given: &str) -> bool {
    name.len() == given.len()
        && name
            .bytes()
            .zip(given.bytes())
            .all(|(n, g)| n.eq_ignore_ascii_case(&g) || (g == b'_' && matches!(n, b'-' | b'.')))
}
