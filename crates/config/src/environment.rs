//! The environment as a source: `CAUSEWAY__SECTION__KEY=value`, which overrides the tree of the file.

use super::{
    error::{ConfigError, ConfigErrors, Origin},
    section::{Row, Section},
    sections::is_list,
    settings::{Defaults, Server},
    tree::{Node, Raw, Table},
};
use std::collections::BTreeMap;

pub(super) const PREFIX: &str = "CAUSEWAY__";

/// Variables whose names are not paths of keys.
const SHORT: &[(&str, &[&str])] = &[("CAUSEWAY_LOG", &["server", "log_level"])];

/// Sections whose keys many people would expect at the top level.
const SECTIONS: &[(&str, &[Row])] = &[("server", Server::ROWS), ("default", Defaults::ROWS)];

/// Puts the variables into the tree, and returns the problems with the others.
pub(super) fn overlay(tree: &mut Table, environment: &BTreeMap<String, String>) -> ConfigErrors {
    let mut wrong = ConfigErrors::default();
    let mut said: Vec<(Vec<String>, &str, &str)> = Vec::new();
    for (variable, value) in environment {
        let origin = || Origin::Environment(variable.as_str().into());
        if let Some((_, path)) = SHORT.iter().find(|(short, _)| short == variable) {
            said.push((path.iter().map(|segment| segment.to_string()).collect(), variable, value));
        } else if let Some(meant) = meant(variable) {
            wrong.push(ConfigError::new(
                origin(),
                format!("is no variable of Causeway; did you mean {meant}?"),
            ));
        } else if let Some(path) = variable.strip_prefix(PREFIX) {
            let path: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
            if path.iter().any(String::is_empty) || path.len() < 2 {
                wrong.push(ConfigError::new(origin(), format!("is not of the form {PREFIX}SECTION__KEY")));
            } else {
                said.push((path, variable, value));
            }
        }
    }
    // Entries of lists are sorted by number: 2 before 10.
    said.sort_by_cached_key(|(path, ..)| {
        path.iter().map(|s| (s.parse::<usize>().unwrap_or(0), s.clone())).collect::<Vec<_>>()
    });
    for (path, variable, value) in said {
        let origin = Origin::Environment(variable.into());
        let set = set(tree, &path, Node::text(value, origin.clone()));
        wrong.note(set.map_err(|problem| ConfigError::new(origin, problem)));
    }
    wrong
}

/// Returns the right name for a variable that lacks an underscore or its section, such as `CAUSEWAY_LISTEN`.
/// Other variables that begin with the program's name may hold secrets that the configuration names, or
/// belong to other software.
fn meant(variable: &str) -> Option<String> {
    let words =
        variable.strip_prefix("CAUSEWAY_")?.trim_start_matches('_').replace("__", "_").to_ascii_lowercase();
    let found = SECTIONS.iter().find_map(|(section, rows)| {
        let key = words.strip_prefix(*section).and_then(|rest| rest.strip_prefix('_'));
        // Only keys of the server are recognised without their section.
        let key = key.or((*section == "server").then_some(words.as_str()))?;
        Some((section, rows.iter().find(|row| row.name == key)?.name))
    });
    let (section, key) = found?;
    let meant = format!("{PREFIX}{}__{}", section.to_ascii_uppercase(), key.to_ascii_uppercase());
    (meant != variable.to_ascii_uppercase()).then_some(meant)
}

/// Like [`Node::set`], for the root, which knows the names of lists of tables.
pub(super) fn set(tree: &mut Table, path: &[String], value: Node) -> Result<(), String> {
    let mut root = Node { raw: Raw::Table(std::mem::take(tree)), origin: Origin::Default };
    if let (Raw::Table(table), Some(first)) = (&mut root.raw, path.first())
        && is_list(first)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_lacks_an_underscore_or_its_section_is_told_its_right_name() {
        let listen = Some("CAUSEWAY__SERVER__LISTEN".to_owned());
        for variable in [
            "CAUSEWAY_LISTEN",
            "CAUSEWAY__LISTEN",
            "CAUSEWAY_SERVER_LISTEN",
            "CAUSEWAY_SERVER__LISTEN",
            "CAUSEWAY__SERVER_LISTEN",
        ] {
            assert_eq!(meant(variable), listen, "{variable}");
        }
        assert_eq!(meant("CAUSEWAY_ADMIN_LISTEN").as_deref(), Some("CAUSEWAY__SERVER__ADMIN_LISTEN"));
        assert_eq!(meant("CAUSEWAY_DEFAULT_BACKEND").as_deref(), Some("CAUSEWAY__DEFAULT__BACKEND"));
        for other in [
            "CAUSEWAY__SERVER__LISTEN",
            "CAUSEWAY__DEFAULT__BACKEND",
            "CAUSEWAY_CONFIG",
            "CAUSEWAY_ROOT_USER",
            "CAUSEWAY_ROOT_PASSWORD",
            "CAUSEWAY_SEAL_KEY",
            "CAUSEWAY_SEAL_KEY_FILE",
            // Kubernetes sets this variable for a service of that name.
            "CAUSEWAY_PORT",
            "CAUSEWAY_SERVICE_HOST",
            // A secret that a configuration may name.
            "CAUSEWAY_BACKEND_LAKE_SECRET_KEY",
            "LISTEN",
        ] {
            assert_eq!(meant(other), None, "{other}");
        }
    }
}
