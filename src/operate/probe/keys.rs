//! Order of listings and alphabet of keys.

use super::{
    report::{Found, Step, Trouble, failed},
    trial::Trial,
};
use crate::{
    model::MAX_KEY_BYTES,
    store::{Result, error::StoreErrorKind},
};
use std::{collections::BTreeSet, time::Instant};

/// In byte order. Trees, locales and UTF-16 have other orders.
const ORDERED: &[&str] = &[
    "a", "a b", "a!", "a-", "a-b", "a.b", "a/b", "a/b-c", "a/b/c", "a0", "aB", "aa", "aé", "a～", "a𐀀", "b",
];

/// Keys that file systems, URLs and careless codecs trip over.
const STRANGE: &[&str] = &[
    "x",
    "x/",
    "../x",
    "a/./b",
    "a/../b",
    "a//b",
    "/a",
    " x ",
    "a /b",
    "é",
    "e\u{301}",
    "a\\b",
    "control\u{1}\u{1f}\u{7f}",
    "line\r\nbreak",
    "%2e%2F + & <>",
    "emoji 🌉",
    "\u{fffe}",
];

const FOLDER: &str = "order/";

pub(super) async fn order(trial: &Trial) -> Found {
    for name in ORDERED {
        trial.put(&format!("{FOLDER}{name}"), *name).await.map_err(|error| with_name(name, error))?;
    }
    same(
        trial.names(FOLDER, None, 1000).await,
        ORDERED.iter().map(|name| format!("{FOLDER}{name}")).collect(),
    )?;
    Ok("by bytes".to_owned())
}

pub(super) async fn pages(trial: &Trial) -> Found {
    same(trial.names(FOLDER, None, 3).await, ORDERED.iter().map(|name| format!("{FOLDER}{name}")).collect())?;
    Ok("neither skip nor repeat".to_owned())
}

pub(super) async fn grouped(trial: &Trial) -> Found {
    let group = |name: &&str| match name.split_once('/') {
        Some((folder, _)) => format!("{FOLDER}{folder}/"),
        None => format!("{FOLDER}{name}"),
    };
    let groups: BTreeSet<String> = ORDERED.iter().map(group).collect();
    same(trial.names(FOLDER, Some("/"), 2).await, groups.into_iter().collect())?;
    Ok("each once, in their place".to_owned())
}

fn same(listed: Result<Vec<String>>, expected: Vec<String>) -> std::result::Result<(), Trouble> {
    let listed = listed?;
    match listed.iter().zip(&expected).find(|(listed, expected)| listed != expected) {
        Some((listed, expected)) => failed(format!("{listed:?} is listed where {expected:?} belongs")),
        None if listed.len() != expected.len() => {
            failed(format!("{} names are listed of {}", listed.len(), expected.len()))
        }
        None => Ok(()),
    }
}

fn with_name(name: &str, error: crate::store::error::StoreError) -> Trouble {
    match Trouble::from(error) {
        Trouble::No(words) => Trouble::No(format!("{name:?}: {words}")),
        Trouble::Failed(words) => Trouble::Failed(format!("{name:?}: {words}")),
    }
}

/// One step per key: all are written before any is read, so that conflicts between them show.
pub(super) async fn alphabet(trial: &Trial) -> Vec<Step> {
    const FOLDER: &str = "keys/inner/";
    let longest = "k".repeat(MAX_KEY_BYTES - trial.prefix.len() - FOLDER.len());
    let mut names: Vec<(String, &str)> =
        STRANGE.iter().map(|name| (format!("key {name:?}"), *name)).collect();
    names.push((format!("key of {MAX_KEY_BYTES} bytes"), &longest));

    let mut trials = Vec::new();
    for (label, name) in names {
        let begun = Instant::now();
        let name = format!("{FOLDER}{name}");
        let put = trial.put(&name, name.clone()).await;
        trials.push((label, name, put, begun.elapsed()));
    }
    // The listing begins above the folder, so that a key that escapes from it is seen, too.
    let listed =
        trial.names("keys/", None, 1000).await.map(|names| names.into_iter().collect::<BTreeSet<_>>());
    let mut steps = Vec::new();
    let mut expected = BTreeSet::new();
    for (label, name, put, writing) in trials {
        let begun = Instant::now();
        let found = match put {
            Ok(_) => {
                expected.insert(name.clone());
                looked_at(trial, &name, &listed).await
            }
            Err(error)
                if matches!(error.kind(), StoreErrorKind::KeyTooLong | StoreErrorKind::InvalidRequest) =>
            {
                Err(Trouble::No(format!("refused: {}", error.message())))
            }
            Err(error) => Err(error.into()),
        };
        let took = u64::try_from((writing + begun.elapsed()).as_millis()).unwrap_or(u64::MAX);
        steps.push(Step::of(label, found, took));
    }
    let nothing_else = match listed {
        Ok(listed) => match listed.difference(&expected).next() {
            Some(stranger) => failed(format!("{stranger:?} is listed, though nobody wrote it")),
            None => Ok("in the listing".to_owned()),
        },
        Err(error) => Err(error.into()),
    };
    steps.push(Step::of("no other key appears", nothing_else, 0));
    steps
}

async fn looked_at(trial: &Trial, name: &str, listed: &Result<BTreeSet<String>>) -> Found {
    trial.expect(name, name.as_bytes()).await?;
    match listed {
        Ok(names) if names.contains(name) => Ok("the same bytes, the same name".to_owned()),
        Ok(_) => failed("it is not listed by its name"),
        Err(error) => failed(error.to_string()),
    }
}
