//! What a boot made of the wanted state: one finding for each thing that is not so, with its reason.

use std::collections::BTreeSet;

use hoststate_abi::about::About;
use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;
use hoststate_abi::setting::Scope;

use crate::error::Result;
use crate::formats::kernel_cmdline::{Cmdline, Parameter};
use crate::guards::ineffective_parameters::running::{self, Ineffective};
use crate::language::declaration::ResourceId;
use crate::language::registry::Declared;
use crate::machine::pci_bus;
use crate::mechanism::distro::{BootEntry, Distro};
use crate::next_boot::Menu;
use crate::next_boot::booted::{self, Booted};
use crate::plan::finding::{Finding, Verdict};
use crate::plan::planned::{Change, Plan, Reboot};
use crate::plan::scene::Hazard;
use crate::record::past::Past;
use crate::trial::pending;
use crate::why::chain;

use known::Known;

mod known;
mod refused;
mod taken_back;

/// Judges what the last boot made of a plan: a setting that it was to make right and did not, waits in vain. Returns
/// what was found as well, and what is about to happen by itself; of the former [`Verdict::InDesiredState`] alone where
/// nothing is wrong.
///
/// # Errors
/// When the host or the records cannot be read.
pub fn judge(
    mut plan: Plan,
    declared: &[Declared],
    host: &HostView,
    distro: &Distro,
    past: Past<'_>,
    accepted: &[String],
) -> Result<(Plan, Vec<Finding>)> {
    let judged = Judged { host, distro, declared, plan: &plan, past, accepted };
    let Judgement { findings, in_vain, hazards } = judged.judge()?;
    plan.summary.refused += hazards.iter().filter(|it| !it.accepted).count();
    plan.guards.extend(hazards);
    let is_told = |it: &Finding| it.verdict.is_beyond_boot() || it.verdict == Verdict::TakenBack;
    plan.after_boot = findings.iter().filter(|it| is_told(it)).cloned().collect();
    for index in in_vain {
        plan.changes[index].in_vain = true;
    }
    plan.reboot = Reboot::of(&plan.changes, &plan.deferred);
    let count = |is_it: &dyn Fn(&&Change) -> bool| {
        plan.changes.iter().filter(is_it).map(|it| (it.scope, &it.about)).collect::<BTreeSet<_>>().len()
    };
    let waiting = count(&|it| it.expects_reboot());
    plan.summary.to_change += plan.summary.only_reboot - waiting;
    plan.summary.only_reboot = waiting;
    let mut findings = findings;
    findings.extend(pending::findings(host, past.boot_id)?);
    Ok((plan, findings))
}

/// A host after a boot, as it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// The host as it is.
    pub host: &'a HostView,
    /// Its mechanisms.
    pub distro: &'a Distro,
    /// What is wanted: that of which the plan was made.
    pub declared: &'a [Declared],
    /// What is still to do.
    pub plan: &'a Plan,
    /// What earlier runs tell.
    pub past: Past<'a>,
    /// Ids of hazards the user accepts.
    pub accepted: &'a [String],
}

/// What was found, and which changes of the plan a boot was to make and did not.
#[derive(Debug, Default)]
struct Judgement {
    findings: Vec<Finding>,
    in_vain: Vec<usize>,
    hazards: Vec<Hazard>,
}

impl Judged<'_> {
    fn judge(self) -> Result<Judgement> {
        let mut findings = Vec::new();
        for it in &self.plan.conflicts {
            let reason = format!("{}: {}", it.about, it.reason);
            findings.push(finding(Verdict::Blocked, Some(&it.resource), reason));
        }
        let known = Known::of(self)?;
        let of_next_boot = self.plan.after_boot.iter().filter(|it| it.verdict == Verdict::NextBootLacks);
        let lacking: BTreeSet<&ResourceId> =
            of_next_boot.clone().filter_map(|it| it.resource.as_ref()).collect();
        findings.extend(of_next_boot.cloned());
        let is_incomplete = self.plan.changes.iter().any(outlasts_a_boot);
        let (mut waiting, mut in_vain) = (Vec::new(), Vec::new());
        for (index, it) in self.plan.changes.iter().enumerate() {
            let was_booted = known.runs.get(&it.resource).is_some_and(|it| it.was_booted_since);
            let is_early = it.waits_for_reboot() && is_incomplete;
            // What is found about one device of a declaration says nothing about the others: the planner marked it.
            let lacks = it.in_vain || lacking.contains(&it.resource) && it.about.driver_of().is_none();
            if it.waits_for_reboot() && lacks {
                in_vain.push(index);
                continue;
            }
            match it.about.driver_of().filter(|_| was_booted && !is_early) {
                Some(address) => {
                    findings.push(self.bound_elsewhere(it, address)?);
                    in_vain.extend(it.waits_for_reboot().then_some(index));
                }
                None if it.waits_for_reboot() => waiting.push(index),
                None => findings.push(finding(Verdict::Drifted, Some(&it.resource), difference(it))),
            }
        }
        let taken_back = |it: &usize| known.taken_back.get(&self.plan.changes[*it].resource);
        let is_again = |it: &usize| taken_back(it).is_some_and(|it| it.verdict.is_beyond_boot());
        in_vain.extend(waiting.iter().copied().filter(is_again));
        waiting.retain(|it| taken_back(it).is_none());
        findings.extend(known.taken_back.values().cloned());
        let hazards: Vec<Hazard> = known.refused.iter().map(|it| it.hazard(self.accepted)).collect();
        let mut judgement = Judgement { findings, in_vain, hazards };
        if let Some((it, hazard)) = known.refused.as_ref().zip(judgement.hazards.first())
            && !hazard.accepted
        {
            judgement.findings.push(it.finding(&hazard.id));
            // Nothing of it was made permanent, so no boot brings it; what earlier runs put in place is another matter.
            let is_in_place = |it: &usize| known.runs.contains_key(&self.plan.changes[*it].resource);
            judgement.in_vain.extend(waiting.iter().copied().filter(|it| !is_in_place(it)));
            waiting.retain(is_in_place);
        }
        if let Some((run, why)) = &known.failed {
            judgement.findings.push(finding(Verdict::FailedAtBoot, None, format!("run {run}: {why}")));
            judgement.in_vain.extend(waiting);
        } else if !waiting.is_empty() {
            self.of_boot(&waiting, &known, is_incomplete, &mut judgement)?;
        }
        judgement.findings.extend(self.parameters_in_vain()?);
        if judgement.findings.is_empty() && self.plan.in_desired_state() {
            let reason = "everything is as wanted".to_owned();
            judgement.findings.push(finding(Verdict::InDesiredState, None, reason));
        }
        Ok(judgement)
    }

    /// Judges the settings that only a boot makes right.
    fn of_boot(
        self,
        waiting: &[usize],
        known: &Known,
        is_incomplete: bool,
        judgement: &mut Judgement,
    ) -> Result<()> {
        let mut booted_in_vain = Vec::new();
        let mut about_all = |verdict, reason: String| {
            let found = finding(verdict, None, reason);
            if !judgement.findings.contains(&found) {
                judgement.findings.push(found);
            }
        };
        for index in waiting {
            match known.runs.get(&self.plan.changes[*index].resource) {
                Some(run) if !run.was_booted_since => {
                    let reason = format!("the host has not been booted since run {}", run.id);
                    about_all(Verdict::NotRebooted, reason);
                }
                Some(run) if is_incomplete => {
                    let reason = format!(
                        "the host has been booted since run {}, but before everything was in place",
                        run.id
                    );
                    about_all(Verdict::NotRebooted, reason);
                }
                Some(run) => booted_in_vain.push((*index, run)),
                // What is not in place yet waits for no boot.
                None if is_incomplete => {}
                None => {
                    let reason = "no recorded run tells whether the host has been booted since everything was put in \
                                  place";
                    about_all(Verdict::MaybeNotRebooted, reason.to_owned());
                }
            }
        }
        if booted_in_vain.is_empty() {
            return Ok(());
        }
        judgement.in_vain.extend(booted_in_vain.iter().map(|it| it.0));
        // A boot loader that hoststate does not operate has no entries to tell apart.
        let menu = Menu::read(self.host, self.distro)?;
        let booted = Booted::read(self.host, &menu.entries)?;
        let other = booted.as_ref().and_then(|it| other_entry(it, &menu));
        if let Some(reason) = other {
            judgement.findings.push(finding(Verdict::OtherEntry, None, reason));
            return Ok(());
        }
        for (index, run) in booted_in_vain {
            let change = &self.plan.changes[index];
            let lost = match (&booted, menu.taken()) {
                (Some(booted), Some(entry)) if change.about == About::RunningParameters => {
                    lost(change, booted, entry).map(|reason| (Verdict::ParameterLost, reason))
                }
                _ => None,
            };
            let (verdict, reason) = lost.unwrap_or_else(|| {
                let reason =
                    format!("the host has been booted since run {}, and {}", run.id, difference(change));
                (Verdict::WithoutEffect, reason)
            });
            let device = pci_bus::device_of(&change.about);
            judgement.findings.push(Finding::new(verdict, &change.resource, reason).on(device));
        }
        Ok(())
    }

    fn bound_elsewhere(self, change: &Change, address: PciAddress) -> Result<Finding> {
        let wanted = change.desired.as_deref().unwrap_or("no driver");
        let reason = match (&change.actual, pci_bus::device(self.host, address)?) {
            (Some(driver), Some(device)) => {
                let by = chain::bound_by(self.host, self.distro, &device)?;
                format!("{address} is bound to {driver}, not to {wanted}: {by}")
            }
            _ => format!("{address} has no driver and should have {wanted}: nothing bound it at boot"),
        };
        Ok(Finding::new(Verdict::BoundElsewhere, &change.resource, reason).on(Some(address)))
    }

    fn parameters_in_vain(self) -> Result<Vec<Finding>> {
        let found = running::find(self.host, self.declared)?;
        let finding = |it: Ineffective<'_>| {
            let reason = it.told(&format!(" ({})", it.evidence));
            finding(Verdict::IneffectiveParameter, Some(&it.declared.id), reason)
        };
        Ok(found.into_iter().map(finding).collect())
    }
}

fn finding(verdict: Verdict, resource: Option<&ResourceId>, reason: String) -> Finding {
    Finding { resource: resource.cloned(), ..Finding::about_all(verdict, reason) }
}

fn difference(change: &Change) -> String {
    let value = |it: &Option<String>| it.clone().unwrap_or_else(|| "(absent)".to_owned());
    format!("{} is {}, not {}", change.about, value(&change.actual), value(&change.desired))
}

/// Returns whether a boot before this change could not have what it makes: a file, an image, a boot entry.
fn outlasts_a_boot(change: &Change) -> bool {
    let is_made_by_tool = change.activation.as_ref().is_some_and(|it| *it != Activation::Reboot);
    is_made_by_tool || (change.scope == Scope::Persistent && !change.waits_for_reboot())
}

/// Says which entry was booted instead of the default, if one was.
fn other_entry(booted: &Booted, menu: &Menu) -> Option<String> {
    let (wanted, next) = (menu.taken()?, &menu.choice);
    let image = booted.image().map(|it| format!(" (BOOT_IMAGE={it})")).unwrap_or_default();
    let default = format!("{:?}, {}", wanted.title, next.because);
    let (running, kernel) = (booted.kernel.as_deref()?, wanted.kernel.as_deref()?);
    if running != kernel {
        return Some(format!(
            "kernel {running}{image} was booted, and the default is kernel {kernel} ({default})"
        ));
    }
    let found = booted.entry.filter(|it| Some(*it) != next.entry).and_then(|it| menu.entries.get(it))?;
    // Parameters typed at the menu fit no entry better than the default.
    let fits = booted::lost(found, &booted.cmdline).is_empty();
    let differs = !booted::lost(wanted, &booted.cmdline).is_empty();
    (fits && differs).then(|| format!("{:?}{image} was booted, and the default is {default}", found.title))
}

/// Says which parameters the entry has and the kernel was not given.
fn lost(change: &Change, booted: &Booted, entry: &BootEntry) -> Option<String> {
    let wanted = Cmdline::parse(change.desired.as_deref().unwrap_or_default());
    let lost = booted::lost(entry, &booted.cmdline);
    let lost: Vec<&str> = lost
        .iter()
        .filter(|it| wanted.parameters().any(|parameter| parameter.same(it)))
        .map(Parameter::raw)
        .collect();
    let parameters = lost.join(" ");
    (!lost.is_empty()).then(|| {
        format!(
            "{parameters} is in the default entry {:?} ({}) and not in /proc/cmdline: it was removed at the \
             menu, or this kernel was started by an entry that no longer exists",
            entry.title, entry.place
        )
    })
}
