//! A plan as text: what differs, what would be done about it, and what stands in the way.

use std::collections::{BTreeMap, BTreeSet};

use hoststate_abi::setting::Disruption;
use hoststate_abi::step::Step;
use hoststate_core::language::declaration::{Origin, ResourceId};
use hoststate_core::plan::doubts::NOTHING_DECLARED;
use hoststate_core::plan::finding::{Finding, Verdict};
use hoststate_core::plan::outlook::WordOutlook;
use hoststate_core::plan::planned::{Change, Conflict, Deferred, Plan, PlannedActivation, Summary};
use hoststate_core::plan::scene::{Hazard, Severity};
use hoststate_core::run::apply::Activate;

use crate::render::diff;
use crate::render::difference::difference;
use crate::render::escape::visible_line;
use crate::render::screen::{Amount, Paint, Screen};
use crate::render::table::table;
use crate::render::verify::told;

/// Indentation of what belongs to a heading.
const INNER: usize = 4;

/// What stands above the plan for after a boot that is tried.
const ONCE_CONFIRMED: &str = "If that boot holds, this is done after it, without a question:";

/// Returns a whole plan.
pub(crate) fn text(screen: &Screen, plan: &Plan, activate: Activate) -> String {
    let mut out = String::new();
    changes(&mut out, screen, plan.changes.iter().filter(|it| is_listed(screen, it)));
    if screen.amount > Amount::Less {
        for file in &plan.files {
            gap(&mut out);
            diff::file(&mut out, screen, file);
        }
    }
    activations(&mut out, screen, plan, activate);
    cmdline(&mut out, screen, &plan.cmdline);
    reboot(&mut out, screen, &plan.changes);
    after_boot(&mut out, screen, &plan.after_boot);
    deferred(&mut out, screen, &plan.deferred);
    conflicts(&mut out, screen, &plan.conflicts);
    hazards(&mut out, screen, &plan.guards);
    gap(&mut out);
    out.push_str(&summary(screen, plan));
    out.push('\n');
    if let Some(later) = &plan.once_confirmed {
        gap(&mut out);
        title(&mut out, screen, ONCE_CONFIRMED);
        out.push('\n');
        out.push_str(&text(screen, &Plan { guards: Vec::new(), ..Plan::clone(later) }, Activate::Run));
    }
    out
}

/// What only an activation or a reboot makes right is shown once, with that, and not for each resource that asks.
fn is_listed(screen: &Screen, change: &Change) -> bool {
    change.activation.is_none() || screen.amount == Amount::More
}

/// Adds the settings that differ, one block for each resource.
pub(crate) fn changes<'a>(out: &mut String, screen: &Screen, changes: impl IntoIterator<Item = &'a Change>) {
    let mut blocks: Vec<Vec<&Change>> = Vec::new();
    let mut block_of = BTreeMap::new();
    for change in changes {
        let at = *block_of.entry(&change.resource).or_insert(blocks.len());
        match blocks.get_mut(at) {
            Some(block) => block.push(change),
            None => blocks.push(vec![change]),
        }
    }
    for block in blocks {
        let first = block[0];
        let (sign, paint) = sign_of(&block);
        heading(out, screen, sign, paint, &first.resource, first.playbook.as_ref());
        for change in block {
            setting(out, screen, change);
        }
    }
}

/// Adds the commands that would run.
fn activations(out: &mut String, screen: &Screen, plan: &Plan, activate: Activate) {
    if plan.activations.is_empty() {
        return;
    }
    gap(out);
    title(
        out,
        screen,
        match activate {
            Activate::Run => "Then runs:",
            Activate::Skip => "Then run this yourself, in this order (see --activate):",
        },
    );
    for PlannedActivation { activation, argv, .. } in &plan.activations {
        screen.prose(out, INNER, &command(argv));
        let asking = plan.changes.iter().filter(|it| it.activation.as_ref() == Some(activation));
        for reason in distinct(asking.map(|it| found(&it.subject, it.actual.as_deref()))) {
            screen.prose(out, INNER * 2, &reason);
        }
    }
}

fn found(subject: &str, actual: Option<&str>) -> String {
    format!("{}: {}", visible_line(subject), actual.map_or("(absent)".into(), visible_line))
}

fn distinct(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    lines.filter(|it| seen.insert(it.clone())).collect()
}

/// Adds the command lines side by side, where they say more than the changes do.
fn cmdline(out: &mut String, screen: &Screen, words: &[WordOutlook]) {
    let Some(first) = words.iter().find(|it| it.is_news()) else { return };
    let mut rows = vec![vec!["WORD".to_owned()]];
    rows[0].extend(first.running.map(|_| "RUNNING".to_owned()));
    rows[0].extend(first.kernels.iter().map(|it| it.kernel.clone()));
    rows[0].push("FROM".to_owned());
    let mark = |has: bool| if has { "*" } else { "-" };
    for it in words {
        let mut row = vec![it.word.clone()];
        row.extend(it.running.map(|it| mark(it).to_owned()));
        row.extend(it.kernels.iter().map(|it| match it.next == it.desired {
            true => mark(it.next).to_owned(),
            false => format!("{} {} {}", mark(it.next), screen.arrow(), mark(it.desired)),
        }));
        row.push(it.from.as_ref().map_or("-".to_owned(), ToString::to_string));
        rows.push(row);
    }
    gap(out);
    title(out, screen, "The running kernel, and what the next boot of each kernel gets:");
    for line in table(&rows).lines() {
        out.push_str(&format!("{:INNER$}{line}\n", ""));
    }
}

/// Adds the reasons for a reboot.
pub(crate) fn reboot(out: &mut String, screen: &Screen, changes: &[Change]) {
    let waiting = changes.iter().filter(|it| it.expects_reboot());
    let reasons = distinct(
        waiting.map(|it| difference(screen, &it.subject, it.actual.as_deref(), it.desired.as_deref())),
    );
    if !reasons.is_empty() {
        gap(out);
        title(out, screen, "Needs a reboot:");
        for reason in reasons {
            screen.prose(out, INNER, &reason);
        }
    }
}

/// Adds what the last boot was to make right and did not. Words without effect and refused boots are told by guards.
pub(crate) fn after_boot(out: &mut String, screen: &Screen, findings: &[Finding]) {
    let is_told = |it: &&Finding| !matches!(it.verdict, Verdict::WordIgnored | Verdict::BootRefused);
    let unsaid = findings.iter().filter(is_told);
    let (in_vain, taken_back): (Vec<&Finding>, Vec<&Finding>) =
        unsaid.partition(|it| it.verdict.is_beyond_boot());
    if !in_vain.is_empty() {
        gap(out);
        title(out, screen, "A boot did not help, and another is not expected to:");
        for text in in_vain.into_iter().filter_map(told) {
            screen.prose(out, INNER, &visible_line(&text));
        }
    }
    for text in taken_back.into_iter().filter_map(told) {
        gap(out);
        screen.prose(out, 0, &visible_line(&text));
    }
}

/// Adds what cannot be read yet.
pub(crate) fn deferred(out: &mut String, screen: &Screen, deferred: &[Deferred]) {
    if deferred.is_empty() {
        return;
    }
    gap(out);
    title(out, screen, "Waits for other changes, and is planned again after them:");
    for Deferred { resource, playbook, reason } in deferred {
        screen.prose(out, INNER, &format!("{}: {reason}", named(resource, playbook.as_ref())));
    }
}

/// Adds what cannot become as wanted, with both sides.
pub(crate) fn conflicts(out: &mut String, screen: &Screen, conflicts: &[Conflict]) {
    if conflicts.is_empty() {
        return;
    }
    gap(out);
    title(out, screen, "Conflicts:");
    for it in conflicts {
        heading(out, screen, "!", Paint::Warning, &it.resource, it.playbook.as_ref());
        let line = difference(screen, &it.subject, it.actual.as_deref(), it.desired.as_deref());
        screen.prose(out, INNER, &line);
        screen.prose(out, INNER, &it.reason);
        if let Some(other) = &it.other {
            screen.prose(out, INNER, &format!("against {}", named(other, it.other_playbook.as_ref())));
        }
        if let Some(place) = &it.foreign {
            screen.prose(out, INNER, &format!("decided in {place}"));
        }
    }
}

fn hazards(out: &mut String, screen: &Screen, hazards: &[Hazard]) {
    // That nothing is declared was said when the playbook was read.
    let is_new = |it: &&Hazard| !it.id.starts_with(NOTHING_DECLARED);
    for hazard in hazards.iter().filter(is_new) {
        gap(out);
        let (label, paint) = match (hazard.severity, hazard.accepted) {
            (Severity::Refuse, false) => ("refused:", Paint::Removed),
            (Severity::Refuse, true) => ("accepted:", Paint::Warning),
            (Severity::Warn, _) => ("warning:", Paint::Warning),
        };
        out.push_str(&screen.paint(paint, label));
        out.push(' ');
        let mut message = String::new();
        // The label stands before the first line, outside of what is wrapped.
        screen.prose(&mut message, label.len() + 1, &hazard.message);
        out.push_str(message.trim_start());
        for evidence in &hazard.evidence {
            screen.prose(out, INNER, evidence);
        }
        if hazard.severity == Severity::Refuse && !hazard.accepted {
            screen.prose(out, INNER, &format!("To go on all the same: --accept {}", hazard.id));
        }
    }
}

fn summary(screen: &Screen, plan: &Plan) -> String {
    let Summary { in_desired_state, to_change, only_reboot, deferred, refused } = &plan.summary;
    if plan.in_desired_state() {
        let held = settings(*in_desired_state);
        let (paint, text) = match plan.has_word_in_vain() {
            true => (Paint::Warning, format!("Nothing to do: {held} as wanted, not all with effect.")),
            false => (Paint::Added, format!("In the desired state: {held}, nothing to do.")),
        };
        return screen.paint(paint, &text);
    }
    let in_vain: BTreeSet<_> =
        plan.changes.iter().filter(|it| it.in_vain).map(|it| (it.scope, &it.subject)).collect();
    let mut parts = vec![format!("{} to change", to_change.saturating_sub(in_vain.len()))];
    if !in_vain.is_empty() {
        parts.push(format!("{} not as wanted after a boot", in_vain.len()));
    }
    if *only_reboot > 0 {
        parts
            .push(format!("{only_reboot} {} for a reboot", if *only_reboot == 1 { "waits" } else { "wait" }));
    }
    if *deferred > 0 {
        parts.push(format!("{deferred} not readable yet"));
    }
    if *refused > 0 {
        parts.push(format!("{refused} refused"));
    }
    if *in_desired_state > 0 {
        parts.push(format!("{in_desired_state} in the desired state"));
    }
    screen.paint(Paint::Heading, &format!("Plan: {}.", parts.join(", ")))
}

/// Returns a count of settings in words.
pub(crate) fn settings(count: usize) -> String {
    if count == 1 { "1 setting".to_owned() } else { format!("{count} settings") }
}

/// Returns a command as a person would type it.
pub(crate) fn command(argv: &[String]) -> String {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "-_./=:,+@%".contains(it);
    let quoted = argv.iter().map(|word| match word.chars().all(is_plain) && !word.is_empty() {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    });
    visible_line(&quoted.collect::<Vec<_>>().join(" ")).into_owned()
}

/// Returns a resource with its place.
pub(crate) fn named(resource: &ResourceId, playbook: Option<&Origin>) -> String {
    match playbook {
        Some(origin) => format!("{resource} ({origin})"),
        None => resource.to_string(),
    }
}

/// Adds an empty line, unless nothing stands before it.
pub(crate) fn gap(out: &mut String) {
    if !out.is_empty() {
        out.push('\n');
    }
}

/// Adds a heading of its own.
pub(crate) fn title(out: &mut String, screen: &Screen, text: &str) {
    out.push_str(&screen.paint(Paint::Heading, text));
    out.push('\n');
}

fn heading(
    out: &mut String,
    screen: &Screen,
    sign: &str,
    paint: Paint,
    resource: &ResourceId,
    playbook: Option<&Origin>,
) {
    let name = visible_line(&resource.to_string()).into_owned();
    out.push_str(&format!("{} {}", screen.paint(paint, sign), screen.paint(Paint::Heading, &name)));
    if let Some(origin) = playbook {
        out.push_str("  ");
        out.push_str(&screen.paint(Paint::Place, &visible_line(&origin.to_string())));
    }
    out.push('\n');
}

/// `+` where everything is new, `-` where everything goes, `~` otherwise.
fn sign_of(block: &[&Change]) -> (&'static str, Paint) {
    if block.iter().all(|it| it.actual.is_none()) {
        ("+", Paint::Added)
    } else if block.iter().all(|it| it.desired.is_none()) {
        ("-", Paint::Removed)
    } else {
        ("~", Paint::Place)
    }
}

fn setting(out: &mut String, screen: &Screen, change: &Change) {
    let mut line = difference(screen, &change.subject, change.actual.as_deref(), change.desired.as_deref());
    if let Some(activation) = &change.activation {
        line.push_str(&match change.waits_for_reboot() {
            true if change.in_vain => "  (a reboot did not help)".to_owned(),
            true => "  (after a reboot)".to_owned(),
            false => format!("  (by {activation})"),
        });
    }
    screen.prose(out, INNER, &line);
    match change.disruption {
        Disruption::None | Disruption::Reboot => {}
        Disruption::Device => screen.prose(out, INNER * 2, "The device leaves its driver for a while."),
        Disruption::Network => screen.prose(out, INNER * 2, "A network interface goes down or away."),
    }
    for step in &change.steps {
        let is_seen_in_diff = matches!(step, Step::WriteFile { .. } | Step::RemoveFile { .. });
        if !is_seen_in_diff || screen.amount == Amount::More {
            screen.prose(out, INNER * 2, &visible_line(&step.to_string()));
        }
    }
}
