//! Both ends in step: which names one has, the other has, or both have.
//!
//! Invariant: pairs come in byte order of their names, and each name once. Memory is that of two listings.

use crate::{
    error::TransferError,
    listing::{Entry, Listing},
};
use std::cmp::Ordering;

/// One name, and who has it.
#[derive(Debug, Clone, PartialEq)]
pub enum Pair {
    Source(Entry),
    Destination(Entry),
    Both(Entry, Entry),
}

impl Pair {
    pub fn name(&self) -> &str {
        match self {
            Self::Source(entry) | Self::Destination(entry) | Self::Both(entry, _) => entry.name(),
        }
    }

    /// Returns the source's entry and the destination's.
    pub fn into_entries(self) -> (Option<Entry>, Option<Entry>) {
        match self {
            Self::Source(source) => (Some(source), None),
            Self::Destination(destination) => (None, Some(destination)),
            Self::Both(source, destination) => (Some(source), Some(destination)),
        }
    }
}

#[derive(Debug)]
pub struct Pairs {
    source: Side,
    destination: Side,
}

#[derive(Debug)]
struct Side {
    listing: Listing,
    /// The first entry that no pair has yet.
    first: Option<Entry>,
}

impl Side {
    async fn fill(&mut self) -> Result<(), TransferError> {
        if self.first.is_none() {
            self.first = self.listing.next().await?;
        }
        Ok(())
    }
}

impl Pairs {
    pub fn new(source: Listing, destination: Listing) -> Self {
        let side = |listing| Side { listing, first: None };
        Self { source: side(source), destination: side(destination) }
    }

    /// Returns the next pair. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<Pair>, TransferError> {
        self.source.fill().await?;
        self.destination.fill().await?;
        let (source, destination) = (&mut self.source.first, &mut self.destination.first);
        let order = match (&source, &destination) {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(source), Some(destination)) => source.name().cmp(destination.name()),
        };
        Ok(match order {
            Ordering::Less => source.take().map(Pair::Source),
            Ordering::Greater => destination.take().map(Pair::Destination),
            Ordering::Equal => source
                .take()
                .zip(destination.take())
                .map(|(source, destination)| Pair::Both(source, destination)),
        })
    }
}

#[cfg(test)]
mod tests;
