//! What both ends had after the last run, and what they have now, in step.
//!
//! Invariants: triples come in byte order of their names, and each name once. Names that the scope leaves out
//! come in no triple, so that what is known of them stays. Memory is that of two listings.

use super::{known::Known, version::Base};
use crate::{
    error::TransferError,
    filter::Scope,
    listing::Entry,
    pairs::{Pair, Pairs},
};

/// One name: what both ends had, and what each has.
#[derive(Debug)]
pub(crate) struct Triple {
    pub(crate) name: String,
    pub(crate) base: Option<Base>,
    pub(crate) source: Option<Entry>,
    pub(crate) destination: Option<Entry>,
}

#[derive(Debug)]
pub(crate) struct Triples {
    /// `None`: this is the first run.
    known: Option<Known>,
    scope: Scope,
    pairs: Pairs,
    base: Option<(String, Base)>,
    pair: Option<Pair>,
}

impl Triples {
    pub(crate) fn new(known: Option<Known>, scope: Scope, pairs: Pairs) -> Self {
        Self { known, scope, pairs, base: None, pair: None }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Triple>, TransferError> {
        while self.base.is_none()
            && let Some(known) = &mut self.known
        {
            match known.next()? {
                None => self.known = None,
                Some(base) if self.scope.keeps(&base.0).await? => self.base = Some(base),
                Some(_) => {}
            }
        }
        if self.pair.is_none() {
            self.pair = self.pairs.next().await?;
        }
        let first = match (&self.base, &self.pair) {
            (None, None) => return Ok(None),
            (Some((name, _)), None) => name,
            (None, Some(pair)) => pair.name(),
            (Some((name, _)), Some(pair)) => pair.name().min(name),
        };
        let name = first.to_owned();
        let base = self.base.take_if(|(known, _)| *known == name).map(|(_, base)| base);
        let pair = self.pair.take_if(|pair| pair.name() == name);
        let (source, destination) = pair.map_or((None, None), Pair::into_entries);
        Ok(Some(Triple { name, base, source, destination }))
    }
}
