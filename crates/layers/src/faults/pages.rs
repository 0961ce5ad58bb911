//! Stale listings: the page that each request was last answered with.

use crate::store::{ListPage, ListRequest};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Maximum number of pages that are kept; beyond it all are dropped, and the next answers are correct.
const KEPT: usize = 100;

type PageKey = (String, Option<String>, Option<String>, usize);

#[derive(Debug, Default)]
pub(super) struct Pages(Mutex<HashMap<PageKey, ListPage>>);

impl Pages {
    pub(super) fn last(&self, request: &ListRequest) -> Option<ListPage> {
        self.lock().get(&asked(request.clone())).cloned()
    }

    pub(super) fn keep(&self, request: ListRequest, page: &ListPage) {
        let mut pages = self.lock();
        if pages.len() >= KEPT {
            pages.clear();
        }
        pages.insert(asked(request), page.clone());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PageKey, ListPage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn asked(request: ListRequest) -> PageKey {
    let ListRequest { prefix, after, delimiter, limit } = request;
    (prefix, after, delimiter, limit)
}
