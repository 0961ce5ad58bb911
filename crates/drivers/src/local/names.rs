//! From keys to paths: a key is the path itself, or it is refused.

use crate::{
    model::ObjectKey,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};

/// The longest name of one file or folder on the file systems of Linux.
const LONGEST: usize = 255;
/// Files with this beginning and `ENDING` are being written. They are no objects.
const DRAFT: &str = ".causeway-";
const ENDING: &str = ".part";

/// A key as folders and a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) folders: Vec<String>,
    /// `None`: the key ends with `/` and is a folder.
    pub(super) file: Option<String>,
}

impl Names {
    pub(super) fn of(key: &ObjectKey) -> Result<Self> {
        Self::parse(key.as_str())
    }

    pub(super) fn parse(key: &str) -> Result<Self> {
        let mut folders: Vec<String> = key.split('/').map(str::to_owned).collect();
        let file = folders.pop().filter(|name| !name.is_empty());
        for name in folders.iter().chain(&file) {
            let why = match name.as_str() {
                "" => "it has an empty component",
                "." | ".." => "it has a component '.' or '..'",
                name if name.contains('\0') => "it has a NUL",
                name if is_draft(name) => "such names are those of files that are being written",
                name if name.len() > LONGEST => {
                    let words = "a component is longer than the 255 bytes that a file system takes";
                    return Err(StoreError::new(StoreErrorKind::KeyTooLong, refusal(key, words)));
                }
                _ => continue,
            };
            return Err(StoreError::new(StoreErrorKind::InvalidRequest, refusal(key, why)));
        }
        if folders.is_empty() && file.is_none() {
            return Err(StoreError::new(StoreErrorKind::InvalidRequest, refusal(key, "it is empty")));
        }
        Ok(Self { folders, file })
    }
}

fn refusal(key: &str, why: &str) -> String {
    format!("the key {key:?} is no path below a local directory: {why}")
}

pub(super) fn draft_name(random: [u8; 8]) -> String {
    format!("{DRAFT}{}{ENDING}", hex::encode(random))
}

/// Returns whether a file of this name is being written, or was left by a killed process.
pub(super) fn is_draft(name: &str) -> bool {
    name.strip_prefix(DRAFT)
        .and_then(|rest| rest.strip_suffix(ENDING))
        .is_some_and(|random| random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_path_or_refused() {
        let names = |key: &str| Names::parse(key).map_err(|error| error.kind());
        let of = |folders: &[&str], file: Option<&str>| Names {
            folders: folders.iter().map(|name| (*name).to_owned()).collect(),
            file: file.map(str::to_owned),
        };
        assert_eq!(names("a"), Ok(of(&[], Some("a"))));
        assert_eq!(names("a/b c/é"), Ok(of(&["a", "b c"], Some("é"))));
        assert_eq!(names("a/b/"), Ok(of(&["a", "b"], None)));
        let draft = draft_name([7; 8]);
        for key in ["/", "/a", "a//b", "a/../b", "..", ".", "a/./b", "a\0", "a//", &draft] {
            assert_eq!(names(key), Err(StoreErrorKind::InvalidRequest), "{key:?}");
        }
        assert_eq!(names(&"x".repeat(256)), Err(StoreErrorKind::KeyTooLong));
        assert!(names(&"x".repeat(255)).is_ok());
    }
}
