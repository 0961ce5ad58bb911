//! Removes a bucket from a configuration: its section and, on request, that of its backend.

use super::{
    edit::{Draft, Edit, EditError, refuse},
    load::Sources,
};
use crate::model::BucketName;
use std::path::Path;
use toml_edit::{DocumentMut, Item};

/// A bucket that can be removed, and the change that removes it.
#[derive(Debug)]
pub struct Removed {
    pub edit: Edit,
    pub backend: String,
}

pub fn remove(path: &Path, sources: Sources, name: &str, with_backend: bool) -> Result<Removed, EditError> {
    let draft = Draft::open(path, sources)?;
    let settings = &draft.settings;
    let known = BucketName::parse(name).ok().and_then(|name| settings.buckets.get_key_value(&name));
    let Some((bucket, configured)) = known else {
        return refuse(format!("the configuration has no bucket '{name}'"));
    };
    let backend = settings.backend_of(configured).to_owned();
    let mut document = draft.document()?;
    if !take(&mut document, "bucket", name) {
        return refuse(format!(
            "bucket '{name}' is configured by the environment, not in {}",
            path.display()
        ));
    }
    if with_backend {
        let other = settings
            .buckets
            .iter()
            .find(|(other, it)| *other != bucket && settings.backend_of(it) == backend);
        if let Some((other, _)) = other {
            return refuse(format!("backend '{backend}' also holds bucket '{other}'"));
        }
        if Some(backend.as_str()) == settings.default_backend() {
            return refuse(format!(
                "backend '{backend}' is the default: buckets created through S3 are on it"
            ));
        }
        if !take(&mut document, "backend", &backend) {
            return refuse(format!(
                "backend '{backend}' is configured by the environment, not in {}",
                path.display()
            ));
        }
    }
    let after = with_head(draft.text(), document.to_string());
    Ok(Removed { edit: draft.into_edit(after, None)?, backend })
}

fn take(document: &mut DocumentMut, section: &str, name: &str) -> bool {
    document
        .get_mut(section)
        .and_then(Item::as_table_like_mut)
        .is_some_and(|table| table.remove(name).is_some())
}

/// Comments above a section are removed with it. Comments at the beginning of the file that a blank line
/// follows do not belong to a section: this puts them back.
fn with_head(before: &str, after: String) -> String {
    let comments: usize = before
        .split_inclusive('\n')
        .take_while(|line| line.trim().is_empty() || line.starts_with('#'))
        .map(str::len)
        .sum();
    let head = before[..comments].rfind("\n\n").map_or("", |end| &before[..end + 2]);
    if after.starts_with(head) { after } else { format!("{head}{}", after.trim_start_matches('\n')) }
}
