//! How a run ended: the report of it, and the end of its record.

use super::{Activate, Remembering, Run, Stop};
use crate::machine::image_contents;
use crate::plan::planned::{FileChange, Plan, PlannedActivation};
use crate::planner::Runtime;
use crate::record::report::{Failure, Left, Outcome, REPORT_FORMAT, Report, StepReport, StepStatus};

impl Run<'_> {
    /// Returns the report of the run that began with `first`, left the host as `last` says, and recorded that.
    pub(super) fn report(
        mut self,
        first: Plan,
        last: Plan,
        steps: Vec<StepReport>,
        stop: Option<Stop>,
        given_back: Vec<String>,
        mut memory: Remembering,
    ) -> Report {
        // A tool that failed, or a disk that failed after the new text had its name, has changed the host as well.
        let is_changed = |it: &FileChange| match self.host.view().read(&it.path) {
            Ok(text) => text != it.before,
            Err(_) => true,
        };
        let has_worked = |it: &StepReport| {
            it.status == StepStatus::Done || (it.status == StepStatus::Failed && it.argv.is_some())
        };
        let changed = steps.iter().any(has_worked)
            || (stop.is_some() && !steps.is_empty() && first.files.iter().any(is_changed));
        let mut left = Left::from(last.clone());
        leave_skipped(&mut left, &first, &steps);
        let (outcome, mut error) = match stop {
            Some(stop) => ended_early(stop, given_back, &steps),
            None => self.ended(&last, &left, changed),
        };
        self.recorder.keep_images(image_contents::news(&self.host.view()).as_deref());
        self.remember_last(&mut memory, outcome, &left);
        let (adopted, not_remembered) = memory.told(self.planner.owner, outcome);
        let reason = error.as_ref().map(Failure::to_string);
        let (run, unrecorded) = self.recorder.finish(outcome, reason.as_deref(), &steps, &left);
        let outcome = match unrecorded {
            None => outcome,
            Some(err) => {
                let what = format!("the end of the run cannot be recorded: {err}");
                match &mut error {
                    Some(error) => error.unrecorded = Some(what),
                    None => error = Some(Failure::new(what).with_hint(err.hint())),
                }
                Outcome::Failed
            }
        };
        Report {
            format: REPORT_FORMAT.to_owned(),
            outcome,
            changed,
            plan: first,
            steps,
            left,
            run,
            error,
            adopted,
            not_remembered,
        }
    }

    fn ended(&self, last: &Plan, left: &Left, changed: bool) -> (Outcome, Option<Failure>) {
        let waits = !last.deferred.is_empty() && self.planner.runtime == Runtime::Now;
        let is_refused = last.refusals().next().is_some() || !last.conflicts.is_empty();
        if is_refused && !changed {
            (Outcome::Refused, None)
        } else if is_refused {
            (Outcome::Failed, Some(Failure::new("what became visible during the run cannot be applied")))
        } else if self.activate == Activate::Skip && !left.activations.is_empty() {
            (Outcome::ActivationRequired, None)
        } else if waits {
            let waiting: Vec<String> =
                last.deferred.iter().map(|it| format!("{}: {}", it.resource, it.reason)).collect();
            (Outcome::Failed, Some(Failure::new(waiting.join("\n"))))
        } else if last.only_reboot_left() {
            (Outcome::RebootRequired, None)
        } else if changed || last.is_beyond_boot() || !last.in_desired_state() {
            (Outcome::Converged, None)
        } else {
            (Outcome::InDesiredState, None)
        }
    }
}

fn ended_early(stop: Stop, given_back: Vec<String>, steps: &[StepReport]) -> (Outcome, Option<Failure>) {
    match stop {
        Stop::Failed { err, at } => {
            let at = at.map(|it| it.to_string());
            let step = steps.iter().position(|it| it.status == StepStatus::Failed);
            (Outcome::Failed, Some(Failure { at, step, given_back, ..Failure::from(&err) }))
        }
        Stop::Interrupted if given_back.is_empty() => (Outcome::Interrupted, None),
        Stop::Interrupted => {
            let what = "stopped while a device was between two drivers";
            (Outcome::Interrupted, Some(Failure { given_back, ..Failure::new(what) }))
        }
    }
}

/// Names the tools that were skipped and that reading the host again does not ask for: what is undone no declaration
/// asks for any more.
fn leave_skipped(left: &mut Left, first: &Plan, steps: &[StepReport]) {
    let is_skipped = |planned: &PlannedActivation| {
        let skips =
            |it: &StepReport| it.status == StepStatus::Skipped && it.argv.as_ref() == Some(&planned.argv);
        steps.iter().any(skips)
    };
    for planned in first.activations.iter().filter(|it| is_skipped(it)) {
        if !left.activations.iter().any(|it| it.activation == planned.activation) {
            left.activations.push(planned.clone());
        }
    }
}
