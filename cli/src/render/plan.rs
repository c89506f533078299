//! A plan as text: what differs, what would be done about it, and what stands in the way.

use std::collections::BTreeSet;

use hoststate_abi::about::About;
use hoststate_core::language::declaration::{Origin, ResourceId};
use hoststate_core::mechanism::host_summary::HostSummary;
use hoststate_core::next_boot::fate::{Certainty, Fate};
use hoststate_core::plan::doubts::NOTHING_DECLARED;
use hoststate_core::plan::finding::{Finding, Verdict};
use hoststate_core::plan::parameter_change::ParameterChange;
use hoststate_core::plan::planned::{Change, Conflict, Deferred, Plan, PlannedActivation, Summary, Unread};
use hoststate_core::plan::scene::{Hazard, Severity};
use hoststate_core::run::apply::Activate;

use crate::render::amount::{amount, counted};
use crate::render::changes::{changes, heading};
use crate::render::diff;
use crate::render::difference::difference;
use crate::render::escape::visible_line;
use crate::render::leftovers;
use crate::render::screen::{Amount, Paint, Screen};
use crate::render::table::table;
use crate::render::verify::told;

/// Indentation of what belongs to a heading.
const INNER: usize = 4;

/// What stands above the plan for after a boot that is tried.
const ONCE_CONFIRMED: &str = "If that boot holds, this is done after it, without a question:";

/// What stands above files that may not be read.
pub(crate) const NOT_READ: &str = "Not read, because permission is denied; root can see what they say:";

/// Returns a whole plan, with the host it is for.
pub(crate) fn text(screen: &Screen, plan: &Plan, activate: Activate) -> String {
    let plan_text = of_host(screen, plan, activate);
    if screen.amount == Amount::Less {
        return plan_text;
    }
    format!("{}\n\n{plan_text}", screen.paint(Paint::Heading, &host(&plan.host)))
}

/// Returns which host it is: its name, distribution, kernel and boot loader.
fn host(host: &HostSummary) -> String {
    let HostSummary { name, distro, kernel, bootloader, .. } = host;
    let name = name.as_ref().map(|it| format!("{it}: ")).unwrap_or_default();
    let kernel = kernel.release.as_ref().map(|it| format!("Linux {it}, ")).unwrap_or_default();
    let distro = format!("{} {}", distro.id, distro.version);
    let loader = or_none(bootloader, "no boot loader");
    visible_line(&format!("{name}{}, {kernel}{loader}", distro.trim_end())).into_owned()
}

/// Returns the name of a part of the host; `none` is how the data say that there is none, and `absent` how a person does.
pub(crate) fn or_none<'a>(name: &'a str, absent: &'a str) -> &'a str {
    if name == "none" { absent } else { name }
}

fn of_host(screen: &Screen, plan: &Plan, activate: Activate) -> String {
    let mut out = String::new();
    changes(&mut out, screen, plan.changes.iter().filter(|it| is_listed(screen, it)), &plan.devices);
    if screen.amount > Amount::Less {
        for file in &plan.files {
            gap(&mut out);
            diff::file(&mut out, screen, file);
        }
    }
    activations(&mut out, screen, plan, activate);
    cmdline(&mut out, screen, &plan.cmdline);
    reboot(&mut out, screen, &plan.changes, &plan.next_boot.devices);
    after_boot(&mut out, screen, &plan.after_boot);
    deferred(&mut out, screen, &plan.deferred);
    unread(&mut out, screen, &plan.unread);
    conflicts(&mut out, screen, &plan.conflicts);
    leftovers::list(&mut out, screen, &plan.no_longer_declared);
    hazards(&mut out, screen, &plan.guards);
    gap(&mut out);
    out.push_str(&summary(screen, plan, activate));
    out.push('\n');
    if let Some(later) = &plan.once_confirmed {
        gap(&mut out);
        title(&mut out, screen, ONCE_CONFIRMED);
        out.push('\n');
        out.push_str(&of_host(screen, &Plan { guards: Vec::new(), ..Plan::clone(later) }, Activate::Run));
    }
    out
}

/// What only an activation or a reboot makes right is shown once, with that, and not for each resource that asks.
fn is_listed(screen: &Screen, change: &Change) -> bool {
    change.activation.is_none() || screen.amount == Amount::More
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
        for reason in distinct(asking.map(|it| found(&it.about, it.actual.as_deref()))) {
            screen.prose(out, INNER * 2, &reason);
        }
    }
}

fn found(about: &About, actual: Option<&str>) -> String {
    format!("{}: {}", visible_line(&about.to_string()), actual.map_or("(absent)".into(), visible_line))
}

fn distinct(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    lines.filter(|it| seen.insert(it.clone())).collect()
}

/// Adds the command lines side by side, where they say more than the changes do.
fn cmdline(out: &mut String, screen: &Screen, parameters: &[ParameterChange]) {
    let Some(first) = parameters.iter().find(|it| it.is_news()) else { return };
    let mut rows = vec![vec!["PARAMETER".to_owned()]];
    rows[0].extend(first.running.map(|_| "RUNNING".to_owned()));
    rows[0].extend(first.kernels.iter().map(|it| it.kernel.clone()));
    rows[0].push("FROM".to_owned());
    let mark = |has: bool| if has { "*" } else { "-" };
    for it in parameters {
        let mut row = vec![it.parameter.clone()];
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

/// Adds the reasons for a reboot, and apart from them what it may bring: a driver is promised only where it surely comes.
pub(crate) fn reboot(out: &mut String, screen: &Screen, changes: &[Change], fates: &[Fate]) {
    let doubt = |change: &Change| {
        let address = change.about.driver_of()?;
        fates.iter().filter(|it| it.address == address).find_map(|it| match &it.certainty {
            Certainty::Unknown { reason } => Some(reason),
            Certainty::Certain | Certainty::Race { .. } => None,
        })
    };
    let line = |it: &Change| difference(screen, &it.about, it.actual.as_deref(), it.desired.as_deref());
    let waiting = || changes.iter().filter(|it| it.expects_reboot());
    let reasons = distinct(waiting().filter(|it| doubt(it).is_none()).map(line));
    let unknown =
        waiting().filter_map(|it| Some(format!("{}: not known: {}", line(it), visible_line(doubt(it)?))));
    let unknown = distinct(unknown);
    for (heading, lines) in [("Needs a reboot:", reasons), ("A reboot may bring:", unknown)] {
        if !lines.is_empty() {
            gap(out);
            title(out, screen, heading);
            lines.iter().for_each(|it| screen.prose(out, INNER, it));
        }
    }
}

/// Adds what the last boot was to make right and did not. Parameters without effect and refused boots are told by
/// guards.
pub(crate) fn after_boot(out: &mut String, screen: &Screen, findings: &[Finding]) {
    let is_told = |it: &&Finding| !matches!(it.verdict, Verdict::IneffectiveParameter | Verdict::BootRefused);
    let unsaid = findings.iter().filter(is_told);
    let (in_vain, taken_back): (Vec<&Finding>, Vec<&Finding>) =
        unsaid.partition(|it| it.verdict.is_beyond_boot());
    let (next, in_vain): (Vec<&Finding>, Vec<&Finding>) =
        in_vain.into_iter().partition(|it| it.verdict == Verdict::NextBootLacks);
    if !next.is_empty() {
        gap(out);
        title(out, screen, "A reboot will not be enough:");
        // Several declarations may fall short of one thing, which is said once.
        let mut said = BTreeSet::new();
        for it in next.into_iter().filter(|it| said.insert(&it.reason)) {
            screen.prose(out, INNER, &visible_line(&it.reason));
        }
    }
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
    for Deferred { resource, playbook, reason, .. } in deferred {
        screen.prose(out, INNER, &format!("{}: {reason}", named(resource, playbook.as_ref())));
    }
}

/// Adds what may not be read, and whose settings it would tell of.
fn unread(out: &mut String, screen: &Screen, unread: &[Unread]) {
    if unread.is_empty() {
        return;
    }
    gap(out);
    title(out, screen, NOT_READ);
    for it in unread {
        screen.prose(out, INNER, &of_unread(it));
    }
}

/// Returns a file that may not be read, with the resources of which it would tell.
pub(crate) fn of_unread(unread: &Unread) -> String {
    let resources: Vec<String> = unread.resources.iter().map(ToString::to_string).collect();
    let resources = resources.join(", ");
    let of = if resources.is_empty() { String::new() } else { format!(", for {resources}") };
    visible_line(&format!("{}{of}", unread.path.display())).into_owned()
}

/// Adds what cannot become as wanted, with both sides.
pub(crate) fn conflicts(out: &mut String, screen: &Screen, conflicts: &[Conflict]) {
    if conflicts.is_empty() {
        return;
    }
    gap(out);
    title(out, screen, "Conflicts:");
    for it in conflicts {
        let name = it.resource.to_string();
        heading(out, screen, 0, ("!", Paint::Warning), &name, it.playbook.as_ref());
        let line = difference(screen, &it.about, it.actual.as_deref(), it.desired.as_deref());
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
    for hazard in hazards.iter().filter(|it| it.guard != NOTHING_DECLARED) {
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
        if let (Some(device), Some(name)) = (&hazard.device, &hazard.name) {
            screen.prose(out, INNER, &visible_line(&format!("{device} is {name}")));
        }
        for evidence in &hazard.evidence {
            screen.prose(out, INNER, evidence);
        }
        if hazard.severity == Severity::Refuse && !hazard.accepted {
            let way_on = match &hazard.waits_for {
                Some(holder) => format!("To go ahead: end {holder}, or have it let go, and plan again"),
                None => format!("To go ahead anyway: --accept {}", hazard.id),
            };
            screen.prose(out, INNER, &way_on);
        }
    }
}

fn summary(screen: &Screen, plan: &Plan, activate: Activate) -> String {
    let Summary { in_desired_state, deferred, .. } = &plan.summary;
    if plan.in_desired_state() {
        let held = settings(*in_desired_state);
        let (paint, text) = match plan.has_ineffective_parameter() {
            true => (
                Paint::Warning,
                format!(
                    "Nothing to do: {held} as wanted, but not all of it takes \
                                              effect."
                ),
            ),
            false => (Paint::Added, format!("In the desired state: {held}, nothing to do.")),
        };
        return screen.paint(paint, &text);
    }
    let in_vain: BTreeSet<_> =
        plan.changes.iter().filter(|it| it.in_vain).map(|it| (it.scope, &it.about)).collect();
    // First what the question asks for, in the same words.
    let mut parts = vec![amount(plan, activate)];
    if !in_vain.is_empty() {
        parts.push(format!("{} not as wanted after a boot", settings(in_vain.len())));
    }
    if *deferred > 0 {
        parts.push(format!("{} {} for other changes", settings(*deferred), waits(*deferred)));
    }
    let unread = plan.unread.iter().filter(|it| !it.resources.is_empty()).count();
    if unread > 0 {
        parts.push(format!("{} not read", counted(unread, "file")));
    }
    if !plan.conflicts.is_empty() {
        parts.push(counted(plan.conflicts.len(), "conflict"));
    }
    let refused = plan.refusals().count();
    if refused > 0 {
        parts.push(format!("{refused} refused"));
    }
    if *in_desired_state > 0 {
        parts.push(format!("{} in the desired state", settings(*in_desired_state)));
    }
    parts.retain(|it| !it.is_empty());
    screen.paint(Paint::Heading, &format!("Plan: {}.", parts.join("; ")))
}

fn waits(count: usize) -> &'static str {
    if count == 1 { "waits" } else { "wait" }
}

/// Returns a count of settings in words.
pub(crate) fn settings(count: usize) -> String {
    counted(count, "setting")
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
