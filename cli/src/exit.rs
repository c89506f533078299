//! What the exit status says.

use std::path::Path;

use hoststate_core::plan::planned::Plan;
use hoststate_core::record::report::{Outcome, Report};
use std::process::ExitCode;

/// How the command ended, as its exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Success; in detail: in the desired state, and nothing was done.
    Success = 0,
    /// An error.
    Error = 1,
    /// In detail: there are changes to make, or changes were made.
    Changes = 2,
    /// In detail: nothing is left to do but a reboot.
    RebootLeft = 3,
    /// A guard refused.
    Refused = 4,
    /// In detail: done but for tools of the distribution that were not run.
    ActivationLeft = 5,
    /// Interrupted by a signal, as shells count SIGINT.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Whether the exit status tells success apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// 0, 2, 3 and 5 differ.
    Detailed,
    /// Success is 0.
    Plain,
}

impl Exit {
    /// Returns the status of `plan`.
    pub(crate) fn of_plan(plan: &Plan, detail: Detail) -> Self {
        if !plan.conflicts.is_empty() {
            Self::Error
        } else if plan.refusals().next().is_some() {
            Self::Refused
        } else {
            Self::of_state(plan).in_detail(detail)
        }
    }

    /// Returns the status of `verify`, which changes nothing: what a guard refuses is no desired state, and none that a
    /// reboot brings.
    pub(crate) fn of_verify(plan: &Plan) -> Self {
        // A device that was there once is a change of the host; one that never was is an error of the playbook.
        if plan.conflicts.is_empty() {
            let is_refused = plan.refusals().next().is_some();
            if is_refused { Self::Changes } else { Self::of_state(plan) }
        } else if plan.conflicts.iter().all(|it| it.gone.is_some()) {
            Self::Changes
        } else {
            Self::Error
        }
    }

    /// Returns the one of two that needs more attention.
    pub(crate) fn or_worse(self, other: Self) -> Self {
        let rank = |it: Self| match it {
            Self::Success => 0,
            Self::RebootLeft => 1,
            Self::Changes => 2,
            _ => 3,
        };
        if rank(other) > rank(self) { other } else { self }
    }

    /// Returns the status of `converge` and `rollback`.
    pub(crate) fn of_report(report: &Report, detail: Detail) -> Self {
        match report.outcome {
            Outcome::InDesiredState => Self::Success,
            Outcome::Converged => Self::Changes.in_detail(detail),
            Outcome::RebootRequired => Self::RebootLeft.in_detail(detail),
            Outcome::ActivationRequired => Self::ActivationLeft.in_detail(detail),
            Outcome::Refused if report.left.conflicts.is_empty() => Self::Refused,
            Outcome::Refused | Outcome::Declined | Outcome::Failed => Self::Error,
            Outcome::Interrupted => Self::Interrupted,
        }
    }

    fn of_state(plan: &Plan) -> Self {
        // In a tree that is not the machine, what waits for other settings waits for a boot.
        let waits = !plan.deferred.is_empty() && plan.host.root == Path::new("/");
        // What a boot did not make right is no desired state, and no other boot is expected to bring it.
        if plan.is_beyond_boot() {
            Self::Changes
        } else if plan.in_desired_state() {
            Self::Success
        } else if plan.has_work() || waits {
            Self::Changes
        } else if !plan.is_read() {
            // What else is as wanted says nothing about what may not be read.
            Self::Error
        } else {
            Self::RebootLeft
        }
    }

    fn in_detail(self, detail: Detail) -> Self {
        match detail {
            Detail::Detailed => self,
            Detail::Plain => Self::Success,
        }
    }
}
