//! The table of the top-level sections: their names, their shapes, and which of them wait for the next start
//! as a whole.
//!
//! Does not own how a section is read (`load`), nor which parts of `[server]`, of the backends and of the
//! buckets wait (`reread`).

use super::{section::Section, settings::Settings};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `[name]`
    One,
    /// `[[name]]`
    List,
    /// `[name.NAME]`
    Named,
}

pub(super) struct TopLevel {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    /// `None`: what was changed takes effect at once, as far as `reread` lets it.
    pub(super) waits: Option<Waits>,
}

/// How a section waits for the next start.
pub(super) struct Waits {
    /// Returns the settings that differ, for operators.
    pub(super) changed: fn(&Settings, &Settings) -> Vec<String>,
    /// Gives the second settings the section of the first.
    pub(super) keep: fn(&Settings, &mut Settings),
}

/// A section whose values are compared as one.
macro_rules! waits {
    ($field:ident, $name:literal) => {
        Some(Waits {
            changed: |in_force, new| {
                let differs = in_force.$field != new.$field;
                differs.then(|| $name.to_owned()).into_iter().collect()
            },
            keep: |in_force, next| next.$field.clone_from(&in_force.$field),
        })
    };
}

const WEBSITE: Waits = Waits {
    changed: |in_force, new| {
        let changed = in_force.website.changed(&new.website).into_iter();
        changed.map(|key| format!("website.{key}")).collect()
    },
    keep: |in_force, next| next.website.clone_from(&in_force.website),
};

pub(super) const SECTIONS: &[TopLevel] = &[
    TopLevel { name: "server", shape: Shape::One, waits: None },
    TopLevel { name: "website", shape: Shape::One, waits: Some(WEBSITE) },
    TopLevel { name: "identity", shape: Shape::List, waits: None },
    // Keys of providers that were fetched are kept with the providers.
    TopLevel { name: "oidc", shape: Shape::List, waits: waits!(oidc, "oidc") },
    TopLevel { name: "oidc_allowed", shape: Shape::List, waits: waits!(oidc_allowed, "oidc_allowed") },
    // Sessions that were given out are judged by the groups in force.
    TopLevel { name: "ldap", shape: Shape::One, waits: waits!(ldap, "ldap") },
    TopLevel { name: "ldap_group", shape: Shape::List, waits: waits!(ldap_groups, "ldap_group") },
    TopLevel { name: "sign_in", shape: Shape::One, waits: waits!(sign_in, "sign_in") },
    TopLevel { name: "sign_in_role", shape: Shape::List, waits: waits!(sign_in_roles, "sign_in_role") },
    TopLevel { name: "cors", shape: Shape::List, waits: None },
    TopLevel { name: "backend", shape: Shape::Named, waits: None },
    TopLevel { name: "bucket", shape: Shape::Named, waits: None },
    TopLevel { name: "default", shape: Shape::One, waits: None },
];

/// Returns whether a top-level key holds a list of tables.
pub(super) fn is_list(name: &str) -> bool {
    SECTIONS.iter().any(|section| section.name == name && section.shape == Shape::List)
}
