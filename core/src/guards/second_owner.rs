//! `second-owner`: something else on the host sets what the plan sets, so the two would undo each other.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hoststate_abi::pci_address::PciAddress;

use crate::error::Result;
use crate::formats::udev_rules;
use crate::formats::udev_rules::boot_command::{BootCommand, Wanted};
use crate::formats::udev_rules::rule::{self, UdevRule};
use crate::guards::rebinding;
use crate::guards::second_owner::statement::{Card, Statement};
use crate::language::ensure::Ensure;
use crate::language::selector::Found;
use crate::machine::pci_bus::rule_values;
use crate::machine::pci_bus::{self, PciDevice};
use crate::plan::scene::{Hazard, Scene, Severity};

mod command_line;
mod commands;
mod counts;
mod declarations;
mod drivers;
mod link_files;
mod netplan;
mod network_manager;
mod rules;
mod statement;

const NAME: &str = "second-owner";

/// Finds other owners of numbers of virtual functions, of drivers, and of parameters of the command line: of what the
/// playbook declares, whether or not anything is left to change, and of what else the plan changes.
///
/// # Errors
/// When the configuration of others cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let mut hazards = Vec::new();
    let wanted = all_counts(scene)?;
    if !wanted.is_empty() {
        let statements = counts::statements(scene)?;
        for (device, wanted) in &wanted {
            let card = Card::read(scene.before, device)?;
            let own = counts::of_card(scene, &card, wanted)?;
            for statement in statements.iter().chain(&own).filter(|it| (it.is_of)(&card)) {
                hazards.extend(hazard(statement, device, "virtual functions", wanted));
            }
        }
    }
    let wanted = all_drivers(scene)?;
    if !wanted.is_empty() {
        let statements = drivers::statements(scene)?;
        // Most hosts have none.
        for (device, wanted) in wanted.iter().filter(|_| !statements.is_empty()) {
            let card = Card::read(scene.before, device)?;
            for statement in statements.iter().filter(|it| (it.is_of)(&card)) {
                hazards.extend(hazard(statement, device, "the driver", wanted));
            }
        }
    }
    hazards.extend(command_line::hazards(scene)?);
    Ok(hazards)
}

fn hazard(owner: &Statement, device: &PciDevice, what: &str, wanted: &str) -> Option<Hazard> {
    let address = device.address.to_string();
    let Statement { who, sets, evidence, is_invitation, .. } = owner;
    if *is_invitation {
        let needed = sets.as_ref().and_then(|it| it.parse::<u32>().ok());
        let falls_short = needed.zip(wanted.parse::<u32>().ok()).is_some_and(|(needed, made)| made < needed);
        let needed = sets.as_deref().unwrap_or_default();
        let message = format!("{who} uses {needed} of the {what} of {address}, and the plan makes {wanted}");
        let identity = [*who, &address, what, needed, wanted];
        let hazard = || Hazard::new(NAME, Severity::Warn, &identity, message).on(&address);
        return falls_short.then(|| hazard().shown_by([evidence.clone()]));
    }
    // The same value twice is untidy; another one is a fight.
    let (severity, theirs) = match sets {
        Some(sets) if same(sets, wanted) => (Severity::Warn, format!("to the same: {sets}")),
        Some(sets) => (Severity::Refuse, format!("to {sets}")),
        None => (Severity::Warn, "to a value that is not known".to_owned()),
    };
    let message =
        format!("{who} sets {what} of {address} {theirs}, the plan to {wanted}: leave it to one of them");
    let identity = [*who, &address, what, sets.as_deref().unwrap_or("?"), wanted];
    Some(Hazard::new(NAME, severity, &identity, message).on(&address).shown_by([evidence.clone()]))
}

/// Drivers are written with `-` and with `_`.
fn same(sets: &str, wanted: &str) -> bool {
    sets == wanted || sets.replace('_', "-") == wanted.replace('_', "-")
}

/// Returns the physical functions that are declared, or whose number the plan changes, each with that number.
fn all_counts(scene: Scene<'_>) -> Result<Vec<(PciDevice, String)>> {
    let mut wanted = Vec::new();
    for declared in scene.declared.iter().filter(|it| it.declaration.ensure == Ensure::Present) {
        let (Some(selector), Some(count)) =
            (declared.resource.device(), declared.resource.virtual_functions())
        else {
            continue;
        };
        // One that fits no device is told as missing.
        let Ok(Found::Device(device)) = selector.resolve(scene.before) else { continue };
        if device.sriov.is_some() {
            wanted.push((*device, count.to_string()));
        }
    }
    for (device, count) in wanted_counts(scene)? {
        if !wanted.iter().any(|it| it.0.address == device.address) {
            wanted.push((device, count));
        }
    }
    Ok(wanted)
}

/// Returns the devices whose driver is declared, or that the plan gives to one, each with the driver.
fn all_drivers(scene: Scene<'_>) -> Result<Vec<(PciDevice, String)>> {
    let mut wanted: BTreeMap<PciAddress, (PciDevice, String)> = BTreeMap::new();
    for taken in rebinding::rebindings(scene)?.all.iter().filter(|it| it.is_planned()) {
        if let Some(to) = &taken.to {
            wanted.insert(taken.device.address, (taken.device.clone(), to.clone()));
        }
    }
    let devices = pci_bus::devices(scene.before)?;
    for declared in scene.declared.iter().filter(|it| it.declaration.ensure == Ensure::Present) {
        let (Some(selector), Some(driver)) = (declared.resource.device(), declared.resource.driver()) else {
            continue;
        };
        let device = match selector.address() {
            Some(address) => {
                let at = devices.binary_search_by_key(&address, |it| it.address);
                at.ok().map(|it| devices[it].clone())
            }
            None => match selector.resolve(scene.before) {
                Ok(Found::Device(device)) => Some(*device),
                _ => None,
            },
        };
        if let Some(device) = device {
            wanted.entry(device.address).or_insert_with(|| (device, driver.to_string()));
        }
    }
    Ok(wanted.into_values().collect())
}

/// Returns the devices whose number of virtual functions the plan sets, now or in a rule, and that number.
pub(super) fn wanted_counts(scene: Scene<'_>) -> Result<Vec<(PciDevice, String)>> {
    let mut wanted = Vec::new();
    let now = scene.counts();
    let rules = changed_rules(scene)?;
    if now.is_empty() && rules.is_empty() {
        return Ok(wanted);
    }
    for device in pci_bus::devices(scene.before)?.iter().filter(|it| it.sriov.is_some()) {
        let of_rule = |it: &UdevRule| {
            let count = match BootCommand::of_rule(it).map(|it| it.1.wanted) {
                Some(Wanted::Functions { numvfs, .. }) => numvfs.to_string(),
                _ => it.assigned("sriov_numvfs")?.to_owned(),
            };
            it.may_match(|key, name| rule_values::of(device, key, name)).then_some(count)
        };
        let written = now.iter().find(|it| it.0 == device.address).map(|it| it.2.to_owned());
        if let Some(count) = written.or_else(|| rules.iter().find_map(of_rule)) {
            wanted.push((device.clone(), count));
        }
    }
    Ok(wanted)
}

fn changed_rules(scene: Scene<'_>) -> Result<Vec<UdevRule>> {
    let mut changed = Vec::new();
    for path in scene.changed_files()?.iter().filter(|it| it.starts_with(udev_rules::DIRECTORIES[0])) {
        let old = scene.before.parsed(path, rule::parse)?;
        let is_new = |it: &&UdevRule| !old.iter().flat_map(|it| it.iter()).any(|old| old.pairs == it.pairs);
        let rules = scene.after.parsed(path, rule::parse)?;
        changed.extend(rules.iter().flat_map(|it| it.iter()).filter(is_new).cloned());
    }
    Ok(changed)
}

/// Returns the files of several directories that end so, one of each name: the first directory's masks the others.
/// Files that the plan writes, or that carry hoststate's name, have no other owner.
fn foreign_files(scene: Scene<'_>, directories: &[&str], ending: &str) -> Result<Vec<PathBuf>> {
    let own = scene.changed_files()?;
    let mut names = BTreeSet::new();
    let mut files = Vec::new();
    for directory in directories {
        for name in scene.after.names(Path::new(directory))? {
            let path = Path::new(directory).join(&name);
            let is_own =
                name.to_string_lossy().contains("hoststate") || own.contains(&scene.after.resolve(&path)?);
            if name.as_bytes().ends_with(ending.as_bytes()) && names.insert(name) && !is_own {
                files.push(path);
            }
        }
    }
    Ok(files)
}
