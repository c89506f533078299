//! A setting for the udev rules of one PCI device, in a file shared by the devices of a resource type.
//!
//! The rules compare who the device is. What udev cannot compare stands in the comment above them: the file tells what
//! was meant also when something else sits at the address.

use std::collections::HashMap;
use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;
use hoststate_abi::setting::{Remedy, Setting, State};

use crate::error::Result;
use crate::formats::pci::PciId;
use crate::formats::udev_rules::boot_command::{BootCommand, Wanted};
use crate::formats::udev_rules::rule::{self, UdevRule};
use crate::formats::udev_rules::{UdevRules, assigned_attributes};
use crate::language::selector::DeviceSelector;
use crate::machine::identity::udev::{self, Comparisons};
use crate::machine::identity::{BridgePath, Identity, Meant};
use crate::machine::pci_bus::PciDevice;
use crate::resources::leftover;

/// What the comment above the rules of a device starts with, whoever owns them.
const MARK: &str = "hoststate: ";

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

/// The groups of a rules file, in its order.
#[derive(Debug, Default)]
struct Groups(Vec<Group>);

/// The rules of a device in a file, and who it was when they were written.
#[derive(Debug)]
struct Group {
    owner: String,
    address: PciAddress,
    serial: Option<String>,
    mac: Option<String>,
    path: Option<BridgePath>,
    has_twin: bool,
    by: Option<String>,
    rules: Vec<String>,
}

impl PciRules<'_> {
    /// Compares the rules in the file with those wanted. Rules of the same card at another address, and of whatever the
    /// same selector meant before, are replaced. Without any the file goes with its last rule.
    pub(super) fn setting(&self, host: &HostView) -> Result<Setting> {
        let text = host.read(self.file)?.unwrap_or_default();
        let kernel = self.address.to_string();
        let groups = host.parsed(self.file, Groups::parse)?.unwrap_or_default();
        let mut file = UdevRules::parse(&text);
        let outdated = self.outdated(host, &groups)?;
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
                let (was, now) = self.differ(&groups);
                (actual, desired) = (Some(format!("{desired} for {was}")), format!("{desired} for {now}"));
            }
            for address in &outdated {
                file.remove(&address.to_string(), &self.mark(*address));
            }
            file.set(&kernel, &self.mark(self.address), &self.note(host, &groups)?, &self.rules);
            let write = leftover::step(self.file, self.file, file.as_str().to_owned());
            let desired = (!self.rules.is_empty()).then_some(desired);
            State::Drifted { actual, desired, remedy: Remedy::Steps(vec![write]) }
        };
        Ok(Setting::persistent(format!("{}: {kernel}", self.file.display()), state))
    }

    /// Returns what the rules in the file are for, and what they shall be for, where they do the same.
    fn differ(&self, groups: &Groups) -> (String, String) {
        let known = groups.identity(self.owner, self.address);
        let ids = |id: PciId| format!("{:04x}:{:04x}", id.vendor, id.device);
        let was = known.as_ref().map_or("any device".to_owned(), |it| ids(it.id));
        let now = self.device.map_or("this device".to_owned(), |it| ids(it.id));
        let is_kind = |it: &Identity| {
            let is_there = |now: &PciDevice| it.path.is_none() || it.path == BridgePath::of(&now.path);
            self.device.is_some_and(|now| it.is_of(now.id) && is_there(now))
        };
        match known {
            // Earlier versions wrote them in another way.
            Some(known) if is_kind(&known) => (format!("{was}, in another form"), now),
            Some(_) if was == now => (format!("another {was}"), now),
            _ => (was, now),
        }
    }

    fn mark(&self, address: PciAddress) -> String {
        format!("{MARK}{} {address}", self.owner)
    }

    /// Returns what the comment says of the device beside its address. What only its own driver or root sees is kept.
    fn note(&self, host: &HostView, groups: &Groups) -> Result<String> {
        let mut note = String::new();
        if let Some(device) = self.device {
            let now = Identity::read(host, device)?;
            let (serial, mac) = numbers(&now, groups.identity(self.owner, self.address));
            let Identity { path, has_twin, .. } = now;
            // On a root bus the address says as much.
            let path = path.map(String::from).filter(|it| *it != self.address.to_string());
            for (name, value) in [("serial", serial), ("mac", mac), ("path", path)] {
                if let Some(value) = value {
                    note.push_str(&format!(", {name} {value}"));
                }
            }
            note.push_str(if has_twin { ", one of several" } else { "" });
        }
        if let Some(by) = by(self.selector) {
            note.push_str(&format!(", by {by}"));
        }
        Ok(note)
    }

    /// Returns the other addresses whose rules are for this very card, or for what the same selector meant.
    fn outdated(&self, host: &HostView, groups: &Groups) -> Result<Vec<PciAddress>> {
        let by = by(self.selector);
        let mut now = None;
        let mut outdated = Vec::new();
        for group in groups.of(self.owner).filter(|it| it.address != self.address) {
            let mut is_outdated = by.is_some() && group.by == by;
            if let (false, true, Some(device)) = (is_outdated, group.is_told(), self.device) {
                let now = match &mut now {
                    Some(now) => now,
                    None => now.insert(Identity::read(host, device)?),
                };
                is_outdated = group.may_be(now)
                    && group.identity().is_some_and(|was| is_moved(&was, now, group.address, device.address));
            }
            if is_outdated {
                outdated.push(group.address);
            }
        }
        Ok(outdated)
    }
}

impl Groups {
    fn parse(text: &str) -> Self {
        let file = UdevRules::parse(text);
        let rules = file.by_kernel();
        Self(file.marked(MARK).into_iter().filter_map(|it| Group::parse(it, &rules)).collect())
    }

    fn of(&self, owner: &str) -> impl Iterator<Item = &Group> {
        self.0.iter().filter(move |it| it.owner == owner)
    }

    fn identity(&self, owner: &str, address: PciAddress) -> Option<Identity> {
        self.of(owner).find(|it| it.address == address)?.identity()
    }
}

impl Group {
    /// Reads the comment of a group, and finds its rules.
    fn parse(comment: &str, rules: &HashMap<&str, Vec<&str>>) -> Option<Self> {
        let (owner, comment) = comment.split_once(' ')?;
        let (facts, by) = match comment.split_once(", by ") {
            Some((facts, by)) => (facts, Some(by.to_owned())),
            None => (comment, None),
        };
        let mut facts = facts.split(", ");
        let address: PciAddress = facts.next()?.parse().ok()?;
        let rules = rules.get(&*address.to_string()).into_iter().flatten();
        let rules = rules.map(|it| (*it).to_owned()).collect();
        let owner = owner.to_owned();
        let mut group =
            Self { owner, address, serial: None, mac: None, path: None, has_twin: false, by, rules };
        for (name, value) in facts.filter_map(|it| it.split_once(' ')) {
            match name {
                "serial" => group.serial = Some(value.to_owned()),
                "mac" => group.mac = Some(value.to_owned()),
                "path" => group.path = value.parse().ok(),
                "one" => group.has_twin = true,
                _ => {}
            }
        }
        Some(group)
    }

    /// Returns whether the comment tells it from others of its kind.
    fn is_told(&self) -> bool {
        self.serial.is_some() || self.mac.is_some() || self.path.is_some()
    }

    /// Returns whether the comment tells the same as of a device, whatever its kind.
    fn may_be(&self, now: &Identity) -> bool {
        (self.serial.is_some() && self.serial == now.serial)
            || (self.mac.is_some() && self.mac == now.mac)
            || (self.path.is_some() && self.path == now.path)
    }

    /// Returns who the device was, by the ids that its rules compare and what the comment tells beside them.
    fn identity(&self) -> Option<Identity> {
        let rules = self.rules.iter().flat_map(|it| rule::parse(it));
        let id = rules.map(|it: UdevRule| udev::compared(&it)).next().flatten()?;
        let Self { serial, mac, path, has_twin, .. } = self;
        let (serial, mac, path) = (serial.clone(), mac.clone(), path.clone());
        Some(Identity { id, serial, mac, path, has_twin: *has_twin })
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

/// Returns what a rule has hoststate do with the device. Its number tells it from what is put in its place and is of the
/// same kind: the serial number, or the hardware address of a card without one.
///
/// # Errors
/// When the host cannot be read.
pub(super) fn command(
    host: &HostView,
    (file, owner): (&Path, &str),
    (address, device): (PciAddress, Option<&PciDevice>),
    wanted: Wanted,
) -> Result<BootCommand> {
    // A virtual function is what its physical one makes of it.
    let Some(device) = device.filter(|it| it.physfn.is_none()) else {
        return Ok(BootCommand { address, wanted, serial: None, mac: None });
    };
    let groups = host.parsed(file, Groups::parse)?.unwrap_or_default();
    let (serial, mac) = Identity::numbers(host, device)?;
    let now = Identity { id: device.id, serial, mac, path: None, has_twin: false };
    let (serial, mac) = numbers(&now, groups.identity(owner, address));
    let mac = mac.filter(|_| serial.is_none());
    Ok(BootCommand { address, wanted, serial, mac })
}

/// Returns the numbers that a card is known by. What only its own driver or root sees is kept from before; a number that is
/// another is another card's.
fn numbers(now: &Identity, known: Option<Identity>) -> (Option<String>, Option<String>) {
    match known.filter(|it| it.is_of_kind(now) && it.is_it(now) != Some(false)) {
        Some(known) => (known.serial.or(now.serial.clone()), known.mac.or(now.mac.clone())),
        None => (now.serial.clone(), now.mac.clone()),
    }
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
    // Of a text that nobody could edit nothing is told.
    if host.read(file)?.is_none() {
        return Ok(None);
    }
    let groups = host.parsed(file, Groups::parse)?.unwrap_or_default();
    let by = by(selector);
    let of_selector = groups.of(owner).find(|it| by.is_some() && it.by == by);
    let group = of_selector.or_else(|| groups.of(owner).find(|it| it.address == address));
    Ok(group.and_then(|it| {
        Some(Meant { address: it.address, identity: it.identity()?, place: file.display().to_string() })
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

/// Returns what a selector of traits is called in a comment, on one line; `None` for an address.
fn by(selector: &DeviceSelector) -> Option<String> {
    let is_address = selector.address().is_some();
    (!is_address).then(|| selector.to_string().escape_debug().to_string())
}

/// What the rules assign, each once: several rules say the same for several events.
fn summary(rules: &[&str]) -> String {
    let mut assigned: Vec<String> = Vec::new();
    let by_command = |rule: &&str| {
        let mut values = Vec::new();
        for (_, command) in rule::parse(rule).iter().filter_map(BootCommand::of_rule) {
            if let Wanted::Functions { numvfs, autoprobe } = command.wanted {
                values.extend(autoprobe.map(|it| format!("sriov_drivers_autoprobe={}", u8::from(it))));
                values.push(format!("sriov_numvfs={numvfs}"));
            }
        }
        values
    };
    for value in rules.iter().flat_map(|it| [assigned_attributes(it), by_command(it)].concat()) {
        if !assigned.contains(&value) {
            assigned.push(value);
        }
    }
    if assigned.is_empty() { "other rules".to_owned() } else { assigned.join(", ") }
}
