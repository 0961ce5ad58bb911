//! Both ends of a two-way run, and what its steps share.

use super::{options::TwoWayOptions, question::Ask, state::State};
use crate::{
    compare::Subject,
    context::Context,
    end::{End, Side},
    error::TransferError,
    events::Reporter,
    filter::Filter,
    journal::Journal,
    listing::Entry,
    model::ObjectInfo,
    options::{Options, Tuning},
    pace::Pace,
    progress::Progress,
    retry::Retry,
    store::{
        Capabilities,
        error::{StoreError, StoreErrorKind},
    },
};
use std::sync::{Arc, Mutex};

/// What planning needs.
pub(crate) struct Both {
    pub(crate) source: End,
    pub(crate) destination: End,
    /// What the ends are called in the state: the same, however they are written.
    pub(crate) addresses: [String; 2],
    pub(crate) options: TwoWayOptions,
    pub(crate) tuning: Tuning,
    pub(crate) filter: Arc<Filter>,
    pub(crate) retry: Arc<Retry>,
    pub(crate) pace: Arc<Pace>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) reporter: Reporter,
    pub(crate) state: State,
    pub(crate) ask: Option<Ask>,
    /// One question is asked at a time.
    pub(crate) asking: tokio::sync::Mutex<()>,
}

impl Both {
    pub(crate) fn end(&self, side: Side) -> &End {
        match side {
            Side::Source => &self.source,
            Side::Destination => &self.destination,
        }
    }

    /// Returns what an end has under a name.
    pub(crate) async fn head(&self, side: Side, name: &str) -> Result<Option<ObjectInfo>, StoreError> {
        let end = self.end(side);
        let key = end.key(name).map_err(|error| {
            let why = format!("the name has no key at {}", end.label());
            StoreError::new(StoreErrorKind::KeyTooLong, why).with_source(error)
        })?;
        let conditions = Default::default();
        match self.retry.run(|| end.store.head(key.current(), &conditions)).await {
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => Ok(None),
            info => info.map(Some),
        }
    }

    pub(crate) fn subject<'a>(&'a self, side: Side, entry: &'a Entry) -> Subject<'a> {
        Subject::new(self.end(side), entry, &self.retry)
    }

    /// Creates the context of what is brought to an end.
    async fn context(&self, to: Side, journal: Journal) -> Result<Context, TransferError> {
        let (source, destination) = (self.end(to.other()).clone(), self.end(to).clone());
        let unknown = |error: StoreError| TransferError::Listing {
            end: destination.label().to_owned(),
            source: error.into(),
        };
        let capabilities =
            self.retry.run(|| destination.store.tried_capabilities()).await.map_err(unknown)?;
        Ok(Context {
            source_capabilities: source.store.capabilities(),
            source,
            destination,
            capabilities,
            options: Options::default(),
            tuning: self.tuning.clone(),
            filter: self.filter.clone(),
            retry: self.retry.clone(),
            pace: self.pace.clone(),
            progress: self.progress.clone(),
            reporter: self.reporter.clone(),
            journal,
            failures: Mutex::default(),
        })
    }
}

/// What taking steps needs.
pub(crate) struct Working<'b> {
    pub(crate) both: &'b Both,
    to_source: Context,
    to_destination: Context,
}

impl<'b> Working<'b> {
    /// `largest` is the size of the largest object that is brought to either end.
    pub(crate) async fn new(both: &'b Both, largest: u64) -> Result<Self, TransferError> {
        let mut to_source = both.context(Side::Source, Journal::default()).await?;
        let mut to_destination = both.context(Side::Destination, Journal::default()).await?;
        for (side, context) in [(Side::Source, &mut to_source), (Side::Destination, &mut to_destination)] {
            // A journal costs a sync. One of an earlier run is opened in any case: its uploads are ended.
            let path = both.state.journal(side);
            if context.sends_in_parts(largest) || path.exists() {
                let [source, destination] = &both.addresses;
                let (from, to) = match side {
                    Side::Source => (destination, source),
                    Side::Destination => (source, destination),
                };
                context.journal = Journal::open(&path, from, to, &context.options)?;
            }
        }
        Ok(Self { both, to_source, to_destination })
    }

    /// Returns the context of what is brought to an end.
    pub(crate) fn toward(&self, side: Side) -> &Context {
        match side {
            Side::Source => &self.to_source,
            Side::Destination => &self.to_destination,
        }
    }

    pub(crate) fn capabilities(&self, side: Side) -> &Capabilities {
        &self.toward(side).capabilities
    }

    /// The context that collects the failures of all steps.
    pub(crate) fn report(&self) -> &Context {
        &self.to_destination
    }
}
