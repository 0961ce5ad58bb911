//! Where the states of two-way runs are: in the user's state directory, a folder for each pair of ends.
//! Beside the state it has how the ends were written, so that a run in a local directory finds its pair.
//!
//! Invariant: a pair has one folder, in whichever order and form its ends are written. Nothing is kept in the
//! ends themselves: a local path has no files but those of its owner.

use super::{Failure, kept::state};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// How a pair was run last with both ends named.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Remembered {
    pub source: RememberedEnd,
    pub destination: RememberedEnd,
    /// The rules of that time, in the form of who made them.
    pub options: serde_json::Value,
    /// The working directory of that time, in which the configuration and its paths are looked for.
    pub directory: PathBuf,
    /// The configuration, if one was named, and the value of `--data`, as absolute paths.
    pub config: Option<PathBuf>,
    pub data: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RememberedEnd {
    /// The end as it is written, from any directory.
    pub text: String,
    pub address: String,
}

const FILE: &str = "pair.json";

/// Returns the folder of a pair of ends with these addresses, which are hashed.
pub fn pair_folder(environment: &BTreeMap<String, String>, mut ends: [&str; 2]) -> Result<PathBuf, Failure> {
    ends.sort_unstable();
    let digest = ring::digest::digest(&ring::digest::SHA256, ends.join("\n").as_bytes());
    Ok(pairs(environment)?.join(hex::encode(&digest.as_ref()[..16])))
}

fn pairs(environment: &BTreeMap<String, String>) -> Result<PathBuf, Failure> {
    let none = || {
        Failure::senseless(
            "there is no place for the state of a pair: set XDG_STATE_HOME or HOME, or name one with --state",
        )
    };
    Ok(state(environment).ok_or_else(none)?.join("pairs"))
}

pub fn remember_pair(folder: &Path, pair: &Remembered) -> Result<(), Failure> {
    let path = folder.join(FILE);
    let failed = |why: &dyn std::fmt::Display| Failure::failed(format!("writing {}: {why}", path.display()));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failed(&error))?;
    let text = serde_json::to_vec_pretty(pair).map_err(|error| failed(&error))?;
    let new = folder.join("pair.json.new");
    fs::write(&new, text).and_then(|()| fs::rename(&new, &path)).map_err(|error| failed(&error))
}

/// Returns the pair of which this directory, or the nearest one above it, is an end.
pub fn recall_pair(
    environment: &BTreeMap<String, String>,
    directory: &Path,
) -> Result<(PathBuf, Remembered), Failure> {
    let root = pairs(environment)?;
    let mut known = Vec::new();
    for entry in fs::read_dir(&root).into_iter().flatten().flatten() {
        let Ok(text) = fs::read(entry.path().join(FILE)) else { continue };
        if let Ok(pair) = serde_json::from_slice::<Remembered>(&text) {
            known.push((entry.path(), pair));
        }
    }
    for directory in directory.ancestors() {
        let address = local_address(directory);
        let is_end = |(_, pair): &&(PathBuf, Remembered)| {
            pair.source.address == address || pair.destination.address == address
        };
        let mut found = known.iter().filter(is_end);
        match (found.next(), found.next()) {
            (Some(found), None) => return Ok(found.clone()),
            (Some(_), Some(_)) => {
                return Err(Failure::senseless(format!(
                    "{} is an end of several pairs: name both ends",
                    directory.display()
                )));
            }
            (None, _) => {}
        }
    }
    Err(Failure::missing(format!(
        "no pair is known for {}: name both ends once, as in 'causeway sync --two-way . s3://photos'",
        directory.display()
    )))
}

/// Returns the address that a local directory has as an end.
fn local_address(directory: &Path) -> String {
    format!("file:{}", directory.display()).trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_found_from_its_directory_and_from_below_it() {
        let home = tempfile::tempdir().expect("a folder");
        let environment = BTreeMap::from([("HOME".to_owned(), home.path().display().to_string())]);
        let end = |text: &str, address: &str| RememberedEnd { text: text.into(), address: address.into() };
        let pair = Remembered {
            source: end("/srv/photos", "file:/srv/photos"),
            destination: end("s3://photos", "https://s3.example.com/photos"),
            options: serde_json::json!({ "suffix": "mine" }),
            directory: "/srv".into(),
            config: None,
            data: None,
        };
        let folder =
            |one: &str, other: &str| pair_folder(&environment, [one, other]).expect("there is a home");
        let ends = (pair.source.address.as_str(), pair.destination.address.as_str());
        assert_eq!(folder(ends.0, ends.1), folder(ends.1, ends.0));
        remember_pair(&folder(ends.0, ends.1), &pair).expect("is written");
        for directory in ["/srv/photos", "/srv/photos/2024/a"] {
            let (_, found) = recall_pair(&environment, Path::new(directory)).expect("is known");
            assert_eq!((&found.destination, &found.options), (&pair.destination, &pair.options));
        }
        let said = recall_pair(&environment, Path::new("/srv")).expect_err("is unknown").to_string();
        assert!(said.contains("name both ends once"), "{said}");
    }
}
