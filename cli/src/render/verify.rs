//! A check as text: one line for each setting that differs, one for each resource that is as wanted.

use std::collections::BTreeSet;

use hoststate_core::language::declaration::ResourceId;
use hoststate_core::language::registry::Declared;
use hoststate_core::plan::finding::{Finding, Verdict};
use hoststate_core::plan::no_longer_declared::Disposal;
use hoststate_core::plan::planned::{Plan, Summary};
use hoststate_core::plan::scene::{Hazard, Severity};
use hoststate_core::planner::{declared_devices, leftovers as left_over};

use crate::exit::Exit;
use crate::render::amount::counted;
use crate::render::difference::difference;
use crate::render::escape::visible_line;
use crate::render::leftovers;
use crate::render::plan::{named, of_unread, settings};
use crate::render::screen::{Amount, Paint, Screen};
use crate::render::together::together;

/// Returns the lines of a check, then what a boot made of it.
pub(crate) fn text(screen: &Screen, plan: &Plan, declared: &[Declared], findings: &[Finding]) -> String {
    let mut out = String::new();
    let mut differing: BTreeSet<&ResourceId> = BTreeSet::new();
    let mut line = |paint: Paint, label: &str, text: &str| {
        out.push_str(&screen.paint(paint, label));
        out.push(' ');
        out.push_str(&visible_line(text));
        out.push('\n');
    };
    for it in &plan.conflicts {
        let setting = difference(screen, &it.about, it.actual.as_deref(), it.desired.as_deref());
        let resource = named(&it.resource, it.playbook.as_ref());
        let label = if it.gone.is_some() { "gone    " } else { "conflict" };
        line(Paint::Removed, label, &format!("{resource}: {setting}: {}", it.reason));
        differing.insert(&it.resource);
    }
    for group in together(&plan.changes) {
        let (it, resources) = (group.first(), group.resources());
        let setting = difference(screen, &it.about, group.actual().as_deref(), group.desired().as_deref());
        let resource = named(&it.resource, it.playbook.as_ref());
        let others = resources.len() - 1;
        let others = if others > 0 { format!(" and {}", counted(others, "other")) } else { String::new() };
        let (paint, label) = match it.expects_reboot() {
            true => (Paint::Warning, "reboot  "),
            false => (Paint::Removed, "drift   "),
        };
        line(paint, label, &format!("{resource}{others}: {setting}"));
        differing.extend(resources);
    }
    for it in &plan.deferred {
        let resource = named(&it.resource, it.playbook.as_ref());
        line(Paint::Warning, "deferred", &format!("{resource}: {}", it.reason));
        differing.insert(&it.resource);
    }
    for it in &plan.unread {
        line(Paint::Warning, "not read", &of_unread(it));
        differing.extend(&it.resources);
    }
    let is_told = |it: &&Hazard| findings.iter().any(|finding| finding.hazard.as_ref() == Some(&it.id));
    for it in plan.refusals().filter(|it| !is_told(it)) {
        line(Paint::Removed, "refused ", &it.message);
    }
    // What is taken out has a line already.
    let left: Vec<_> = plan.no_longer_declared.iter().filter(|it| it.state != Disposal::TakenOut).collect();
    for it in &left {
        line(Paint::Warning, "left    ", &leftovers::line(it));
    }
    // What the state is judged by is another than it was, or whose it is.
    let is_of_this = |it: &&Hazard| [declared_devices::GUARD, left_over::GUARD].contains(&it.guard.as_str());
    for it in plan.guards.iter().filter(|it| it.severity == Severity::Warn).filter(is_of_this) {
        line(Paint::Warning, "warning ", &it.message);
    }
    if screen.amount > Amount::Less {
        for it in declared.iter().filter(|it| !differing.contains(&it.id)) {
            line(Paint::Added, "ok      ", &named(&it.id, it.declaration.playbook.as_ref()));
        }
    }
    let mut said = BTreeSet::new();
    for it in findings {
        if let Some(text) = told(it).filter(|it| said.insert(it.clone())) {
            screen.prose(&mut out, 0, &visible_line(&text));
        }
    }
    let rest = plan.summary.in_desired_state;
    let Summary { to_change, only_reboot, deferred, .. } = plan.summary;
    let differ = to_change + only_reboot + deferred + plan.conflicts.len();
    let verdict = match Exit::of_verify(plan) {
        Exit::Success => format!("In the desired state: {}{}.", settings(rest), beside(left.len())),
        Exit::RebootLeft => {
            format!("Nothing is left but a reboot, for {differ} of {}.", settings(rest + differ))
        }
        Exit::Error if plan.conflicts.is_empty() => {
            let waiting = if differ > 0 { format!(", {differ} after a reboot") } else { String::new() };
            format!("Not known: {} as wanted{waiting}; root can see what could not be read.", settings(rest))
        }
        _ if differ == 0 && plan.refusals().next().is_some() => {
            "Not in the desired state: what is seen here is not what boots.".to_owned()
        }
        _ if differ == 0 => "Not in the desired state: something is in place without effect.".to_owned(),
        _ => format!("Not in the desired state: {differ} of {} differ.", settings(rest + differ)),
    };
    out.push_str(&screen.paint(Paint::Heading, &verdict));
    out.push('\n');
    out
}

/// Says that more is in place than what is declared.
fn beside(left: usize) -> String {
    if left == 0 { String::new() } else { format!("; {left} no longer declared") }
}

/// Returns a finding as a sentence; `None` where a line of its setting says the same already.
pub(crate) fn told(finding: &Finding) -> Option<String> {
    let reason = finding.reason.trim_end_matches('.');
    label(finding.verdict).map(|label| format!("{label}: {reason}."))
}

/// Returns how a finding begins; `None` where a line of its setting says the same already.
fn label(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::InDesiredState | Verdict::Drifted | Verdict::Blocked => None,
        Verdict::NotRebooted => Some("Not rebooted yet"),
        Verdict::MaybeNotRebooted => Some("Perhaps not rebooted yet"),
        Verdict::FailedAtBoot => Some("Failed after the boot"),
        Verdict::BootRefused => Some("Boot refused"),
        Verdict::OtherEntry => Some("Another entry was booted"),
        Verdict::ParameterLost => Some("Parameter lost"),
        Verdict::IneffectiveParameter => Some("Ineffective parameter"),
        Verdict::BoundElsewhere => Some("Bound by someone else"),
        Verdict::WithoutEffect => Some("Without effect"),
        Verdict::TakenBack => Some("Taken back"),
        Verdict::TakenBackAgain => Some("Taken back at every boot"),
        Verdict::NextBootLacks => Some("Not at the next boot"),
        Verdict::RunInProgress => Some("A run is in progress"),
        Verdict::TrialPending => Some("A boot is to be tried"),
        Verdict::AtBootPending => Some("Left for after a boot"),
        Verdict::GoingBack => Some("Going back"),
    }
}
