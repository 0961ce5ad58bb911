//! The condition keys of a request, with their values.
//!
//! Invariants: keys are compared without regard to case; a key without a value is no key. The caller sets
//! values that it knows itself, never a condition key that a client named.

use std::{borrow::Cow, cmp::Ordering};

/// The values of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Values<'a> {
    One(Cow<'a, str>),
    Many(Vec<Cow<'a, str>>),
}

/// Condition keys and their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context<'a> {
    /// In the order of the keys, which are in lower case: see [`order`].
    entries: Vec<(Cow<'a, str>, Values<'a>)>,
}

impl<'a> Context<'a> {
    pub fn new() -> Self {
        Self { entries: Vec::with_capacity(24) }
    }

    /// Adds a value to a key. A key in lower case costs no allocation.
    pub fn add(&mut self, key: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) {
        let key = lower(key.into());
        match self.entries.binary_search_by(|(known, _)| order(known, &key)) {
            Err(at) => self.entries.insert(at, (key, Values::One(value.into()))),
            Ok(at) => match &mut self.entries[at].1 {
                Values::Many(values) => values.push(value.into()),
                one @ Values::One(_) => {
                    let Values::One(first) = std::mem::replace(one, Values::Many(Vec::new())) else { return };
                    *one = Values::Many(vec![first, value.into()]);
                }
            },
        }
    }

    /// The values of a key in lower case. `None`: the key has none.
    pub(crate) fn get(&self, key: &str) -> Option<&[Cow<'a, str>]> {
        let at = self.entries.binary_search_by(|(known, _)| order(known, key)).ok()?;
        match &self.entries[at].1 {
            Values::One(value) => Some(std::slice::from_ref(value)),
            Values::Many(values) => Some(values),
        }
    }

    /// The value of a key that has exactly one: only such keys can be policy variables.
    pub(crate) fn single(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            [value] => Some(value),
            _ => None,
        }
    }
}

/// By length first: most keys differ in it, and it is compared faster than texts are.
fn order(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn lower(key: Cow<'_, str>) -> Cow<'_, str> {
    if key.bytes().any(|byte| byte.is_ascii_uppercase()) { key.to_ascii_lowercase().into() } else { key }
}
