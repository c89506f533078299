//! Comparisons by which a udev rule applies to one device and to no other that sits at its address.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use super::bridges::is_root_bus;
use crate::error::Result;
use crate::formats::pci::PciId;
use crate::formats::udev_rules::rule::{Pair, UdevRule};
use crate::machine::pci_bus::{self, PciDevice, virtual_functions};

/// What a rule compares; nothing for a device of which nothing is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparisons {
    /// A pattern of its modalias, which begins with its ids.
    modalias: Option<String>,
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
        let devices = pci_bus::devices(host)?;
        Ok(match (virtual_functions::physical(&devices, address, device), device) {
            (Some(physical), _) => {
                let id = virtual_functions::id(host, physical)?;
                let modalias = modalias(Some(physical.id.vendor), id.map(|it| it.device));
                let path = virtual_functions::path(address, physical);
                Self { modalias, directory: directory(&path) }
            }
            (None, Some(device)) => {
                let PciId { vendor, device: id, subsystem_vendor, subsystem_device, .. } = device.id;
                let modalias =
                    format!("pci:v{vendor:08X}d{id:08X}sv{subsystem_vendor:08X}sd{subsystem_device:08X}*");
                Self { modalias: Some(modalias), directory: directory(&device.path) }
            }
            (None, None) => Self::default(),
        })
    }

    /// Returns the comparisons of the ids that a playbook gives, for a device of which nothing else is known.
    pub fn of_ids(vendor: Option<u16>, device: Option<u16>) -> Self {
        Self { modalias: modalias(vendor.map(u32::from), device.map(u32::from)), directory: None }
    }

    /// Returns whether it compares nothing.
    pub fn is_empty(&self) -> bool {
        self.modalias.is_none() && self.directory.is_none()
    }

    /// Returns the comparisons for a rule about the device itself, each behind a comma.
    pub fn of_device(&self) -> String {
        self.text("ATTR", "")
    }

    /// Returns the comparisons for a rule about the device and its network interfaces; `KERNELS` names the device.
    pub fn of_device_and_interfaces(&self) -> String {
        self.text("ATTRS", "*")
    }

    fn text(&self, key: &str, below: &str) -> String {
        let modalias = self.modalias.iter().map(|it| format!(", {key}{{modalias}}==\"{it}\""));
        let directory = self.directory.iter().map(|it| format!(", DEVPATH==\"{it}{below}\""));
        modalias.chain(directory).collect()
    }
}

/// Returns the ids that a rule compares: vendor, device, and those of the subsystem, where it compares all of them, in the
/// modalias or, as earlier versions wrote it, one by one.
pub fn compared(rule: &UdevRule) -> Option<PciId> {
    if let Some(modalias) = attribute(rule, "modalias") {
        // What a pattern leaves open, the class, counts for nothing here.
        let whole = modalias.strip_suffix('*').map(|it| format!("{it}bc00sc00i00"));
        return PciId::from_modalias(&whole?).ok();
    }
    let id = |name: &str| u32::from_str_radix(attribute(rule, name)?.strip_prefix("0x")?, 16).ok();
    Some(PciId {
        vendor: id("vendor")?,
        device: id("device")?,
        subsystem_vendor: id("subsystem_vendor")?,
        subsystem_device: id("subsystem_device")?,
        class: 0,
    })
}

/// Returns the device id that the rule of a virtual function compares: its subsystem nobody knows before it is there.
pub fn compared_device(rule: &UdevRule) -> Option<u32> {
    let rest = attribute(rule, "modalias")?.strip_prefix("pci:v")?;
    let (_, rest) = rest.split_once('d')?;
    u32::from_str_radix(rest.get(..8)?, 16).ok()
}

fn attribute<'a>(rule: &'a UdevRule, name: &str) -> Option<&'a str> {
    let of_name = |it: &&Pair| {
        let is_attribute = matches!(it.key.as_str(), "ATTR" | "ATTRS");
        is_attribute && it.operator == "==" && it.attribute.as_deref() == Some(name)
    };
    rule.pairs.iter().find(of_name).map(|it| it.value.as_str())
}

/// Returns the pattern of the modaliases with these ids (drivers/pci/pci-driver.c, `modalias_show`); `None` for none.
fn modalias(vendor: Option<u32>, device: Option<u32>) -> Option<String> {
    let id = |it: u32| format!("{it:08X}");
    match (vendor, device) {
        (None, None) => None,
        (Some(vendor), None) => Some(format!("pci:v{}*", id(vendor))),
        (vendor, Some(device)) => Some(format!("pci:v{}d{}*", vendor.map_or("*".to_owned(), id), id(device))),
    }
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
