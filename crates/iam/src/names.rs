//! Which names, paths, tags and ARNs users, groups, roles and policies may have (IAM User Guide, "IAM and STS
//! quotas").
//!
//! Invariant: a name is unique without regard to case. [`fold`] makes the form by which names are compared
//! and stored.

use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// The longest name of a user or a role, and of a group or a policy.
pub(crate) const USER_NAME: usize = 64;
pub(crate) const GROUP_NAME: usize = 128;
const LONGEST_PATH: usize = 512;
const MOST_TAGS: usize = 50;
const LONGEST_TAG_KEY: usize = 128;
const LONGEST_TAG_VALUE: usize = 256;

/// A tag of a user, a role or a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// What is wrong with a name, in words for the client.
pub(crate) type Wrong = String;

/// The form of a name by which it is compared.
pub(crate) fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// `parameter` is named in the message.
pub(crate) fn check_name(parameter: &str, name: &str, longest: usize) -> Result<(), Wrong> {
    let is_sound = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    if (1..=longest).contains(&name.len()) && name.bytes().all(is_sound) {
        return Ok(());
    }
    Err(format!(
        "The specified value for {parameter} is invalid. It must have 1 to {longest} of these characters: \
         letters, digits and _+=,.@-"
    ))
}

pub(crate) fn check_path(path: &str) -> Result<(), Wrong> {
    let is_sound = path.len() <= LONGEST_PATH
        && path.starts_with('/')
        && path.ends_with('/')
        && path.bytes().all(|b| b.is_ascii_graphic());
    if is_sound {
        return Ok(());
    }
    Err(format!(
        "The specified value for path is invalid. It must begin and end with / and have at most {LONGEST_PATH} \
         visible ASCII characters"
    ))
}

/// Adds tags to others, where a key replaces the same key in any case.
pub(crate) fn merge_tags(tags: &mut Vec<Tag>, added: Vec<Tag>) -> Result<(), Wrong> {
    for tag in added {
        if tag.key.is_empty() || tag.key.chars().count() > LONGEST_TAG_KEY {
            return Err(format!("The key of a tag must have 1 to {LONGEST_TAG_KEY} characters"));
        }
        if tag.value.chars().count() > LONGEST_TAG_VALUE {
            return Err(format!("The value of a tag must have at most {LONGEST_TAG_VALUE} characters"));
        }
        if tag.key.to_ascii_lowercase().starts_with("aws:") {
            return Err("The key of a tag must not begin with aws:".to_owned());
        }
        match tags.iter_mut().find(|known| known.key.eq_ignore_ascii_case(&tag.key)) {
            Some(known) => *known = tag,
            None => tags.push(tag),
        }
    }
    if tags.len() > MOST_TAGS {
        return Err(format!("There must be at most {MOST_TAGS} tags"));
    }
    Ok(())
}

/// `arn:aws:iam::ACCOUNT:KIND/PATH/NAME`. A path begins and ends with a slash.
pub(crate) fn arn(account: &str, kind: &str, path: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:{kind}{path}{name}")
}

/// An issuer without its scheme, and without a slash at its end: how ARNs and condition keys name a provider.
pub(crate) fn provider_name(issuer: &str) -> &str {
    issuer.split_once("://").map_or(issuer, |(_, name)| name).trim_end_matches('/')
}

/// The account and the name in an ARN of a kind: `user`, `role`, `policy`.
pub(crate) fn parse_arn<'a>(text: &'a str, kind: &str) -> Option<(&'a str, &'a str)> {
    let (account, rest) = text.strip_prefix("arn:aws:iam::")?.split_once(':')?;
    let path_and_name = rest.strip_prefix(kind)?.strip_prefix('/')?;
    let name = path_and_name.rsplit('/').next()?;
    (!name.is_empty()).then_some((account, name))
}

/// A text as a part of an ARN. A byte that is no letter, no digit and none of `_.@-` is written as `+` and two
/// digits, so that no two texts have one form.
pub(crate) fn in_arn(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"_.@-".contains(&byte) {
            name.push(char::from(byte));
        } else {
            // A string takes everything.
            let _ = write!(name, "+{byte:02X}");
        }
    }
    name
}

/// A time as IAM shows it: in whole seconds.
pub(crate) fn shown(at: Timestamp) -> String {
    let text = at.iso8601();
    format!("{}Z", text.get(..19).unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_those_of_iam() {
        for name in ["bob", "a+b=c,d.e@f-g_h", &"x".repeat(64)] {
            assert_eq!(check_name("UserName", name, USER_NAME), Ok(()), "{name}");
        }
        for name in ["", "a b", "a/b", "é", "a:b", &"x".repeat(65)] {
            assert!(check_name("UserName", name, USER_NAME).is_err(), "{name}");
        }
        for path in ["/", "/a/", "/a/b c!/"].map(|path| path.replace(' ', "_")) {
            assert_eq!(check_path(&path), Ok(()), "{path}");
        }
        for path in ["", "a/", "/a", "/a b/", &format!("/{}/", "x".repeat(512))] {
            assert!(check_path(path).is_err(), "{path}");
        }
    }

    #[test]
    fn an_arn_has_the_path_before_the_name() {
        let text = arn("111111111111", "user", "/team/a/", "bob");
        assert_eq!(text, "arn:aws:iam::111111111111:user/team/a/bob");
        assert_eq!(parse_arn(&text, "user"), Some(("111111111111", "bob")));
        assert_eq!(parse_arn(&arn("1", "role", "/", "r"), "role"), Some(("1", "r")));
        for other in ["bob", "arn:aws:iam::1:user/", "arn:aws:iam::1:role/r", "arn:aws:s3:::user/bob"] {
            assert_eq!(parse_arn(other, "user"), None, "{other}");
        }
    }

    #[test]
    fn a_tag_replaces_the_one_of_its_key_in_any_case() {
        let tag = |key: &str, value: &str| Tag { key: key.to_owned(), value: value.to_owned() };
        let mut tags = vec![tag("Team", "a")];
        merge_tags(&mut tags, vec![tag("team", "b"), tag("x", "")]).expect("merged");
        assert_eq!(tags, [tag("team", "b"), tag("x", "")]);
        let many = (0..50).map(|n| tag(&n.to_string(), "")).collect();
        assert!(merge_tags(&mut tags, many).is_err());
        assert!(merge_tags(&mut Vec::new(), vec![tag("aws:x", "")]).is_err());
    }

    #[test]
    fn no_two_texts_have_one_form_in_an_arn() {
        assert_eq!(in_arn("bob.b@example.com"), "bob.b@example.com");
        assert_eq!(in_arn("a/b*"), "a+2Fb+2A");
        assert_eq!(in_arn("+2F"), "+2B2F");
        assert_eq!(in_arn("ü"), "+C3+BC");
    }

    #[test]
    fn times_are_in_whole_seconds() {
        assert_eq!(shown(Timestamp::from_millis(1_255_369_830_042)), "2009-10-12T17:50:30Z");
    }
}
