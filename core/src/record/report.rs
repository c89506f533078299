//! What a run did and what is left: the answer of `converge`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::language::declaration::{Origin, ResourceId};
use crate::plan::finding::Finding;
use crate::plan::planned::{Change, Conflict, Deferred, Plan, PlannedActivation, Reboot};

/// Format of a report.
pub const REPORT_FORMAT: &str = "hoststate.report/2";

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
    pub error: Option<Failure>,
    /// What is the owner's from this run on, although it was in place before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adopted: Vec<Adopted>,
    /// Why what the run set is not remembered, where that failed: it will not be listed once it is no longer declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_remembered: Option<String>,
}

/// Something that was in place before a playbook declared it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Adopted {
    /// What it is: one parameter, option, module or id where its declaration has a list of them.
    pub resource: ResourceId,
    /// Where it is declared.
    pub playbook: Option<Origin>,
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
    /// Everything is done but for tools of the distribution that were left to the user.
    ActivationRequired,
    /// A guard or a conflict stopped the run before it changed anything.
    Refused,
    /// Whoever was asked did not say yes, or nobody was there to be asked; nothing was changed.
    Declined,
    /// The user stopped it between two steps; nothing is half-written.
    Interrupted,
    /// A step failed, or did not have its effect.
    Failed,
}

impl Report {
    /// Returns the report of a run that changed nothing of what `plan` shows.
    pub fn nothing_done(plan: Plan, outcome: Outcome, error: Option<Failure>) -> Self {
        let (format, steps, left) = (REPORT_FORMAT.to_owned(), Vec::new(), Left::from(plan.clone()));
        let (adopted, not_remembered) = (Vec::new(), None);
        Self { format, outcome, changed: false, plan, steps, left, run: None, error, adopted, not_remembered }
    }
}

impl Outcome {
    /// Returns whether the run ended before it had done what it set out to do.
    pub fn is_unfinished(self) -> bool {
        matches!(self, Self::Interrupted | Self::Failed)
    }
}

/// What went wrong in a run: what, where, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// What went wrong.
    pub what: String,
    /// The line of the playbook that it is about; null when it is about none.
    #[serde(rename = "where")]
    pub at: Option<String>,
    /// How to mend it, as a sentence; null when only the host can say.
    pub hint: Option<String>,
    /// The step that failed, counted from 0; absent where none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
    /// What came of giving the devices, which were left without a driver, back to those they had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given_back: Vec<String>,
    /// Why the end of the run could not be recorded, if that failed as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unrecorded: Option<String>,
}

impl Failure {
    /// Returns a failure about no line of a playbook, and without a hint.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), at: None, hint: None, step: None, given_back: Vec::new(), unrecorded: None }
    }

    /// Adds how to mend it.
    #[must_use]
    pub fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

impl From<&Error> for Failure {
    fn from(err: &Error) -> Self {
        Self::new(err.to_string()).with_hint(err.hint())
    }
}

/// What went wrong and what came of it, a line each: for the log. A hint is for who can act on it now.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, at: _, hint: _, step: _, given_back, unrecorded } = self;
        write!(f, "{what}")?;
        for line in given_back.iter().chain(unrecorded) {
            write!(f, "\n{line}")?;
        }
        Ok(())
    }
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
    /// Whether a boot is expected to make right what waits for one.
    pub reboot: Reboot,
    /// What the last boot was to make right and did not, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after_boot: Vec<Finding>,
    /// Settings that could not be read.
    pub deferred: Vec<Deferred>,
    /// Settings that cannot become as wanted.
    pub conflicts: Vec<Conflict>,
}

impl Left {
    /// Returns whether a boot was to make something right and did not.
    pub fn is_beyond_boot(&self) -> bool {
        self.after_boot.iter().any(|it| it.verdict.is_beyond_boot())
    }

    /// Returns what is still to do in few words, a boot left out: for a list of runs.
    pub fn in_words(&self) -> Vec<String> {
        let activations = self.activations.iter().map(|it| it.activation.to_string());
        let work = |it: &&Change| it.activation.is_none();
        let changes = self.changes.iter().filter(work).map(|it| it.about.to_string());
        let rest = self.deferred.iter().map(|it| it.resource.to_string());
        activations.chain(changes).chain(rest).collect()
    }
}

impl From<Plan> for Left {
    fn from(plan: Plan) -> Self {
        let Plan { changes, activations, reboot, after_boot, deferred, conflicts, .. } = plan;
        Self { changes, activations, reboot, after_boot, deferred, conflicts }
    }
}
