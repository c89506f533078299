//! Comparisons by which a udev rule applies to one device and to no other that sits at its address.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use super::bridges::is_root_bus;
use crate::error::Result;
use crate::formats::pci::PciId;
use crate::formats::udev_rules::rule::{Pair, UdevRule};
use crate::machine::pci_bus::virtual_functions::{self, Place};
use crate::machine::pci_bus::{self, PciDevice};

/// What a rule compares; nothing for a device of which nothing is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparisons {
    /// Attributes with their values, as sysfs shows them.
    attributes: Vec<(&'static str, String)>,
    /// A pattern of the device's directory, without a slash at its end.
    directory: Option<String>,
}

impl Comparisons {
    /// Returns what tells a device from any other, as far as udev can compare it: vendor, device, subsystem, and the bridges
    /// above it. The numbers of their buses do not count: they move with every card that is put in.
    ///
    /// A virtual function is compared by what its physical one tells before it is there, so that the rule is the same
    /// before and after.
    ///
    /// # Errors
    /// When the host cannot be read.
    pub fn of(host: &HostView, address: PciAddress, device: Option<&PciDevice>) -> Result<Self> {
        let makes = |it: &&PciDevice| match device {
            Some(device) => device.physfn == Some(it.address),
            None => matches!(virtual_functions::place(address, it), Place::Function(_)),
        };
        let is_physical = device.is_some_and(|it| it.physfn.is_none());
        let physical = match is_physical {
            true => None,
            false => pci_bus::devices(host)?.iter().find(makes).cloned(),
        };
        Ok(match (physical, device) {
            (Some(physical), _) => {
                let id = virtual_functions::id(host, &physical)?;
                let mut attributes = vec![("vendor", hexadecimal(physical.id.vendor))];
                attributes.extend(id.map(|it| ("device", hexadecimal(it.device))));
                let path = virtual_functions::path(address, &physical);
                Self { attributes, directory: directory(&path) }
            }
            (None, Some(device)) => Self { attributes: kind(device.id), directory: directory(&device.path) },
            (None, None) => Self::default(),
        })
    }

    /// Returns the comparisons of the ids that a playbook gives, for a device of which nothing else is known.
    pub fn of_ids(vendor: Option<u16>, device: Option<u16>) -> Self {
        let id = |name, it: Option<u16>| it.map(|it| (name, hexadecimal(it.into())));
        let attributes = id("vendor", vendor).into_iter().chain(id("device", device)).collect();
        Self { attributes, directory: None }
    }

    /// Returns whether it compares nothing.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.directory.is_none()
    }

    /// Returns the comparisons for a rule about the device itself, each behind a comma.
    pub fn of_device(&self) -> String {
        self.text("ATTR", "")
    }

    /// Returns the comparisons for a rule about a network interface of the device; `KERNELS` names the device.
    pub fn of_interface(&self) -> String {
        self.text("ATTRS", "/net/*")
    }

    fn text(&self, key: &str, below: &str) -> String {
        let compared = self.attributes.iter().map(|(name, value)| format!(", {key}{{{name}}}==\"{value}\""));
        let directory = self.directory.iter().map(|it| format!(", DEVPATH==\"{it}{below}\""));
        compared.chain(directory).collect()
    }
}

/// Returns the ids that a rule compares: vendor, device, and those of the subsystem, where it compares all of them.
pub fn compared(rule: &UdevRule) -> Option<PciId> {
    let id = |name: &str| {
        let of_name = |it: &&Pair| {
            let is_attribute = matches!(it.key.as_str(), "ATTR" | "ATTRS");
            is_attribute && it.operator == "==" && it.attribute.as_deref() == Some(name)
        };
        let pair = rule.pairs.iter().find(of_name)?;
        u32::from_str_radix(pair.value.strip_prefix("0x")?, 16).ok()
    };
    Some(PciId {
        vendor: id("vendor")?,
        device: id("device")?,
        subsystem_vendor: id("subsystem_vendor")?,
        subsystem_device: id("subsystem_device")?,
        class: 0,
    })
}

fn kind(id: PciId) -> Vec<(&'static str, String)> {
    vec![
        ("vendor", hexadecimal(id.vendor)),
        ("device", hexadecimal(id.device)),
        ("subsystem_vendor", hexadecimal(id.subsystem_vendor)),
        ("subsystem_device", hexadecimal(id.subsystem_device)),
    ]
}

fn hexadecimal(id: u32) -> String {
    format!("0x{id:04x}")
}

/// Returns the pattern of a device's directory; `None` where its address on the root bus says as much.
fn directory(path: &Path) -> Option<String> {
    let names: Vec<&str> = path.iter().filter_map(|it| it.to_str()).collect();
    let root = names.iter().rposition(|it| is_root_bus(it))?;
    let last = names.len() - 1;
    if last < root + 2 {
        return None;
    }
    let mut pattern = "*".to_owned();
    for (index, name) in names.iter().enumerate().skip(root) {
        pattern.push('/');
        match name.parse::<PciAddress>() {
            Ok(it) if index > root + 1 && index < last => {
                pattern.push_str(&format!("{:04x}:??:{:02x}.{:x}", it.domain(), it.device(), it.function()))
            }
            _ => pattern.push_str(name),
        }
    }
    Some(pattern)
}
