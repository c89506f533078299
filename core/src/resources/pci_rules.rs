//! A setting for the udev rules of one PCI device, in a file shared by the devices of a resource type.
//!
//! The rules compare who the device is. What udev cannot compare stands in the comment above them: the file tells what
//! was meant also when something else sits at the address.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::lines::LineEdit;
use hoststate_abi::pci_address::PciAddress;
use hoststate_abi::setting::{Remedy, Setting, State};
use hoststate_abi::step::Step;

use crate::error::Result;
use crate::formats::pci::PciId;
use crate::formats::udev_rules::boot_command::{BootCommand, Wanted};
use crate::formats::udev_rules::rule;
use crate::formats::udev_rules::{self, UdevRules, assigned_attributes};
use crate::language::selector::DeviceSelector;
use crate::machine::identity::udev::Comparisons;
use crate::machine::identity::{Identity, Meant};
use crate::machine::pci_bus::PciDevice;
use crate::resources::leftover;

mod groups;

use groups::{Groups, MARK};

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

impl PciRules<'_> {
    /// Compares the rules in the file with those wanted. Rules of the same card at another address, and of whatever the
    /// same selector meant before, are replaced. Without any the file goes with its last rule.
    pub(super) fn setting(&self, host: &HostView) -> Result<Setting> {
        let kernel = self.address.to_string();
        let groups = groups::of(host, self.file)?;
        let outdated = self.outdated(host, &groups)?;
        let actual = groups.rules_of(&kernel);
        let state = if actual == self.rules && outdated.is_empty() {
            State::Converged
        } else if let Some(state) = self.added(host, &groups, &outdated)? {
            state
        } else {
            let mut file = UdevRules::parse(&host.read(self.file)?.unwrap_or_default());
            let rules = &self.rules;
            let mut actual = (!actual.is_empty()).then(|| summary(actual));
            let mut desired = summary(rules);
            if !outdated.is_empty() {
                let elsewhere: Vec<String> = outdated.iter().map(ToString::to_string).collect();
                let elsewhere = format!("rules for {}", elsewhere.join(", "));
                actual = Some(actual.into_iter().chain([elsewhere]).collect::<Vec<_>>().join(", "));
            } else if !rules.is_empty() && actual.as_ref() == Some(&desired) {
                let (was, now) = self.differ(host, &groups)?;
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

    /// Returns the state of a device that has no rules yet, in a file with others: its own are put behind them. The text of
    /// a file with thousands of groups is not made anew for each.
    fn added(&self, host: &HostView, groups: &Groups, outdated: &[PciAddress]) -> Result<Option<State>> {
        let has_none = groups.rules_of(&self.address.to_string()).is_empty() && outdated.is_empty();
        if !has_none || self.rules.is_empty() || !groups.is_open || groups.is_empty() {
            return Ok(None);
        }
        let note = self.note(host, groups)?;
        let group = udev_rules::group(&self.mark(self.address), &note, &self.rules);
        let (path, edits) = (self.file.to_owned(), vec![LineEdit::append(group)]);
        let remedy = Remedy::Steps(vec![Step::EditFile { path, edits }]);
        Ok(Some(State::Drifted { actual: None, desired: Some(summary(&self.rules)), remedy }))
    }

    /// Returns what the rules in the file are for, and what they shall be for, where they do the same.
    fn differ(&self, host: &HostView, groups: &Groups) -> Result<(String, String)> {
        let (known, is) = (groups.identity_at(self.owner, self.address), self.identity(host)?);
        let ids = |it: &Identity| format!("{:04x}:{:04x}", it.id.vendor, it.id.device);
        let was = known.as_ref().map_or("any device".to_owned(), ids);
        let now = is.as_ref().map_or("this device".to_owned(), ids);
        let is_same = |known: &Identity| {
            let path = &known.card().path;
            is.as_ref().is_some_and(|is| {
                known.is_of_kind(is)
                    && known.is_it(is) != Some(false)
                    && (path.is_none() || *path == is.card().path)
            })
        };
        Ok(match known {
            // Earlier versions wrote them in another way.
            Some(known) if is_same(&known) => (format!("{was}, in another form"), now),
            Some(_) if was == now => (format!("another {was}"), now),
            _ => (was, now),
        })
    }

    /// Returns who the device is, or who it will be.
    fn identity(&self, host: &HostView) -> Result<Option<Identity>> {
        Identity::at(host, self.address, self.device)
    }

    fn mark(&self, address: PciAddress) -> String {
        format!("{MARK}{} {address}", self.owner)
    }

    /// Returns what the comment says of the device beside its address. What only its own driver or root sees is kept.
    fn note(&self, host: &HostView, groups: &Groups) -> Result<String> {
        let mut note = String::new();
        if let Some(now) = self.identity(host)? {
            let (serial, mac) = numbers(&now, groups.identity_at(self.owner, self.address));
            let Identity { id, path, has_twin, .. } = now.card().clone();
            if let Some(number) = now.virtfn() {
                let PciId { vendor, device, subsystem_vendor, subsystem_device, .. } = id;
                note.push_str(&format!(
                    ", virtfn {number} of {vendor:04x}:{device:04x}:{subsystem_vendor:04x}:{subsystem_device:04x}"
                ));
            }
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
        let mut outdated = Vec::new();
        if groups.is_empty() {
            return Ok(outdated);
        }
        let now = self.identity(host)?;
        let alike = groups.alike(self.owner, now.as_ref(), by.as_deref());
        for group in alike.into_iter().filter(|it| it.address != self.address) {
            let is_of_selector = by.is_some() && group.by == by;
            let is_moved = || {
                let (now, was) = (now.as_ref()?, groups.identity(group)?);
                Some(is_moved(&was, now, group.address, self.address))
            };
            if is_of_selector || is_moved() == Some(true) {
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
    let Some(now) = Identity::at(host, address, device)? else {
        return Ok(BootCommand { address, wanted, virtfn: None, serial: None, mac: None });
    };
    let groups = groups::of(host, file)?;
    let (serial, mac) = numbers(&now, groups.identity_at(owner, address));
    let mac = mac.filter(|_| serial.is_none());
    Ok(BootCommand { address, wanted, virtfn: now.virtfn(), serial, mac })
}

/// Returns the numbers that a card, or that of a virtual function, is known by. What only its own driver or root sees is kept from before; a number that is
/// another is another card's.
fn numbers(now: &Identity, known: Option<Identity>) -> (Option<String>, Option<String>) {
    let known = known.filter(|it| it.is_of_kind(now) && it.is_it(now) != Some(false));
    let now = now.card();
    match known.as_ref().map(Identity::card) {
        Some(known) => (known.serial.clone().or(now.serial.clone()), known.mac.clone().or(now.mac.clone())),
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
    let groups = groups::of(host, file)?;
    let of_selector = by(selector).and_then(|it| groups.by(owner, &it));
    let group = of_selector.or_else(|| groups.at(owner, address));
    Ok(group.and_then(|it| {
        let identity = groups.identity(it)?;
        Some(Meant { address: it.address, identity, place: file.display().to_string() })
    }))
}

/// Returns whether the card that rules were written for at one address is the one at another.
fn is_moved(was: &Identity, now: &Identity, from: PciAddress, to: PciAddress) -> bool {
    match was.is_it(now) {
        // The functions of a card may share its number.
        Some(is_it) => is_it && (was.virtfn().is_some() || from.function() == to.function()),
        None => was.card().path.is_some() && was.card().path == now.card().path,
    }
}

/// Returns what a selector of traits is called in a comment, on one line; `None` for an address.
fn by(selector: &DeviceSelector) -> Option<String> {
    let is_address = selector.address().is_some();
    (!is_address).then(|| selector.to_string().escape_debug().to_string())
}

/// What the rules assign, each once: several rules say the same for several events.
fn summary(rules: &[String]) -> String {
    let mut assigned: Vec<String> = Vec::new();
    let by_command = |rule: &str| {
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
