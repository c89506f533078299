//! A setting for the udev rules of one PCI device, in a file shared by the devices of a resource type.
//!
//! The rules compare who the device is. What udev cannot compare stands in the comment above them: the file tells what
//! was meant also when something else sits at the address.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;
use hoststate_abi::setting::{Remedy, Setting, State};

use crate::error::Result;
use crate::formats::pci::PciId;
use crate::formats::udev_rules::rule::{self, UdevRule};
use crate::formats::udev_rules::{UdevRules, assigned_attributes};
use crate::language::selector::DeviceSelector;
use crate::machine::identity::udev::{self, Comparisons};
use crate::machine::identity::{Identity, Meant};
use crate::machine::pci_bus::PciDevice;
use crate::resources::leftover;

/// The rules a device shall have.
pub(super) struct PciRules<'a> {
    /// The rules file.
    pub(super) file: &'a Path,
    /// The resource type, named in the comment above the rules.
    pub(super) owner: &'a str,
    /// Where the device is.
    pub(super) address: PciAddress,
    /// The device, if it is there.
    pub(super) device: Option<&'a PciDevice>,
    /// What the playbook calls it.
    pub(super) selector: &'a DeviceSelector,
    /// Its rules, in order, without ends of line.
    pub(super) rules: Vec<String>,
}

/// The rules of a device in a file, and who it was when they were written.
struct Group {
    address: PciAddress,
    identity: Option<Identity>,
    by: Option<String>,
}

impl PciRules<'_> {
    /// Compares the rules in the file with those wanted. Rules of the same card at another address, and of whatever the
    /// same selector meant before, are replaced. Without any the file goes with its last rule.
    pub(super) fn setting(&self, host: &HostView) -> Result<Setting> {
        let text = host.read(self.file)?.unwrap_or_default();
        let kernel = self.address.to_string();
        let mut file = UdevRules::parse(&text);
        let outdated = self.outdated(host, &file)?;
        let actual = file.rules_of(&kernel);
        let state = if actual == self.rules && outdated.is_empty() {
            State::Converged
        } else {
            let mut actual = (!actual.is_empty()).then(|| summary(&actual));
            let rules: Vec<&str> = self.rules.iter().map(String::as_str).collect();
            let mut desired = summary(&rules);
            if !outdated.is_empty() {
                let elsewhere: Vec<String> = outdated.iter().map(ToString::to_string).collect();
                let elsewhere = format!("rules for {}", elsewhere.join(", "));
                actual = Some(actual.into_iter().chain([elsewhere]).collect::<Vec<_>>().join(", "));
            } else if !rules.is_empty() && actual.as_ref() == Some(&desired) {
                let (was, now) = self.differ(&file);
                (actual, desired) = (Some(format!("{desired} for {was}")), format!("{desired} for {now}"));
            }
            for address in &outdated {
                file.remove(&address.to_string(), &self.mark(*address));
            }
            file.set(&kernel, &self.mark(self.address), &self.note(host, &file)?, &self.rules);
            let write = leftover::step(self.file, self.file, file.as_str().to_owned());
            let desired = (!self.rules.is_empty()).then_some(desired);
            State::Drifted { actual, desired, remedy: Remedy::Steps(vec![write]) }
        };
        Ok(Setting::persistent(format!("{}: {kernel}", self.file.display()), state))
    }

    /// Returns what the rules in the file are for, and what they shall be for, where they do the same.
    fn differ(&self, file: &UdevRules) -> (String, String) {
        let known = groups(file, self.owner).into_iter().find(|it| it.address == self.address);
        let ids = |id: PciId| format!("{:04x}:{:04x}", id.vendor, id.device);
        let was = known.and_then(|it| it.identity).map_or("any device".to_owned(), |it| ids(it.id));
        let now = self.device.map_or("this device".to_owned(), |it| ids(it.id));
        if was == now { (format!("another {was}"), now) } else { (was, now) }
    }

    fn mark(&self, address: PciAddress) -> String {
        format!("hoststate: {} {address}", self.owner)
    }

    /// Returns what the comment says of the device beside its address. What only its own driver or root sees is kept.
    fn note(&self, host: &HostView, file: &UdevRules) -> Result<String> {
        let mut note = String::new();
        if let Some(device) = self.device {
            let known = groups(file, self.owner).into_iter().find(|it| it.address == self.address);
            let mut identity = Identity::read(host, device)?;
            if let Some(known) = known.and_then(|it| it.identity).filter(|it| it.is_of_kind(&identity)) {
                identity.serial = identity.serial.or(known.serial);
                identity.mac = identity.mac.or(known.mac);
            }
            let Identity { serial, mac, path, has_twin, .. } = identity;
            // On a root bus the address says as much.
            let path = path.map(String::from).filter(|it| *it != self.address.to_string());
            for (name, value) in [("serial", serial), ("mac", mac), ("path", path)] {
                if let Some(value) = value {
                    note.push_str(&format!(", {name} {value}"));
                }
            }
            note.push_str(if has_twin { ", one of several" } else { "" });
        }
        if self.selector.address().is_none() {
            note.push_str(&format!(", by {}", by(self.selector)));
        }
        Ok(note)
    }

    /// Returns the other addresses whose rules are for this very card, or for what the same selector meant.
    fn outdated(&self, host: &HostView, file: &UdevRules) -> Result<Vec<PciAddress>> {
        let mut groups = groups(file, self.owner);
        groups.retain(|it| it.address != self.address);
        let mut identity = None;
        let mut outdated = Vec::new();
        for group in groups {
            let mut is_outdated = self.selector.address().is_none() && group.by == Some(by(self.selector));
            if let (false, Some(device), Some(was)) = (is_outdated, self.device, &group.identity) {
                if identity.is_none() {
                    identity = Some(Identity::read(host, device)?);
                }
                is_outdated =
                    identity.as_ref().is_some_and(|now| is_moved(was, now, group.address, device.address));
            }
            if is_outdated {
                outdated.push(group.address);
            }
        }
        Ok(outdated)
    }
}

/// Returns what tells the device from any other: what the host shows of it, else the ids that the playbook gives.
///
/// # Errors
/// When the host cannot be read.
pub(super) fn who(
    host: &HostView,
    address: PciAddress,
    device: Option<&PciDevice>,
    selector: &DeviceSelector,
) -> Result<Comparisons> {
    let who = Comparisons::of(host, address, device)?;
    Ok(match selector {
        DeviceSelector::Traits(traits) if who.is_empty() => Comparisons::of_ids(traits.vendor, traits.device),
        _ => who,
    })
}

/// Returns what the rules in a file were written for: those of a selector, or of the address that it means now.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn meant(
    host: &HostView,
    file: &Path,
    owner: &str,
    selector: &DeviceSelector,
    address: PciAddress,
) -> Result<Option<Meant>> {
    let Some(text) = host.read(file)? else { return Ok(None) };
    let groups = groups(&UdevRules::parse(&text), owner);
    let by = selector.address().is_none().then(|| by(selector));
    let is_by = |it: &&Group| by.is_some() && it.by == by;
    let group = groups.iter().find(is_by).or_else(|| groups.iter().find(|it| it.address == address));
    Ok(group.and_then(|it| {
        let identity = it.identity.clone()?;
        Some(Meant { address: it.address, identity, place: file.display().to_string() })
    }))
}

/// Returns whether the card that rules were written for at one address is the one at another.
fn is_moved(was: &Identity, now: &Identity, from: PciAddress, to: PciAddress) -> bool {
    match was.is_it(now) {
        // The functions of a card may share its number.
        Some(is_it) => is_it && from.function() == to.function(),
        None => was.path.is_some() && was.path == now.path,
    }
}

/// Returns what a selector of traits is called in a comment, on one line.
fn by(selector: &DeviceSelector) -> String {
    selector.to_string().escape_debug().to_string()
}

fn groups(file: &UdevRules, owner: &str) -> Vec<Group> {
    let notes = file.marked(&format!("hoststate: {owner} "));
    notes.into_iter().filter_map(|it| group(file, it)).collect()
}

/// Reads the comment of a group, and the ids that its rules compare.
fn group(file: &UdevRules, comment: &str) -> Option<Group> {
    let (facts, by) = match comment.split_once(", by ") {
        Some((facts, by)) => (facts, Some(by.to_owned())),
        None => (comment, None),
    };
    let mut facts = facts.split(", ");
    let address: PciAddress = facts.next()?.parse().ok()?;
    let rules = file.rules_of(&address.to_string());
    let parsed = rules.iter().flat_map(|it| rule::parse(it));
    let id = parsed.map(|it: UdevRule| udev::compared(&it)).next().flatten();
    let mut identity = id.map(|id| Identity { id, serial: None, mac: None, path: None, has_twin: false });
    for (name, value) in facts.filter_map(|it| it.split_once(' ')) {
        let Some(identity) = &mut identity else { break };
        match name {
            "serial" => identity.serial = Some(value.to_owned()),
            "mac" => identity.mac = Some(value.to_owned()),
            "path" => identity.path = value.parse().ok(),
            "one" => identity.has_twin = true,
            _ => {}
        }
    }
    Some(Group { address, identity, by })
}

/// What the rules assign, each once: several rules say the same for several events.
fn summary(rules: &[&str]) -> String {
    let mut assigned: Vec<String> = Vec::new();
    for value in rules.iter().flat_map(|it| assigned_attributes(it)) {
        if !assigned.contains(&value) {
            assigned.push(value);
        }
    }
    if assigned.is_empty() { "other rules".to_owned() } else { assigned.join(", ") }
}
