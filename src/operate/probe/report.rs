//! The result of a probe: steps with an outcome and text, and what clients can therefore rely on.

use crate::store::{
    Durability, Guarantee, Keeping, MultipartSupport, Store,
    error::{StoreError, StoreErrorKind},
};
use serde::Serialize;
use std::{collections::BTreeMap, fmt};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StepOutcome {
    Ok,
    /// The storage lacks it, and clients that ask for it get an error.
    No,
    /// The storage did not do what it should.
    Failed,
}

impl fmt::Display for StepOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::No => "no",
            Self::Failed => "failed",
        })
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Step {
    pub step: String,
    pub outcome: StepOutcome,
    pub words: String,
    pub milliseconds: u64,
}

/// Why a step did not find what it should.
#[derive(Debug)]
pub(super) enum Trouble {
    No(String),
    Failed(String),
}

/// Words about what is as it should be.
pub(super) type Found = Result<String, Trouble>;

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::NotImplemented => Self::No("refused with 501".to_owned()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

pub(super) fn failed<T>(words: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Failed(words.into()))
}

impl Step {
    pub(super) fn of(step: impl Into<String>, found: Found, milliseconds: u64) -> Self {
        let (outcome, words) = match found {
            Ok(words) => (StepOutcome::Ok, words),
            Err(Trouble::No(words)) => (StepOutcome::No, words),
            Err(Trouble::Failed(words)) => (StepOutcome::Failed, words),
        };
        Self { step: step.into(), outcome, words, milliseconds }
    }

    pub(super) fn interrupted(words: impl Into<String>) -> Self {
        Self::of("interrupted", failed(words), 0)
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub steps: Vec<Step>,
    /// Nothing was left out.
    pub complete: bool,
    /// The promises to clients, if everything was probed.
    pub promises: BTreeMap<&'static str, &'static str>,
}

impl Report {
    pub(super) fn of(steps: Vec<Step>, complete: bool, tried: Option<&dyn Store>) -> Self {
        Self { steps, complete, promises: tried.map(promises).unwrap_or_default() }
    }

    pub fn count(&self, outcome: StepOutcome) -> usize {
        self.steps.iter().filter(|step| step.outcome == outcome).count()
    }

    /// Nothing failed. A capability that the storage lacks is no failure.
    pub fn is_sound(&self) -> bool {
        self.count(StepOutcome::Failed) == 0
    }
}

fn promises(store: &dyn Store) -> BTreeMap<&'static str, &'static str> {
    let guarantee = |guarantee| match guarantee {
        Guarantee::Native => "by the storage",
        Guarantee::Leased => "by this process",
        Guarantee::Refused => "refused",
    };
    let keeping = |keeping, not| match keeping {
        Keeping::Kept => "kept",
        Keeping::NotKept => not,
    };
    let passed = |keeping| match keeping {
        Keeping::Kept => "passed on",
        Keeping::NotKept => "refused",
    };
    let known = store.capabilities();
    BTreeMap::from([
        ("conditional_writes", guarantee(known.conditional_writes)),
        ("conditional_deletes", guarantee(known.conditional_deletes)),
        ("checksums", keeping(known.checksums, "verified and forgotten")),
        ("tags", keeping(known.tags, "refused")),
        ("storage_classes", passed(known.storage_classes)),
        ("encryption", passed(known.encryption)),
        ("object_acls", keeping(known.object_acls, "refused")),
        (
            "multipart",
            match known.multipart {
                MultipartSupport::InPlace => "by the storage",
                MultipartSupport::Staged => "staged",
            },
        ),
        (
            "durability",
            match known.durability {
                Durability::Strict => "strict",
                Durability::Relaxed => "relaxed",
                Durability::Volatile => "none",
            },
        ),
    ])
}
