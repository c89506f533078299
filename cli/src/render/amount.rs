//! What a plan would do, in one line: the counts that a plan, its question and its text share.

use std::collections::BTreeSet;

use hoststate_abi::step::Step;
use hoststate_core::plan::planned::Plan;
use hoststate_core::run::apply::Activate;

/// Returns what carrying out `plan` does: `3 files, 2 commands, then a reboot`.
pub(crate) fn amount(plan: &Plan, activate: Activate) -> String {
    let mut parts = Vec::new();
    add(&mut parts, plan.files.len(), "file");
    let steps = || plan.changes.iter().flat_map(|it| &it.steps);
    let runs = steps().filter(|it| matches!(it, Step::Run { .. })).count();
    let tools = plan.activations.len();
    add(&mut parts, runs + if activate == Activate::Run { tools } else { 0 }, "command");
    let live = plan.changes.iter().filter(|it| it.steps.iter().any(is_attribute));
    add(&mut parts, live.map(|it| &it.about).collect::<BTreeSet<_>>().len(), "kernel setting");
    if activate == Activate::Skip && tools > 0 {
        parts.push(format!("{} left to you", counted(tools, "command")));
    }
    if plan.reboot.required {
        parts.push(if parts.is_empty() { "a reboot" } else { "then a reboot" }.to_owned());
    }
    parts.join(", ")
}

/// Returns a count with its noun.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn add(parts: &mut Vec<String>, count: usize, noun: &str) {
    if count > 0 {
        parts.push(counted(count, noun));
    }
}

fn is_attribute(step: &Step) -> bool {
    matches!(step, Step::WriteAttribute { .. })
}
