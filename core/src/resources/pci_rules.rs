//! A setting for the udev rules of one PCI device, in a file shared by the devices of a resource type.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;
use hoststate_abi::setting::{Remedy, Setting, State};
use hoststate_abi::step::Step;

use crate::error::Result;
use crate::formats::udev_rules::{UdevRules, assigned_attributes};

/// The rules a device shall have.
pub(super) struct PciRules<'a> {
    /// The rules file.
    pub(super) file: &'a Path,
    /// The resource type, named in the comment above the rules.
    pub(super) owner: &'a str,
    /// The device.
    pub(super) address: PciAddress,
    /// Its rules, in order, without ends of line.
    pub(super) rules: Vec<String>,
}

impl PciRules<'_> {
    /// Compares the rules in the file with those wanted.
    pub(super) fn setting(&self, host: &HostView) -> Result<Setting> {
        let text = host.read(self.file)?.unwrap_or_default();
        let kernel = self.address.to_string();
        let mut file = UdevRules::parse(&text);
        let actual = file.rules_of(&kernel);
        let state = if actual == self.rules {
            State::Converged
        } else {
            let actual = (!actual.is_empty()).then(|| summary(actual.into_iter()));
            file.set(&kernel, &format!("hoststate: {} {kernel}", self.owner), &self.rules);
            let write = Step::WriteFile { path: self.file.to_owned(), text: file.as_str().to_owned() };
            let desired = Some(summary(self.rules.iter().map(String::as_str)));
            State::Drifted { actual, desired, remedy: Remedy::Steps(vec![write]) }
        };
        Ok(Setting::persistent(format!("{}: {kernel}", self.file.display()), state))
    }
}

/// What the rules assign, each once: several rules say the same for several events.
fn summary<'a>(rules: impl Iterator<Item = &'a str>) -> String {
    let mut assigned: Vec<String> = Vec::new();
    for value in rules.flat_map(assigned_attributes) {
        if !assigned.contains(&value) {
            assigned.push(value);
        }
    }
    if assigned.is_empty() { "other rules".to_owned() } else { assigned.join(", ") }
}
