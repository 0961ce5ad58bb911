//! The environment as a source: `CAUSEWAY__SECTION__KEY=value`, laid over the tree of the file.

use super::{
    error::{ConfigError, Origin},
    settings::LISTS,
    tree::{Node, Raw, Table},
};
use std::collections::BTreeMap;

pub(super) const PREFIX: &str = "CAUSEWAY__";

/// Variables whose name is not a path of keys.
const SHORT: &[(&str, &[&str])] = &[("CAUSEWAY_LOG", &["server", "log_level"])];

pub(super) fn overlay(tree: &mut Table, environment: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    let mut said: Vec<(Vec<String>, &str, &str)> = Vec::new();
    for (variable, value) in environment {
        if let Some(path) = variable.strip_prefix(PREFIX) {
            said.push((path.split("__").map(str::to_ascii_lowercase).collect(), variable, value));
        } else if let Some((_, path)) = SHORT.iter().find(|(short, _)| short == variable) {
            said.push((path.iter().map(|segment| segment.to_string()).collect(), variable, value));
        }
    }
    // Entries of lists come in the order of their numbers: 2 before 10.
    said.sort_by_cached_key(|(path, ..)| path.iter().map(|s| (s.parse::<usize>().unwrap_or(0), s.clone())).collect::<Vec<_>>());
    for (path, variable, value) in said {
        let origin = Origin::Environment(variable.into());
        if path.iter().any(String::is_empty) || path.len() < 2 {
            return Err(ConfigError::new(origin, format!("is not of the form {PREFIX}SECTION__KEY")));
        }
        set(tree, &path, Node::text(value, origin.clone())).map_err(|problem| ConfigError::new(origin, problem))?;
    }
    Ok(())
}

/// As [`Node::set`], on the root, where the names of lists of tables are known.
pub(super) fn set(tree: &mut Table, path: &[String], value: Node) -> Result<(), String> {
    let mut root = Node { raw: Raw::Table(std::mem::take(tree)), origin: Origin::Default };
    if let (Raw::Table(table), Some(first)) = (&mut root.raw, path.first())
        && LISTS.contains(&first.as_str())
        && !table.iter().any(|(name, _)| name == first)
    {
        table.push((first.clone(), Node { raw: Raw::List(Vec::new()), origin: value.origin.clone() }));
    }
    let result = root.set(path, value);
    if let Raw::Table(table) = root.raw {
        *tree = table;
    }
    result
}
