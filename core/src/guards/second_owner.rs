//! `second-owner`: something else on the host sets what the plan sets, so the two would undo each other.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::udev_rules::{
    self,
    rule::{self, UdevRule},
};
use crate::guards::rebinding;
use crate::machine::pci_bus::rule_values;
use crate::machine::pci_bus::{self, PciDevice};
use crate::plan::scene::{Hazard, Scene, Severity};

mod command_line;
mod counts;
mod drivers;

const NAME: &str = "second-owner";

/// Something that sets the same thing.
struct Owner {
    /// Who, for a sentence: `a udev rule`, `NetworkManager`, …
    who: &'static str,
    /// What it sets: a number or a driver; `None` where that cannot be read off.
    sets: Option<String>,
    /// Where a person can see it.
    evidence: String,
}

/// Finds other owners of numbers of virtual functions, of drivers, and of parameters of the command line.
///
/// # Errors
/// When the configuration of others cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let mut hazards = Vec::new();
    for (device, wanted) in wanted_counts(scene)? {
        for owner in counts::owners(scene, &device)? {
            hazards.push(hazard(owner, &device, "virtual functions", &wanted));
        }
    }
    for taken in rebinding::rebindings(scene)?.all.iter().filter(|it| it.is_planned()) {
        let Some(to) = &taken.to else { continue };
        for owner in drivers::owners(scene, &taken.device)? {
            hazards.push(hazard(owner, &taken.device, "the driver", to));
        }
    }
    hazards.extend(command_line::hazards(scene)?);
    Ok(hazards)
}

fn hazard(owner: Owner, device: &PciDevice, what: &str, wanted: &str) -> Hazard {
    let address = device.address.to_string();
    let Owner { who, sets, evidence } = owner;
    // The same value twice is untidy; another one is a fight.
    let (severity, theirs) = match &sets {
        Some(sets) if sets == wanted => (Severity::Warn, format!("to the same: {sets}")),
        Some(sets) => (Severity::Refuse, format!("to {sets}")),
        None => (Severity::Warn, "to a value that is not known".to_owned()),
    };
    let message =
        format!("{who} sets {what} of {address} {theirs}, the plan to {wanted}: leave it to one of them");
    let identity = [who, &address, what, sets.as_deref().unwrap_or("?"), wanted];
    Hazard::new(NAME, severity, &identity, message).on(&address).shown_by([evidence])
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
            let count = it.assigned("sriov_numvfs")?;
            it.may_match(|key, name| rule_values::of(device, key, name)).then(|| count.to_owned())
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

/// Returns the rules of others that assign an attribute of a device, with their places.
fn foreign_rules(scene: Scene<'_>, device: &PciDevice, attribute: &str) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for path in foreign_files(scene, &udev_rules::DIRECTORIES, ".rules")? {
        for it in text_rules(scene.after, &path)? {
            let Some(value) = it.assigned(attribute) else { continue };
            if it.may_match(|key, name| rule_values::of(device, key, name)) {
                let evidence = format!("{}:{} assigns {attribute}={value}", path.display(), it.line);
                found.push((value.to_owned(), evidence));
            }
        }
    }
    Ok(found)
}

fn text_rules(host: &HostView, path: &Path) -> Result<Vec<UdevRule>> {
    Ok(host.parsed(path, rule::parse)?.map(|it| it.to_vec()).unwrap_or_default())
}
