//! Replaces a secret of a configuration by another one, which is sealed.

use super::{
    edit::{Draft, Edit, EditError, refuse},
    load::Sources,
};
use std::path::Path;
use toml_edit::{InlineTable, Item, Value};

/// Sets `backend.NAME.KEY` to a sealed secret.
pub fn replace_secret(
    path: &Path,
    sources: Sources,
    backend: &str,
    key: &str,
    secret: &str,
) -> Result<Edit, EditError> {
    let draft = Draft::open(path, sources)?;
    let mut document = draft.document()?;
    let section = document.get_mut("backend").and_then(Item::as_table_like_mut);
    let Some(table) = section.and_then(|section| section.get_mut(backend)).and_then(Item::as_table_like_mut)
    else {
        return refuse(format!("backend '{backend}' is not configured in {}", path.display()));
    };
    let seal_key = draft.seal_key()?;
    let sealed = seal_key.seal(&format!("backend.{backend}.{key}"), secret).map_err(EditError::Refused)?;
    let sealed = Value::InlineTable(InlineTable::from_iter([("sealed", sealed)]));
    match table.get_mut(key) {
        // Blanks and comments around the value stay.
        Some(Item::Value(value)) => {
            let decor = value.decor().clone();
            *value = sealed;
            *value.decor_mut() = decor;
        }
        _ => drop(table.insert(key, Item::Value(sealed))),
    }
    draft.into_edit(document.to_string(), Some(seal_key))
}
