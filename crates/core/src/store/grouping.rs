//! How S3 groups an ordered run of keys into one page: prefix, delimiter, marker, limit. This module is pure;
//! each store that has its keys in order brings a cursor.
//!
//! A page costs one step per entry and one seek per common prefix, however many keys are below that prefix.

/// The position where a cursor continues. It is bytes, because a bound above "everything with this prefix" is
/// not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seek {
    /// The first name that is equal to this one or greater.
    From(Vec<u8>),
    /// The first name that is greater than this one.
    After(Vec<u8>),
}

impl Seek {
    /// Returns a position above every name that begins with `prefix`: UTF-8 has no byte 0xFF.
    pub fn beyond(prefix: &str) -> Self {
        // With a place for the byte that a cursor may add.
        let mut bound = Vec::with_capacity(prefix.len() + 2);
        bound.extend_from_slice(prefix.as_bytes());
        bound.push(0xff);
        Self::After(bound)
    }
}

/// Named items in byte order of their names.
pub trait Ordered {
    type Item;
    type Error;
    fn seek(&mut self, to: Seek) -> Result<(), Self::Error>;
    /// Returns the next item, if there is one.
    fn next(&mut self) -> Result<Option<Self::Item>, Self::Error>;
    fn name(item: &Self::Item) -> &str;
}

#[derive(Debug, Clone, PartialEq)]
pub enum Grouped<T> {
    Item(T),
    CommonPrefix(String),
}

/// The parameters of a listing.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    pub prefix: &'a str,
    pub delimiter: Option<&'a str>,
    /// Only names above this one. A common prefix at or below it was on an earlier page.
    pub after: Option<&'a str>,
    pub limit: usize,
}

/// What becomes of the next name of a cursor.
#[derive(Debug, PartialEq, Eq)]
pub enum Place<'n> {
    Entry,
    /// The name is below this common prefix, which is an entry. The page continues beyond it.
    Below(&'n str),
    /// The page has all its entries, and more follow.
    Full,
    /// The name does not have the prefix, and no later one has.
    Outside,
}

impl Query<'_> {
    /// Returns what becomes of the next name, on a page that has so many entries.
    pub fn place<'n>(&self, name: &'n str, entries: usize) -> Place<'n> {
        if !name.starts_with(self.prefix) {
            return Place::Outside;
        }
        if entries == self.limit {
            return Place::Full;
        }
        self.group(name).map_or(Place::Entry, Place::Below)
    }

    /// Returns the common prefix that `name` belongs to, if it belongs to one.
    pub fn group<'n>(&self, name: &'n str) -> Option<&'n str> {
        let delimiter = self.delimiter.filter(|d| !d.is_empty())?;
        let rest = name.strip_prefix(self.prefix)?;
        let at = match delimiter.as_bytes() {
            // To prepare the search for a longer one takes more time than to look through a key.
            [delimiter] => rest.bytes().position(|byte| byte == *delimiter)?,
            _ => rest.find(delimiter)?,
        };
        Some(&name[..self.prefix.len() + at + delimiter.len()])
    }

    /// Returns where the page begins.
    pub fn start(&self) -> Seek {
        match self.after {
            Some(after) if after >= self.prefix => match self.group(after) {
                Some(group) => Seek::beyond(group),
                None => Seek::After(after.as_bytes().to_vec()),
            },
            _ => Seek::From(self.prefix.as_bytes().to_vec()),
        }
    }
}

/// Entries in order, and whether more follow.
pub type GroupedPage<T> = (Vec<Grouped<T>>, bool);

pub fn page<C: Ordered>(cursor: &mut C, query: Query<'_>) -> Result<GroupedPage<C::Item>, C::Error> {
    let mut entries = Vec::new();
    if query.limit == 0 {
        return Ok((entries, false));
    }
    cursor.seek(query.start())?;
    while let Some(item) = cursor.next()? {
        match query.place(C::name(&item), entries.len()) {
            Place::Entry => entries.push(Grouped::Item(item)),
            Place::Below(group) => {
                cursor.seek(Seek::beyond(group))?;
                entries.push(Grouped::CommonPrefix(group.to_owned()));
            }
            Place::Full => return Ok((entries, true)),
            Place::Outside => break,
        }
    }
    Ok((entries, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{collections::BTreeSet, convert::Infallible};

    struct Names<'a>(&'a BTreeSet<String>, Option<String>);

    impl Ordered for Names<'_> {
        type Item = String;
        type Error = Infallible;
        fn seek(&mut self, to: Seek) -> Result<(), Infallible> {
            let first = |ok: &dyn Fn(&[u8]) -> bool| self.0.iter().find(|n| ok(n.as_bytes())).cloned();
            self.1 = match &to {
                Seek::From(bound) => first(&|n| n >= bound.as_slice()),
                Seek::After(bound) => first(&|n| n > bound.as_slice()),
            };
            Ok(())
        }
        fn next(&mut self) -> Result<Option<String>, Infallible> {
            let now = self.1.take();
            self.1 = now.as_ref().and_then(|now| self.0.iter().find(|n| *n > now).cloned());
            Ok(now)
        }
        fn name(item: &String) -> &str {
            item
        }
    }

    fn name_of(entry: &Grouped<String>) -> &str {
        match entry {
            Grouped::Item(name) | Grouped::CommonPrefix(name) => name,
        }
    }

    proptest! {
        #[test]
        fn pages_of_any_size_add_up_to_what_a_naive_listing_gives(
            names in prop::collection::btree_set("[ab/é\u{1}]{1,6}", 0..40),
            prefix in "[ab/]{0,2}",
            delimiter in prop::option::of("(/|a|b/|é)"),
            limit in 1usize..7,
        ) {
            let mut naive = BTreeSet::new();
            for name in names.iter().filter(|n| n.starts_with(&prefix)) {
                let rest = &name[prefix.len()..];
                naive.insert(match delimiter.as_ref().and_then(|d| rest.find(d.as_str()).map(|at| at + d.len())) {
                    Some(end) => format!("{prefix}{}", &rest[..end]),
                    None => name.clone(),
                });
            }
            let mut got = Vec::new();
            let mut after: Option<String> = None;
            loop {
                let query = Query { prefix: &prefix, delimiter: delimiter.as_deref(), after: after.as_deref(), limit };
                let (entries, truncated) = page(&mut Names(&names, None), query).expect("infallible");
                prop_assert!(entries.len() <= limit);
                got.extend(entries.iter().map(|e| name_of(e).to_owned()));
                if !truncated {
                    break;
                }
                prop_assert_eq!(entries.len(), limit);
                after = got.last().cloned();
            }
            prop_assert_eq!(got, naive.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_limit_of_zero_is_an_empty_page_that_is_not_truncated() {
        let names = BTreeSet::from(["a".to_owned()]);
        let query = Query { prefix: "", delimiter: None, after: None, limit: 0 };
        assert_eq!(page(&mut Names(&names, None), query), Ok((vec![], false)));
    }
}
