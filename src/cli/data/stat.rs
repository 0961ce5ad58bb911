//! `causeway stat`: what is known of an object.

use super::{Access, out::printable};
use crate::{ends::Named, verbs};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Show what is known of this object: size, time, ETag, checksum, type, metadata and tags.
    end: String,
    #[command(flatten)]
    access: Access,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { end, access } = arguments;
    access.on(end, Named::Object, async |place, out| {
        let info = verbs::stat(place).await?;
        let attributes = &info.attributes;
        let mut facts: Vec<(String, Value)> = vec![
            ("key".to_owned(), json!(place.path)),
            ("size".to_owned(), json!(info.size)),
            ("modified".to_owned(), json!(info.last_modified.iso8601())),
            ("etag".to_owned(), json!(info.etag.as_str())),
        ];
        let mut fact = |name: &str, value: &Option<String>| {
            facts.extend(value.iter().map(|value| (name.to_owned(), json!(value))));
        };
        fact("content_type", &attributes.content_type);
        fact("cache_control", &attributes.cache_control);
        fact("content_disposition", &attributes.content_disposition);
        fact("content_encoding", &attributes.content_encoding);
        fact("content_language", &attributes.content_language);
        fact("expires", &attributes.expires);
        if let Some(sum) = &info.checksum {
            let name = format!("checksum_{}", sum.algorithm().as_str().to_lowercase());
            facts.push((name, json!(sum.text())));
        }
        if !info.parts.is_empty() {
            facts.push(("parts".to_owned(), json!(info.parts.len())));
        }
        let user = attributes.user.iter().map(|(name, value)| (format!("metadata_{name}"), json!(value)));
        facts.extend(user);
        let tags = attributes.tags.iter().map(|tag| (format!("tag_{}", tag.key), json!(tag.value)));
        facts.extend(tags);
        let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        let text = |(name, value): &(String, Value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("{:<width$}  {}", printable(name), printable(&value))
        };
        let lines: Vec<String> = facts.iter().map(text).collect();
        out.entry(|| lines.join("\n"), || Value::Object(facts.into_iter().collect()))
    })
}
