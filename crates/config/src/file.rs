//! A TOML file as a tree of raw values with line numbers.

use super::{
    error::{ConfigError, Origin},
    tree::{Node, Raw, Table},
};
use std::{path::Path, sync::Arc};
use toml::de::{DeTable, DeValue};

pub(super) fn parse(path: &Path, text: &str) -> Result<Table, ConfigError> {
    let lines = Lines { path: path.into(), ends: text.match_indices('\n').map(|(at, _)| at).collect() };
    match DeTable::parse(text) {
        Ok(table) => lines.table(table.get_ref()),
        Err(error) => Err(ConfigError::new(
            lines.at(error.span().map_or(0, |span| span.start)),
            error.message().trim_end(),
        )),
    }
}

struct Lines {
    path: Arc<Path>,
    /// Where each line ends, so that the line of a key is found without reading the file again.
    ends: Vec<usize>,
}

impl Lines {
    fn at(&self, offset: usize) -> Origin {
        let before = self.ends.partition_point(|end| *end < offset);
        Origin::File { path: self.path.clone(), line: 1 + before }
    }

    /// Reads a table in the order of the file, so that the first mistake is reported.
    fn table(&self, table: &DeTable<'_>) -> Result<Table, ConfigError> {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        entries
            .into_iter()
            .map(|(name, value)| {
                Ok((name.get_ref().to_string(), self.node(value.get_ref(), self.at(name.span().start))?))
            })
            .collect()
    }

    fn node(&self, value: &DeValue<'_>, origin: Origin) -> Result<Node, ConfigError> {
        let raw = match value {
            DeValue::String(text) => Raw::Text(text.to_string()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Raw::Integer(number),
                Err(_) => {
                    return Err(ConfigError::new(
                        origin,
                        format!("{} is too large a number", number.as_str()),
                    ));
                }
            },
            DeValue::Boolean(truth) => Raw::Boolean(*truth),
            DeValue::Float(number) => Raw::Fraction(number.as_str().to_owned()),
            DeValue::Datetime(_) => Raw::Other("a date"),
            DeValue::Array(items) => {
                let item =
                    |item: &toml::Spanned<DeValue<'_>>| self.node(item.get_ref(), self.at(item.span().start));
                Raw::List(items.iter().map(item).collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => Raw::Table(self.table(table)?),
        };
        Ok(Node { raw, origin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syntax_error_names_file_and_line() {
        let error = parse(Path::new("c.toml"), "[server]\nlisten = \n").expect_err("half a line");
        assert!(error.to_string().starts_with("c.toml:2: "), "{error}");
    }

    #[test]
    fn a_value_knows_the_line_of_its_key() {
        let table = parse(Path::new("c.toml"), "[server]\n\nlisten = [\n  'a',\n]\n").expect("valid");
        let Raw::Table(server) = &table[0].1.raw else { panic!("a table") };
        assert_eq!(server[0].1.origin.to_string(), "c.toml:3");
    }
}
