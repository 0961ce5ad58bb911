//! What is shown of a job: plain data, which is sent through the control socket.

use super::Interruption;
use crate::model::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// The last step failed; the next one tries again.
    Failed,
    /// A step is under way.
    Running,
    /// Another process has the turn.
    Elsewhere,
    /// The job rests until its next step.
    Waiting,
    /// There will be no further step.
    Done,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobState {
    pub job: String,
    pub bucket: Option<String>,
    pub backend: Option<String>,
    pub state: JobStatus,
    pub interruption: Interruption,
    /// When the last step began.
    pub began: Option<Timestamp>,
    /// When the last completed step ended.
    pub ended: Option<Timestamp>,
    /// When the next step begins, unless an event starts it sooner.
    pub next: Option<Timestamp>,
    /// The counts of the step in progress, or else of the last one.
    pub progress: Vec<(String, u64)>,
    /// Why the last step failed.
    pub error: Option<String>,
}
