//! What all steps of one run share.

use crate::{
    end::End,
    error::TransferError,
    events::{Action, Event, Failure, MOST_FAILURES, Reporter},
    filter::Filter,
    journal::Journal,
    model::ETag,
    options::{Options, Tuning},
    pace::Pace,
    progress::Progress,
    retry::Retry,
    store::{
        Capabilities, Keeping, MultipartSupport,
        condition::{ETagMatch, ReadConditions},
        error::StoreError,
        multipart::MAX_PART_SIZE,
    },
};
use std::sync::{Arc, Mutex, PoisonError};

/// Objects from this size on are sent in parts, where parts are stored in place.
const IN_PARTS_FROM: u64 = 64 << 20;

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) source: End,
    pub(crate) destination: End,
    pub(crate) options: Options,
    pub(crate) tuning: Tuning,
    pub(crate) filter: Arc<Filter>,
    pub(crate) retry: Arc<Retry>,
    pub(crate) pace: Arc<Pace>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) reporter: Reporter,
    pub(crate) journal: Journal,
    /// Those of the destination, and of the source where it is written to.
    pub(crate) capabilities: Capabilities,
    pub(crate) source_capabilities: Capabilities,
    pub(crate) failures: Mutex<Vec<Failure>>,
}

/// Why a step failed.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The object fails, and the run goes on.
    Object(StoreError),
    /// The run ends.
    Run(TransferError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Object(error)
    }
}

impl From<TransferError> for Trouble {
    fn from(error: TransferError) -> Self {
        Self::Run(error)
    }
}

impl Context {
    /// Returns whether an object of this size is sent in parts. Objects above the limit of one PUT are, even
    /// where parts are staged.
    pub(crate) fn sends_in_parts(&self, size: u64) -> bool {
        let default = match self.capabilities.multipart {
            MultipartSupport::InPlace => IN_PARTS_FROM,
            MultipartSupport::Staged => MAX_PART_SIZE + 1,
        };
        size > 0 && size >= self.tuning.multipart_from.unwrap_or(default)
    }

    pub(crate) fn keeps_tags(&self) -> bool {
        self.capabilities.tags == Keeping::Kept
    }

    pub(crate) async fn warn(&self, name: &str, message: &str) {
        self.reporter.send(Event::Warning { name: name.to_owned(), message: message.to_owned() }).await;
    }

    pub(crate) async fn fail(&self, name: &str, action: Option<Action>, error: &StoreError) {
        self.progress.failed(1);
        let failure = Failure { name: name.to_owned(), action, reason: error.to_string() };
        {
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            if failures.len() < MOST_FAILURES {
                failures.push(failure.clone());
            }
        }
        self.reporter.send(Event::Failed(failure)).await;
    }
}

/// Reads only the object that has this ETag.
pub(crate) fn only(etag: &ETag) -> ReadConditions {
    ReadConditions { if_match: Some(ETagMatch::OneOf(vec![etag.clone()])), ..Default::default() }
}
