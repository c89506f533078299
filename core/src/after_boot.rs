//! What a boot made of the wanted state: one finding for each thing that is not so, with its reason.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::booted::{self, Booted};
use crate::declaration::{Declaration, ResourceId};
use crate::distro::{BootEntry, Distro, NextBoot};
use crate::error::Result;
use crate::formats::kernel_cmdline::{Cmdline, Word};
use crate::formats::pci::PciAddress;
use crate::pci_bus;
use crate::plan::{Change, Plan};
use crate::why;
use crate::words_in_vain::{self, InVain};

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything is as wanted, and has its effect.
    InDesiredState,
    /// Something can be changed now, whatever was booted.
    Drifted,
    /// Something stands in the way that only the user can change.
    Blocked,
    /// Everything is in place and waits for a boot; the host runs since before that.
    NotRebooted,
    /// Everything is in place; no recorded run tells whether the host was booted since.
    MaybeNotRebooted,
    /// What was left for after this boot was judged or begun then, and failed.
    FailedAtBoot,
    /// Another entry or kernel was booted than the boot loader has as default.
    OtherEntry,
    /// The booted entry has a word that the kernel was not given.
    WordLost,
    /// The kernel was given a word, and it has no effect.
    WordIgnored,
    /// The host was booted, and a device is on another driver.
    BoundElsewhere,
    /// The host was booted, and a setting still is not as wanted.
    WithoutEffect,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What it is.
    pub verdict: Verdict,
    /// The resource it is about; null where it is about all.
    pub resource: Option<ResourceId>,
    /// Why, with names and places.
    pub reason: String,
}

/// The last run that was recorded, and the boot it was under.
#[derive(Debug, Clone)]
pub struct LastRun {
    /// Its id.
    pub id: String,
    /// Id of the boot.
    pub boot_id: Option<String>,
    /// Why it failed, for a run that a boot had been left to.
    pub failed_at_boot: Option<String>,
}

/// A host after a boot, as it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// The host as it is.
    pub host: &'a HostView,
    /// Its mechanisms.
    pub distro: &'a Distro,
    /// What is still to do.
    pub plan: &'a Plan,
    /// The last recorded run, if one is known.
    pub last: Option<&'a LastRun>,
    /// Id of the boot the host runs since.
    pub boot_id: Option<&'a str>,
}

impl Judged<'_> {
    /// Returns what was found; [`Verdict::InDesiredState`] alone where nothing is wrong.
    ///
    /// # Errors
    /// When the host cannot be read.
    pub fn findings(self) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        for it in &self.plan.conflicts {
            findings.push(finding(
                Verdict::Blocked,
                Some(&it.resource),
                format!("{}: {}", it.subject, it.reason),
            ));
        }
        let was_booted =
            self.last.filter(|_| self.boot_id.is_some()).map(|it| it.boot_id.as_deref() != self.boot_id);
        let mut waiting: Vec<&Change> = Vec::new();
        for it in &self.plan.changes {
            match (driver_of(it), was_booted) {
                (Some(address), Some(true)) => findings.push(self.bound_elsewhere(it, address)?),
                _ if it.waits_for_reboot() => waiting.push(it),
                _ => findings.push(finding(Verdict::Drifted, Some(&it.resource), difference(it))),
            }
        }
        let drifted = findings.iter().any(|it| it.verdict == Verdict::Drifted);
        let failed = self.last.filter(|_| was_booted == Some(false));
        if let Some((run, why)) = failed.and_then(|it| Some((&it.id, it.failed_at_boot.as_ref()?))) {
            // Where all is as wanted by now, its failure is history.
            if !self.plan.in_desired_state() {
                findings.push(finding(Verdict::FailedAtBoot, None, format!("run {run}: {why}")));
            }
        } else if !waiting.is_empty() {
            findings.extend(self.of_boot(&waiting, was_booted, drifted)?);
        }
        findings.extend(self.words_in_vain()?);
        if findings.is_empty() && self.plan.in_desired_state() {
            findings.push(finding(Verdict::InDesiredState, None, "everything is as wanted".to_owned()));
        }
        Ok(findings)
    }

    /// Judges the settings that only a boot makes right.
    fn of_boot(self, waiting: &[&Change], was_booted: Option<bool>, drifted: bool) -> Result<Vec<Finding>> {
        let run = self.last.map(|it| it.id.as_str()).unwrap_or_default();
        let about_all = |verdict, reason: String| Ok(vec![finding(verdict, None, reason)]);
        match was_booted {
            Some(false) => {
                return about_all(Verdict::NotRebooted, format!("the host was not booted since run {run}"));
            }
            None => {
                let reason =
                    "no recorded run tells whether the host was booted since everything was put in place";
                return about_all(Verdict::MaybeNotRebooted, reason.to_owned());
            }
            Some(true) => {}
        }
        if drifted {
            let reason = format!("the host was booted since run {run}, before everything was in place");
            return about_all(Verdict::NotRebooted, reason);
        }
        let entries = self.distro.bootloader.entries(self.host)?;
        let next = self.distro.bootloader.next_boot(self.host)?;
        let booted = Booted::read(self.host, &entries)?;
        let mut findings = Vec::new();
        if let Some(reason) = booted.as_ref().and_then(|it| other_entry(it, &entries, &next)) {
            findings.push(finding(Verdict::OtherEntry, None, reason));
            return Ok(findings);
        }
        for change in waiting {
            let lost = match (&booted, next.entry.and_then(|it| entries.get(it))) {
                (Some(booted), Some(entry)) if change.subject == "/proc/cmdline" => {
                    lost(change, booted, entry).map(|reason| (Verdict::WordLost, reason))
                }
                _ => None,
            };
            let (verdict, reason) = lost.unwrap_or_else(|| {
                (
                    Verdict::WithoutEffect,
                    format!("the host was booted since run {run}, and {}", difference(change)),
                )
            });
            findings.push(finding(verdict, Some(&change.resource), reason));
        }
        Ok(findings)
    }

    fn bound_elsewhere(self, change: &Change, address: PciAddress) -> Result<Finding> {
        let wanted = change.desired.as_deref().unwrap_or("no driver");
        let reason = match (&change.actual, pci_bus::device(self.host, address)?) {
            (Some(driver), Some(device)) => {
                let by = why::bound_by(self.host, self.distro, &device)?;
                format!("{address} is bound to {driver}, not to {wanted}: {by}")
            }
            _ => format!("{address} has no driver and shall have {wanted}: nothing bound it at boot"),
        };
        Ok(finding(Verdict::BoundElsewhere, Some(&change.resource), reason))
    }

    fn words_in_vain(self) -> Result<Vec<Finding>> {
        let found = words_in_vain::find(self.host, &self.plan.declarations)?;
        let finding = |it: InVain<'_>| {
            let reason = it.told(&format!(" ({})", it.evidence));
            finding(Verdict::WordIgnored, id_of(it.declaration).as_ref(), reason)
        };
        Ok(found.into_iter().map(finding).collect())
    }
}

fn id_of(declaration: &Declaration) -> Option<ResourceId> {
    let name = declaration.name.clone()?;
    Some(ResourceId { kind: declaration.kind.clone(), name })
}

fn finding(verdict: Verdict, resource: Option<&ResourceId>, reason: String) -> Finding {
    Finding { verdict, resource: resource.cloned(), reason }
}

fn difference(change: &Change) -> String {
    let value = |it: &Option<String>| it.clone().unwrap_or_else(|| "(absent)".to_owned());
    format!("{} is {}, not {}", change.subject, value(&change.actual), value(&change.desired))
}

/// Returns the device whose driver a setting is.
fn driver_of(change: &Change) -> Option<PciAddress> {
    let path = Path::new(&change.subject);
    let named = change.subject.strip_prefix("driver of ");
    let in_sysfs = || path.parent().filter(|_| path.ends_with("driver"))?.file_name()?.to_str();
    named.or_else(in_sysfs)?.parse().ok()
}

/// Says which entry was booted instead of the default, if one was.
fn other_entry(booted: &Booted, entries: &[BootEntry], next: &NextBoot) -> Option<String> {
    let wanted = entries.get(next.entry?)?;
    let image = booted.image().map(|it| format!(" (BOOT_IMAGE={it})")).unwrap_or_default();
    let default = format!("{:?}, {}", wanted.title, next.because);
    let (running, kernel) = (booted.kernel.as_deref()?, wanted.kernel.as_deref()?);
    if running != kernel {
        return Some(format!(
            "kernel {running}{image} was booted, and the default is kernel {kernel} ({default})"
        ));
    }
    let found = booted.entry.filter(|it| Some(*it) != next.entry).and_then(|it| entries.get(it))?;
    // Words typed at the menu fit no entry better than the default.
    let fits = booted::lost(found, &booted.cmdline).is_empty();
    let differs = !booted::lost(wanted, &booted.cmdline).is_empty();
    (fits && differs).then(|| format!("{:?}{image} was booted, and the default is {default}", found.title))
}

/// Says which words the entry has and the kernel was not given.
fn lost(change: &Change, booted: &Booted, entry: &BootEntry) -> Option<String> {
    let wanted = Cmdline::parse(change.desired.as_deref().unwrap_or_default());
    let lost = booted::lost(entry, &booted.cmdline);
    let lost: Vec<&str> =
        lost.iter().filter(|it| wanted.words().any(|word| word.same(it))).map(Word::raw).collect();
    let words = lost.join(" ");
    (!lost.is_empty()).then(|| {
        format!(
            "{words} stands in the default entry {:?} ({}) and not in /proc/cmdline: taken out at the menu, or this kernel \
             was started by an entry that is no longer there",
            entry.title, entry.place
        )
    })
}
