//! The links before any driver: firmware and kernel command line.

use std::path::Path;

use super::{Case, Link, Standing};
use crate::error::Result;
use crate::formats::kernel_cmdline::{Cmdline, Parameter};
use crate::machine::facts;
use crate::machine::iommu;
use crate::plan::finding::{Finding, Verdict};

/// Names of parameters that decide about IOMMU and drivers.
const WORDS: [&str; 13] = [
    "intel_iommu",
    "amd_iommu",
    "iommu",
    "iommu.passthrough",
    "pcie_acs_override",
    "vfio-pci.ids",
    "pci-stub.ids",
    "xen-pciback.hide",
    "modprobe.blacklist",
    "module_blacklist",
    "rd.driver.pre",
    "rd.driver.blacklist",
    "vfio_iommu_type1.allow_unsafe_interrupts",
];

/// Whether the firmware offers an IOMMU and the kernel uses it.
pub(super) fn firmware(case: &Case<'_>) -> Result<Link> {
    let link = |standing, finding: String, evidence| Ok(Link::new("firmware", standing, finding, evidence));
    let Some(summary) = facts::iommu(case.host)? else {
        let why = match case.host.is_dir(Path::new("/sys/bus"))? {
            true => {
                "whether the IOMMU is on cannot be told: the running kernel is older than Linux 3.6, the \
                 first that shows it"
            }
            false => "the tree has no /sys",
        };
        return link(Standing::Unknown, why.to_owned(), Vec::new());
    };
    if summary.active {
        let units =
            if summary.units.is_empty() { "units not shown".to_owned() } else { summary.units.join(" ") };
        let evidence = vec![
            format!("/sys/class/iommu: {units}"),
            format!("/sys/kernel/iommu_groups: {} groups", summary.groups),
        ];
        return link(Standing::Ok, "the IOMMU is on".to_owned(), evidence);
    }
    let running = case.booted.as_ref().map(|it| it.cmdline.clone()).unwrap_or_default();
    let Some(off) = iommu::why_off(case.host, &running)? else {
        return link(Standing::Unknown, "the IOMMU is off".to_owned(), Vec::new());
    };
    let evidence = vec!["/sys/kernel/iommu_groups: no groups".to_owned(), off.evidence];
    let waits = case.next.as_ref().is_some_and(|(next, _)| {
        let is_off = iommu::turned_off_by(next).is_some();
        !is_off && iommu::turned_off_by(&running).is_some()
            || iommu::turned_on(next) && !iommu::turned_on(&running)
    });
    let standing = match (case.wants_vfio(), waits) {
        (_, true) => Standing::Waits,
        (true, false) => Standing::Blocks,
        (false, false) => Standing::Fact,
    };
    let mend = off.mend.trim_end_matches('.');
    link(standing, format!("the IOMMU is off: {}. {mend}", off.reason), evidence)
}

/// What the command line says about it, now and at the next boot.
pub(super) fn command_line(case: &Case<'_>) -> Option<Link> {
    let shown = |line: &Cmdline| {
        let parameters: Vec<&str> = line
            .parameters()
            .filter(|it| WORDS.iter().any(|name| it.same_name(name)))
            .map(Parameter::raw)
            .collect();
        if parameters.is_empty() { "nothing about IOMMU or drivers".to_owned() } else { parameters.join(" ") }
    };
    let running = case.booted.as_ref().map(|it| shown(&it.cmdline));
    let next = case.next.as_ref().map(|it| (shown(&it.0), it.1.as_str()));
    let mut evidence = Vec::new();
    evidence.extend(running.as_ref().map(|it| format!("/proc/cmdline: {it}")));
    evidence.extend(next.as_ref().map(|(parameters, place)| format!("{place}: {parameters}")));
    let (standing, finding) = match (&running, &next) {
        (None, None) => return None,
        (Some(running), Some((next, _))) if running != next => {
            (Standing::Waits, "the next boot has other parameters than the running kernel".to_owned())
        }
        (Some(parameters), _) | (None, Some((parameters, _))) => (Standing::Fact, parameters.clone()),
    };
    Some(Link::new("command line", standing, finding, evidence))
}

/// What the last boot did not make right, as `verify` says it.
pub(super) fn last_boot(case: &Case<'_>, findings: &[Finding]) -> Option<Link> {
    // What the next boot will not bring is its own link, and no boot has been yet.
    let findings = || findings.iter().filter(|it| it.verdict != Verdict::NextBootLacks);
    let reasons: Vec<&str> = findings().map(|it| it.reason.trim_end_matches('.')).collect();
    let is_there = case.wanted.is_some() && case.wanted == case.device.driver;
    let standing = if is_there { Standing::Fact } else { Standing::Blocks };
    let is_in_vain = findings().any(|it| it.verdict.is_beyond_boot());
    let what = if is_in_vain { "it did not help, and another is not expected to: " } else { "" };
    let finding = format!("{what}{}", reasons.join("; "));
    (!reasons.is_empty()).then(|| Link::new("last boot", standing, finding, Vec::new()))
}

/// What goes on or is about to happen by itself.
pub(super) fn standing(findings: &[Finding]) -> Option<Link> {
    let what = |it: &Finding| match it.verdict {
        Verdict::RunInProgress => format!("a run is in progress: {}", it.reason),
        Verdict::TrialPending => format!("a boot is to be tried: {}", it.reason),
        Verdict::AtBootPending => format!("something is left for after a boot: {}", it.reason),
        _ => it.reason.clone(),
    };
    let reasons: Vec<String> = findings.iter().map(what).collect();
    (!reasons.is_empty()).then(|| Link::new("pending", Standing::Waits, reasons.join("; "), Vec::new()))
}
