//! Ignore files: `.causewayignore` in any folder of the source, with the rules of gitignore.
//!
//! Names are asked for in ascending order, so that only the files of the folders around the last name are
//! held.
//!
//! Invariants: what is below an ignored folder is ignored, and no rule includes it again. Of the rules that
//! match, the last one of the deepest file decides.

use super::glob::{Glob, PatternError};
use crate::{
    end::End,
    error::TransferError,
    retry::Retry,
    store::{
        GetRequest,
        error::{StoreError, StoreErrorKind},
    },
};
use futures_util::StreamExt;
use std::sync::Arc;

/// Maximum size of an ignore file.
const MOST_BYTES: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Ignores {
    source: End,
    file: Arc<str>,
    retry: Arc<Retry>,
    /// The folders around the last name, outermost first.
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    /// Empty, or with a `/` at its end.
    folder: String,
    rules: Vec<Rule>,
    is_ignored: bool,
}

#[derive(Debug)]
struct Rule {
    glob: Glob,
    ignores: bool,
    only_folders: bool,
}

impl Ignores {
    pub(super) fn new(source: End, file: Arc<str>, retry: Arc<Retry>) -> Self {
        Self { source, file, retry, levels: Vec::new() }
    }

    /// Returns whether the object of this name is ignored.
    pub(super) async fn ignores(&mut self, name: &str) -> Result<bool, TransferError> {
        let folder = name.rfind('/').map_or("", |at| &name[..=at]);
        Ok(self.ignores_folder(folder).await? || self.decide(name, false))
    }

    /// Returns whether everything in the folder is ignored. Its name ends with `/`.
    pub(super) async fn ignores_folder(&mut self, folder: &str) -> Result<bool, TransferError> {
        let around = self.levels.iter().take_while(|level| folder.starts_with(&level.folder)).count();
        self.levels.truncate(around);
        if self.levels.is_empty() {
            self.enter("", false).await?;
        }
        let known = self.levels.last().map_or(0, |level| level.folder.len());
        for (at, _) in folder.match_indices('/').filter(|(at, _)| *at >= known) {
            let is_ignored =
                self.levels.last().is_some_and(|level| level.is_ignored) || self.decide(&folder[..at], true);
            self.enter(&folder[..=at], is_ignored).await?;
        }
        Ok(self.levels.last().is_some_and(|level| level.is_ignored))
    }

    async fn enter(&mut self, folder: &str, is_ignored: bool) -> Result<(), TransferError> {
        let rules = if is_ignored { Vec::new() } else { self.read(folder).await? };
        self.levels.push(Level { folder: folder.to_owned(), rules, is_ignored });
        Ok(())
    }

    fn decide(&self, name: &str, is_folder: bool) -> bool {
        for level in self.levels.iter().rev() {
            let Some(below) = name.strip_prefix(&level.folder) else { continue };
            let matches = |rule: &&Rule| (is_folder || !rule.only_folders) && rule.glob.matches(below);
            if let Some(rule) = level.rules.iter().rev().find(matches) {
                return rule.ignores;
            }
        }
        false
    }

    async fn read(&self, folder: &str) -> Result<Vec<Rule>, TransferError> {
        let name = format!("{folder}{}", self.file);
        let failed = |source: StoreError| TransferError::IgnoreFile {
            end: self.source.label().to_owned(),
            name: name.clone(),
            source: source.into(),
        };
        // A key that is too long has no object.
        let Ok(key) = self.source.key(&name) else { return Ok(Vec::new()) };
        let text = self.retry.run(async || {
            let reply = self.source.store.get(key.current(), GetRequest::default()).await?;
            if reply.info.size > MOST_BYTES {
                let why = "an ignore file has at most 1 MiB";
                return Err(StoreError::new(StoreErrorKind::EntityTooLarge, why));
            }
            let mut stream = reply.body.into_stream();
            let mut text = Vec::new();
            while let Some(bytes) = stream.next().await {
                text.extend_from_slice(&bytes?);
            }
            Ok(text)
        });
        let text = match text.await {
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => return Ok(Vec::new()),
            text => text.map_err(failed)?,
        };
        parse(&String::from_utf8_lossy(&text))
            .map_err(|error| failed(StoreError::new(StoreErrorKind::InvalidRequest, error.to_string())))
    }
}

fn parse(text: &str) -> Result<Vec<Rule>, PatternError> {
    let mut rules = Vec::new();
    for line in text.lines() {
        let line = trimmed(line);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (ignores, pattern) = match line.strip_prefix('!') {
            Some(pattern) => (false, pattern),
            None => (true, line),
        };
        let (only_folders, pattern) = match pattern.strip_suffix('/') {
            Some(pattern) => (true, pattern),
            None => (false, pattern),
        };
        if !pattern.is_empty() {
            rules.push(Rule { glob: Glob::git(pattern)?, ignores, only_folders });
        }
    }
    Ok(rules)
}

/// Removes spaces at the end of a line, unless a `\` is before the first of them.
fn trimmed(line: &str) -> &str {
    let line = line.trim_end_matches('\r');
    let short = line.trim_end_matches(' ');
    let escapes = short.len() - short.trim_end_matches('\\').len();
    if short.len() < line.len() && escapes % 2 == 1 { &line[..=short.len()] } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        retry::RetryPolicy,
        store::{PutRequest, payload::Payload},
    };
    use causeway_backend::memory::MemoryStore;

    async fn ignores(files: &[(&str, &str)]) -> Ignores {
        let end = End::new(Arc::new(MemoryStore::default()), "", "memory:");
        for (name, text) in files {
            let request = PutRequest {
                attributes: Default::default(),
                conditions: Default::default(),
                payload: Payload::from_bytes(text.to_string()),
            };
            end.store.put(&end.key(name).expect("a key"), request).await.expect("is written");
        }
        Ignores::new(end, ".causewayignore".into(), Arc::new(Retry::new(RetryPolicy::default(), 1)))
    }

    #[tokio::test]
    async fn the_rules_of_gitignore_hold() {
        // Each name was asked of `git check-ignore`.
        for (rules, yes, no) in [
            ("*.log", &["a.log", "x/b.log"][..], &["a.txt"][..]),
            ("/a.log", &["a.log"], &["x/a.log"]),
            ("doc/*.txt", &["doc/a.txt"], &["doc/sub/a.txt", "x/doc/a.txt"]),
            ("build/", &["build/x", "sub/build/y/z"], &["build"]),
            ("/build", &["build", "build/x"], &["sub/build"]),
            ("**/foo", &["foo", "a/b/foo", "foo/x"], &["afoo"]),
            ("**/foo/bar", &["foo/bar", "a/foo/bar"], &["foo/x/bar"]),
            ("abc/**", &["abc/x", "abc/y/z"], &["abc", "x/abc/y"]),
            ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["ab", "x/a/b"]),
            ("*.log\n!keep.log", &["a.log"], &["keep.log", "x/keep.log"]),
            ("dir/\n!dir/keep", &["dir/keep"], &["keep"]),
            ("dir/*\n!dir/keep", &["dir/a", "dir/s/t"], &["dir/keep"]),
            ("# comment\n\\#file\n\\!x", &["#file", "!x"], &["comment"]),
            ("foo[0-9]\nba?", &["foo1", "bar"], &["fooa", "ba/r"]),
            ("trailing   \nspace\\ ", &["trailing", "space "], &["trailing   ", "space"]),
            ("foo**bar", &["fooxbar"], &["foo/bar"]),
            ("*", &["a", "b/c"], &[]),
        ] {
            let mut ignores = ignores(&[(".causewayignore", rules)]).await;
            for (name, expected) in
                yes.iter().map(|name| (name, true)).chain(no.iter().map(|name| (name, false)))
            {
                assert_eq!(ignores.ignores(name).await.expect("is read"), expected, "{rules:?} {name}");
            }
        }
    }

    #[tokio::test]
    async fn the_deepest_ignore_file_decides_but_not_below_an_ignored_folder() {
        let files = [
            (".causewayignore", "*.tmp\nhidden/\n"),
            ("a/.causewayignore", "!keep.tmp\n/only\n"),
            ("hidden/.causewayignore", "!*\n"),
        ];
        let mut ignores = ignores(&files).await;
        for (name, expected) in [
            ("a/b/keep.tmp", false),
            ("a/b/only", false),
            ("a/keep.tmp", false),
            ("a/lose.tmp", true),
            ("a/only", true),
            ("hidden/x", true),
            ("keep.tmp", true),
        ] {
            assert_eq!(ignores.ignores(name).await.expect("is read"), expected, "{name}");
        }
        assert!(ignores.ignores_folder("z/hidden/deep/").await.expect("is read"));
    }
}
