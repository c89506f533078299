//! A report as text: what was done, what failed, what is left.

use hoststate_core::record::report::{Failure, Outcome, Report, StepReport, StepStatus};

use crate::render::changes::changes;
use crate::render::errors::labelled;
use crate::render::escape::visible_line;
use crate::render::plan::{command, conflicts, deferred, gap, settings, title};
use crate::render::screen::{Amount, Paint, Screen};

const ERROR: &str = "error:";

const HINT: &str = "hint:";

/// A step that takes longer than this many seconds shows how long it took.
const WORTH_MENTIONING: f64 = 1.0;

/// Returns one step that ended.
pub(crate) fn step(screen: &Screen, step: &StepReport) -> String {
    let (label, paint) = match step.status {
        StepStatus::Done => ("done   ", Paint::Added),
        StepStatus::Failed => ("failed ", Paint::Removed),
        StepStatus::Skipped => ("skipped", Paint::Warning),
    };
    let mut out = format!("  {} {}", screen.paint(paint, label), visible_line(&step.what));
    if step.seconds >= WORTH_MENTIONING {
        out.push_str(&screen.paint(Paint::Faint, &format!(" ({:.0} s)", step.seconds)));
    }
    out.push('\n');
    if screen.amount == Amount::More && step.status == StepStatus::Done {
        let stderr = step.stderr.as_deref().unwrap_or_default();
        screen.prose(&mut out, 10, stderr);
    }
    out
}

/// What a run was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// What the playbook declares.
    DesiredState,
    /// The files as they were.
    FilesAsBefore,
}

/// Returns what is said after the last step. The plan was shown before: what it said is not said again.
pub(crate) fn text(screen: &Screen, report: &Report, goal: Goal) -> String {
    let mut out = errors(screen, report);
    let left = &report.left;
    if report.outcome.is_unfinished() {
        if !left.changes.is_empty() {
            gap(&mut out);
            title(&mut out, screen, "Left to do:");
            changes(&mut out, screen, &left.changes, &[]);
        }
        deferred(&mut out, screen, &left.deferred);
        conflicts(&mut out, screen, &left.conflicts);
        gap(&mut out);
    }
    summary(&mut out, screen, report, goal);
    memory(&mut out, screen, report);
    out
}

/// Adds what is owned from now on although the run did not set it, and whether all is remembered.
fn memory(out: &mut String, screen: &Screen, report: &Report) {
    /// So many are named.
    const NAMED: usize = 12;
    if let (Some(owner), [_, ..]) = (&report.plan.owner, &report.adopted[..]) {
        let all: Vec<String> = report.adopted.iter().map(|it| it.resource.to_string()).collect();
        let more = if all.len() > NAMED { format!(", {} more", all.len() - NAMED) } else { String::new() };
        let named = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let text = format!("Was in place before, and is owned by {owner} from now on: {named}{more}.");
        screen.prose(out, 0, &visible_line(&text));
    }
    if let Some(why) = &report.not_remembered {
        labelled(out, screen, &screen.paint(Paint::Warning, "warning:"), "warning:", why);
    }
}

/// Returns what is said of a boot that was tried and is refused. Nobody is to do anything now, so it ends with what the
/// host does by itself, and how that is stopped.
pub(crate) fn refused_boot(screen: &Screen, report: &Report) -> String {
    errors(screen, report)
}

/// Returns what went wrong.
fn errors(screen: &Screen, report: &Report) -> String {
    let mut out = String::new();
    if !report.steps.is_empty() {
        out.push('\n');
    }
    // Why nothing could be asked is said on standard error, whatever the format.
    let error = report.error.as_ref().filter(|_| report.outcome != Outcome::Declined);
    // The images of several kernels may fail; the error is that of one.
    let told = error.and_then(|it| it.step);
    let failed = report.steps.iter().enumerate().filter(|it| it.1.status == StepStatus::Failed);
    for reason in failed.filter(|it| Some(it.0) != told).filter_map(|it| it.1.reason.as_deref()) {
        labelled(&mut out, screen, &screen.paint(Paint::Removed, ERROR), ERROR, reason);
    }
    if let Some(error) = error {
        failure(&mut out, screen, error);
    }
    out
}

/// Adds what went wrong, what came of it, and how to mend it.
pub(crate) fn failure(out: &mut String, screen: &Screen, failure: &Failure) {
    let Failure { what, at, hint, given_back, unrecorded, .. } = failure;
    let label = screen.paint(Paint::Removed, ERROR);
    labelled(out, screen, &label, ERROR, what);
    if let Some(at) = at {
        labelled(out, screen, "  at", "  at", at);
    }
    if let Some(hint) = hint {
        labelled(out, screen, &screen.paint(Paint::Place, HINT), HINT, hint);
    }
    for line in given_back {
        screen.prose(out, 0, line);
    }
    if let Some(unrecorded) = unrecorded {
        labelled(out, screen, &label, ERROR, unrecorded);
    }
}

fn summary(out: &mut String, screen: &Screen, report: &Report, goal: Goal) {
    let done = report.steps.iter().filter(|it| it.status == StepStatus::Done).count();
    let steps = if done == 1 { "1 step".to_owned() } else { format!("{done} steps") };
    let pending: Vec<String> = report.left.activations.iter().map(|it| command(&it.argv)).collect();
    let (paint, text) = match (report.outcome, goal) {
        (Outcome::InDesiredState, Goal::DesiredState) => {
            (Paint::Added, format!("In the desired state: {}, nothing was done.", held(report)))
        }
        (Outcome::InDesiredState, Goal::FilesAsBefore) => {
            (Paint::Added, "The files are already as they were before that run; nothing was done.".to_owned())
        }
        (Outcome::ActivationRequired, Goal::DesiredState) => {
            let state = "The host is not in the desired state until this has run";
            (Paint::Warning, format!("{steps} done. {state}: {}.", pending.join("; ")))
        }
        (Outcome::ActivationRequired, Goal::FilesAsBefore) => {
            let state = "The host boots as before only when this has run";
            (Paint::Warning, format!("{steps} done. {state}: {}.", pending.join("; ")))
        }
        // The plan says the rest.
        (Outcome::Converged, Goal::DesiredState) if report.left.is_beyond_boot() && done == 0 => {
            (Paint::Warning, "Nothing was done.".to_owned())
        }
        (Outcome::Converged, Goal::DesiredState) if report.left.is_beyond_boot() => {
            let state = match report.left.changes.is_empty() {
                true => "Everything is in place, but not all of it takes effect",
                false => "A boot did not help with what is left, and another is not expected to",
            };
            (Paint::Warning, format!("{steps} done. {state}."))
        }
        (Outcome::Converged, Goal::DesiredState) => {
            (Paint::Added, format!("Converged: {steps} done, in the desired state."))
        }
        (Outcome::Converged, Goal::FilesAsBefore) => (Paint::Added, format!("Rolled back: {steps} done.")),
        (Outcome::RebootRequired, _) => {
            (Paint::Warning, format!("{steps} done. Nothing is left but a reboot."))
        }
        (Outcome::Refused, _) => (Paint::Removed, "Refused; nothing was changed.".to_owned()),
        (Outcome::Declined, _) => (Paint::Warning, "Nothing was changed.".to_owned()),
        (Outcome::Interrupted, _) if !report.changed => {
            (Paint::Warning, "Interrupted; nothing was changed.".to_owned())
        }
        (Outcome::Interrupted, _) => (
            Paint::Warning,
            format!("Interrupted after {steps}; nothing is half-written. Run again to continue."),
        ),
        (Outcome::Failed, _) if !report.changed => {
            (Paint::Removed, "Failed; nothing was changed.".to_owned())
        }
        (Outcome::Failed, _) if done == 0 => (
            Paint::Removed,
            "Failed in the first step, which may be half done. Fix the cause and run again.".to_owned(),
        ),
        (Outcome::Failed, _) => {
            (Paint::Removed, format!("Failed after {steps}. Fix the cause and run again."))
        }
    };
    out.push_str(&screen.paint(paint, &text));
    out.push('\n');
    if let Some(run) = &report.run {
        out.push_str(
            &screen.paint(Paint::Faint, &format!("Run {run}: `hoststate rollback {run}` undoes it.")),
        );
        out.push('\n');
    }
}

fn held(report: &Report) -> String {
    settings(report.plan.summary.in_desired_state)
}
