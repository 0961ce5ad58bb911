//! The keys that every bucket lists: numbers with leading zeros, so that their order is that of the numbers.

use crate::{
    model::ObjectKey,
    store::grouping::{Ordered, Seek},
};
use std::convert::Infallible;

/// A cursor over the keys from `0…0` on. They are made as they are read.
pub(super) struct Names {
    keys: usize,
    width: usize,
    next: usize,
}

impl Names {
    pub(super) fn new(keys: usize) -> Self {
        Self { keys, width: keys.saturating_sub(1).to_string().len(), next: 0 }
    }

    fn name(&self, number: usize) -> String {
        format!("{number:0width$}", width = self.width)
    }

    /// Returns the first number whose name is not `before` the bound.
    fn first(&self, before: impl Fn(&[u8]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.keys);
        while low < high {
            let middle = low + (high - low) / 2;
            match before(self.name(middle).as_bytes()) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }
}

impl Ordered for Names {
    type Item = ObjectKey;
    type Error = Infallible;

    fn seek(&mut self, to: Seek) -> Result<(), Infallible> {
        self.next = match &to {
            Seek::From(bound) => self.first(|name| name < bound.as_slice()),
            Seek::After(bound) => self.first(|name| name <= bound.as_slice()),
        };
        Ok(())
    }

    fn next(&mut self) -> Result<Option<ObjectKey>, Infallible> {
        let number = self.next;
        if number >= self.keys {
            return Ok(None);
        }
        self.next += 1;
        // Digits are always a key.
        Ok(ObjectKey::new(self.name(number)).ok())
    }

    fn name(key: &ObjectKey) -> &str {
        key.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::grouping::{self, Grouped, Query};

    fn page(keys: usize, prefix: &str, delimiter: Option<&str>, after: Option<&str>) -> (Vec<String>, bool) {
        let query = Query { prefix, delimiter, after, limit: 3 };
        let Ok((entries, truncated)) = grouping::page(&mut Names::new(keys), query);
        let name = |entry: Grouped<ObjectKey>| match entry {
            Grouped::Item(key) => key.as_str().to_owned(),
            Grouped::CommonPrefix(prefix) => prefix,
        };
        (entries.into_iter().map(name).collect(), truncated)
    }

    fn names(names: &[&str], truncated: bool) -> (Vec<String>, bool) {
        (names.iter().map(|name| (*name).to_owned()).collect(), truncated)
    }

    #[test]
    fn a_page_continues_where_the_last_one_ended() {
        assert_eq!(page(12, "", None, None), names(&["00", "01", "02"], true));
        assert_eq!(page(12, "", None, Some("02")), names(&["03", "04", "05"], true));
        assert_eq!(page(12, "", None, Some("08")), names(&["09", "10", "11"], false));
        assert_eq!(page(12, "", None, Some("11")), names(&[], false));
        assert_eq!(page(1, "", None, None), names(&["0"], false));
        assert_eq!(page(0, "", None, None), names(&[], false));
    }

    #[test]
    fn prefix_and_delimiter_select_as_in_any_bucket() {
        assert_eq!(page(120, "11", None, None), names(&["110", "111", "112"], true));
        assert_eq!(page(120, "2", None, None), names(&[], false));
        assert_eq!(page(120, "", Some("1"), None), names(&["000", "001", "002"], true));
        assert_eq!(page(120, "", Some("1"), Some("009")), names(&["01", "020", "021"], true));
    }
}
