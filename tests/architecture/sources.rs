//! The source files of all crates, without their tests, comments and string literals.

use super::LAYERS;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A source file, without its tests.
pub struct Source {
    /// Relative to `src`, with `/`.
    pub path: String,
    /// The text as written.
    pub text: String,
    /// Without comments and string literals, up to `#[cfg(test)]` before an inline module.
    pub code: String,
}

impl Source {
    /// Returns `s3` for `s3/ops/get_object.rs`, and `lib` for `lib.rs`.
    pub fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or(&self.path);
        first.strip_suffix(".rs").unwrap_or(first)
    }

    pub fn is_in(&self, place: &str) -> bool {
        self.path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
    }
}

/// Crates that have a part of a module, each with the module.
const PARTS: &[(&str, &str)] = &[("file-drivers", "drivers")];

/// The folders of source code, each with the prefix of its files' paths. A crate of one module, or of a part
/// of one, has the module's name as prefix.
pub fn roots() -> Vec<(PathBuf, String)> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut roots = vec![(workspace.join("src"), String::new())];
    for folder in fs::read_dir(workspace.join("crates")).expect("crates") {
        let folder = folder.expect("an entry").path();
        let name = folder.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
        let whole = PARTS.iter().find(|(part, _)| *part == name).map_or(&*name, |(_, module)| module);
        let is_module =
            LAYERS.iter().any(|(module, _)| *module == whole) && !folder.join("src").join(whole).exists();
        roots.push((folder.join("src"), if is_module { format!("{whole}/") } else { String::new() }));
    }
    roots
}

pub fn sources() -> Vec<Source> {
    let sources: Vec<Source> =
        roots().into_iter().flat_map(|(root, before)| sources_in(root, &before)).collect();
    assert!(sources.len() > 100, "only {} files: is this the source tree?", sources.len());
    sources
}

fn sources_in(root: PathBuf, before: &str) -> Vec<Source> {
    let (mut folders, mut sources) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
        entries.sort();
        for path in entries {
            let is_test = path.file_stem().is_some_and(|name| name == "tests");
            if is_test {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("UTF-8");
                let below = path
                    .strip_prefix(&root)
                    .expect("below the root")
                    .to_str()
                    .expect("UTF-8")
                    .replace('\\', "/");
                sources.push(Source {
                    path: format!("{before}{below}"),
                    code: code(before_tests(&text)),
                    text,
                });
            }
        }
    }
    sources
}

fn before_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod ").map_or(text, |at| &text[..at])
}

/// Character literals that would seem to begin a string.
const QUOTES: [&str; 3] = ["'\"'", r#"'\"'"#, r"'\\'"];

/// Removes comments and string literals. It reads code that rustfmt has formatted, not all of Rust.
pub fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let raw = ["r#\"", "br#\""].into_iter().find(|start| rest.starts_with(start));
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(start) = raw {
            rest[start.len()..].find("\"#").map_or(rest.len(), |at| start.len() + at + 2)
        } else if let Some(quote) = QUOTES.into_iter().find(|quote| rest.starts_with(quote)) {
            quote.len()
        } else if first == '"' {
            end_of_string(rest)
        } else {
            out.push(first);
            first.len_utf8()
        };
        rest = &rest[skipped..];
    }
    out
}

/// The length of the string literal that `text` begins with.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
