//! What a run did and what is left: the answer of `converge`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::{Change, Conflict, Deferred, Plan, PlannedActivation, Reboot};

/// Format of a report.
pub const REPORT_FORMAT: &str = "hoststate.report/1";

/// The `error` of a run that the user stopped.
pub const INTERRUPTED: &str = "interrupted";

/// What a run did and what is left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// [`REPORT_FORMAT`].
    pub format: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether anything on the host was changed.
    pub changed: bool,
    /// The plan it started from.
    pub plan: Plan,
    /// What was done, in order, over all rounds.
    pub steps: Vec<StepReport>,
    /// What is not as wanted, read from the host after the last step.
    pub left: Left,
    /// Id of the run record; null when nothing was changed.
    pub run: Option<String>,
    /// What went wrong, if something did.
    pub error: Option<String>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything was as wanted; nothing was done.
    InDesiredState,
    /// Changes were made, and everything that this run may do is done.
    Converged,
    /// Nothing is left to do but a reboot.
    RebootRequired,
    /// A guard or a conflict stopped the run before it changed anything.
    Refused,
    /// A step failed, or did not have its effect.
    Failed,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepReport {
    /// What was done, in words.
    pub what: String,
    /// How it ended.
    pub status: StepStatus,
    /// How long it took.
    pub seconds: f64,
    /// Program and arguments, for a tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argv: Option<Vec<String>>,
    /// Exit status, for a tool that exited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<i32>,
    /// The end of what a tool wrote to standard error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// Why it failed or was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// It succeeded.
    Done,
    /// It failed.
    Failed,
    /// It was not tried.
    Skipped,
}

/// What is not as wanted after a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Left {
    /// Settings that still differ, those that wait for a reboot among them.
    pub changes: Vec<Change>,
    /// Activations that were not run.
    pub activations: Vec<PlannedActivation>,
    /// Whether the host must boot.
    pub reboot: Reboot,
    /// Settings that could not be read.
    pub deferred: Vec<Deferred>,
    /// Settings that cannot become as wanted.
    pub conflicts: Vec<Conflict>,
}

impl From<Plan> for Left {
    fn from(plan: Plan) -> Self {
        let Plan { changes, activations, reboot, deferred, conflicts, .. } = plan;
        Self { changes, activations, reboot, deferred, conflicts }
    }
}
