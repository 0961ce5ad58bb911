//! Markers where a listing continues. Azure continues only from its own markers, S3 from any name. The
//! markers of the pages that were returned last are remembered, so that the next page costs one request.
//!
//! Azure may bind a marker to the name that came next at that time, so a name that was written between the
//! two pages could be missing. Invariant: a marker is used only if nothing was written through this gateway
//! between the end of its page and that next name. Each marker is used once, and only for a short time.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

const MOST: usize = 128;
const LIFE: Duration = Duration::from_secs(300);
/// The number of remembered writes, against which a listing in progress is checked.
const REMEMBERED_WRITES: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Marks(Mutex<MarksState>);

#[derive(Debug, Default)]
struct MarksState {
    marks: VecDeque<Mark>,
    /// The latest writes.
    writes: VecDeque<String>,
    count: u64,
}

/// The end of a page.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) prefix: String,
    pub(super) delimiter: Option<String>,
    /// The last name on the page.
    pub(super) after: String,
    /// The name that came next.
    pub(super) next: String,
    pub(super) marker: String,
    pub(super) at: Instant,
}

impl Mark {
    fn is_hurt_by(&self, key: &str) -> bool {
        self.after.as_str() < key && key < self.next.as_str()
    }
}

/// The number of writes when a listing began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Began(u64);

impl Marks {
    fn lock(&self) -> MutexGuard<'_, MarksState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self) -> Began {
        Began(self.lock().count)
    }

    /// Must be called after each write, whether or not it succeeded.
    pub(super) fn written(&self, key: &str) {
        let mut state = self.lock();
        state.marks.retain(|mark| !mark.is_hurt_by(key));
        state.writes.push_back(key.to_owned());
        state.count += 1;
        if state.writes.len() > REMEMBERED_WRITES {
            state.writes.pop_front();
        }
    }

    pub(super) fn remember(&self, began: Began, mark: Mark) {
        let mut state = self.lock();
        let since = usize::try_from(state.count - began.0).unwrap_or(usize::MAX);
        let hurt = since > state.writes.len()
            || state.writes.iter().rev().take(since).any(|key| mark.is_hurt_by(key));
        if hurt {
            return;
        }
        state.marks.push_back(mark);
        if state.marks.len() > MOST {
            state.marks.pop_front();
        }
    }

    /// Returns the marker for the page that follows the one that ended with `after`.
    pub(super) fn take(&self, prefix: &str, delimiter: Option<&str>, after: &str) -> Option<String> {
        let mut state = self.lock();
        state.marks.retain(|mark| mark.at.elapsed() < LIFE);
        let here = |mark: &Mark| {
            mark.prefix == prefix && mark.delimiter.as_deref() == delimiter && mark.after == after
        };
        let at = state.marks.iter().rposition(here)?;
        state.marks.remove(at).map(|mark| mark.marker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(after: &str, next: &str) -> Mark {
        Mark {
            prefix: "p".into(),
            delimiter: None,
            after: after.into(),
            next: next.into(),
            marker: "m".into(),
            at: Instant::now(),
        }
    }

    #[test]
    fn a_marker_is_used_once_and_only_for_its_own_listing() {
        let marks = Marks::default();
        marks.remember(marks.begin(), mark("pb", "pd"));
        assert_eq!(marks.take("p", Some("/"), "pb"), None);
        assert_eq!(marks.take("p", None, "pc"), None);
        assert_eq!(marks.take("p", None, "pb").as_deref(), Some("m"));
        assert_eq!(marks.take("p", None, "pb"), None);
    }

    #[test]
    fn a_write_between_the_page_and_the_next_name_ends_a_marker() {
        let marks = Marks::default();
        let usable = |key: &str, before: bool| {
            let began = marks.begin();
            if before {
                marks.written(key);
            }
            marks.remember(began, mark("pb", "pd"));
            if !before {
                marks.written(key);
            }
            marks.take("p", None, "pb").is_some()
        };
        for before in [true, false] {
            assert!(
                usable("pa", before) && usable("pb", before) && usable("pd", before) && usable("pe", before)
            );
            assert!(!usable("pc", before));
        }
        let began = marks.begin();
        (0..=REMEMBERED_WRITES).for_each(|_| marks.written("pe"));
        marks.remember(began, mark("pb", "pd"));
        assert_eq!(marks.take("p", None, "pb"), None, "nobody knows what was written");
    }

    #[test]
    fn only_so_many_are_remembered() {
        let marks = Marks::default();
        (0..=MOST).for_each(|n| marks.remember(marks.begin(), mark(&format!("p{n}"), "q")));
        assert_eq!(marks.take("p", None, "p0"), None);
        assert!(marks.take("p", None, "p1").is_some());
    }
}
