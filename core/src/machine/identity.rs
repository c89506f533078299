//! Who a PCI function is, wherever it sits: its ids, and what tells it from others of its kind.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::formats::pci::PciId;
use crate::machine::pci_bus::{self, Interface, PciDevice, virtual_functions};
use crate::machine::pci_names::Names;

pub mod at_boot;
mod bridges;
pub mod udev;
mod virtual_function;

pub use bridges::BridgePath;
pub use virtual_function::VirtualFunction;

/// Who a PCI function is. An address is only where it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// What it is: what a boot rule compares.
    #[serde(flatten)]
    pub id: PciId,
    /// Its Device Serial Number, as `lspci` shows it; absent for a card without one, and for whoever is not root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The permanent hardware address of its network interface; absent where it shows none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// The way to it, over the bridges, as the kernel's `pci=` parameters write it; absent where the tree does not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<BridgePath>,
    /// Whether the host has others of its kind: then being of that kind does not tell who it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_twin: bool,
    /// Which one of which card it is, if it is a virtual function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_function: Option<VirtualFunction>,
}

/// What a declaration meant when something was last put in place for it.
#[derive(Debug, Clone)]
pub struct Meant {
    /// Where the device was.
    pub address: PciAddress,
    /// Who it was.
    pub identity: Identity,
    /// Where that stands: a file or a run.
    pub place: String,
}

/// Where a card is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// At this address.
    At(PciAddress),
    /// One like it is at this address, and nothing tells whether it is the same.
    Perhaps(PciAddress),
    /// Not on this host.
    Nowhere,
}

impl Identity {
    /// Reads who a device is. A virtual function has no number of its own: it is one of its physical function.
    ///
    /// # Errors
    /// When an attribute exists and cannot be read.
    pub fn read(host: &HostView, device: &PciDevice) -> Result<Self> {
        let path = BridgePath::of(&device.path);
        let mut identity =
            Self { id: device.id, serial: None, mac: None, path, has_twin: false, virtual_function: None };
        if device.physfn.is_some() {
            identity.virtual_function = VirtualFunction::read(host, device.address, Some(device))?;
        } else {
            (identity.serial, identity.mac) = Self::numbers(host, device)?;
            let is_twin = |it: &PciDevice| {
                let is_function = it.address.function() == device.address.function();
                it.address != device.address && is_function && kind(it.id) == kind(device.id)
            };
            identity.has_twin = pci_bus::devices(host)?.iter().any(is_twin);
        }
        Ok(identity)
    }

    /// Reads who is at an address, or will be there as a virtual function; `None` where nobody is known to come.
    ///
    /// # Errors
    /// When an attribute exists and cannot be read.
    pub fn at(host: &HostView, address: PciAddress, device: Option<&PciDevice>) -> Result<Option<Self>> {
        if let Some(device) = device {
            return Self::read(host, device).map(Some);
        }
        let devices = pci_bus::devices(host)?;
        let Some(of) = virtual_functions::physical(&devices, address, None) else { return Ok(None) };
        let (id, virtual_function) =
            (virtual_functions::id(host, of)?, VirtualFunction::read(host, address, None)?);
        let path = BridgePath::of(&virtual_functions::path(address, of));
        Ok(id.map(|id| Self { id, serial: None, mac: None, path, has_twin: false, virtual_function }))
    }

    /// Returns the numbers that a physical function shows now: its Device Serial Number, and the permanent hardware address
    /// of its interface.
    ///
    /// # Errors
    /// When an attribute exists and cannot be read.
    pub fn numbers(host: &HostView, device: &PciDevice) -> Result<(Option<String>, Option<String>)> {
        let mut mac = None;
        for interface in &device.interfaces {
            if mac.is_none() {
                mac = permanent_mac(host, device, interface)?;
            }
        }
        Ok((device.card_serial(host)?, mac))
    }

    /// Returns whether both are of one model: of the same ids, down to the maker of the card; virtual functions, of cards of
    /// one model.
    pub fn is_of_kind(&self, other: &Self) -> bool {
        match (&self.virtual_function, &other.virtual_function) {
            (Some(this), Some(other)) => this.of.is_of_kind(&other.of),
            _ => kind(self.id) == kind(other.id),
        }
    }

    /// Returns the card: itself, or the physical function that this is one of.
    pub fn card(&self) -> &Self {
        self.virtual_function.as_ref().map_or(self, |it| &it.of)
    }

    /// Returns the number that this card has alone; `None` where it shows none.
    pub fn number(&self) -> Option<&str> {
        let Self { serial, mac, .. } = self.card();
        serial.as_deref().or(mac.as_deref())
    }

    /// Returns whether both are one card, by what each card has alone; `None` where they show no such number, or not
    /// both.
    pub fn is_it(&self, other: &Self) -> Option<bool> {
        if let (Some(this), Some(other)) = (&self.virtual_function, &other.virtual_function) {
            return this.is_it(other);
        }
        if !self.is_of_kind(other) {
            return Some(false);
        }
        let same = |left: &Option<String>, right: &Option<String>| Some(left.as_ref()? == right.as_ref()?);
        same(&self.serial, &other.serial).or_else(|| same(&self.mac, &other.mac))
    }

    /// Returns where this card is on the host, by its numbers or by the bridges to it. `but` is where it was.
    ///
    /// # Errors
    /// When a device cannot be read.
    pub fn find(&self, host: &HostView, but: PciAddress) -> Result<Whereabouts> {
        if let Some(it) = &self.virtual_function {
            return it.find(host, but);
        }
        let mut found = Whereabouts::Nowhere;
        for device in pci_bus::devices(host)?.iter().filter(|it| it.address != but) {
            if kind(device.id) != kind(self.id) {
                continue;
            }
            let other = Self::read(host, device)?;
            let is_behind = self.path.is_some() && self.path == other.path;
            // Functions of one card may share a number.
            let is_function = device.address.function() == but.function();
            match self.is_it(&other) {
                Some(true) if is_function => return Ok(Whereabouts::At(device.address)),
                None if is_behind => found = Whereabouts::At(device.address),
                // It was the only one of its kind, and there is one.
                None if is_function && found == Whereabouts::Nowhere && !self.has_twin && !other.has_twin => {
                    found = Whereabouts::At(device.address);
                }
                None if is_function && found == Whereabouts::Nowhere => {
                    found = Whereabouts::Perhaps(device.address);
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// Returns it as people call it, with its numbers: `Intel 8086:1572 Ethernet Controller X710 for 10GbE SFP+, serial
    /// 3c-fd-fe-ff-ff-9e-4a-70`.
    pub fn told(&self, names: &Names) -> String {
        let mut text = names.called(self.id.vendor, self.id.device);
        if let Some(name) = names.device(self.id.vendor, self.id.device) {
            text.push_str(&format!(" {name}"));
        }
        if let Some(VirtualFunction { number, of }) = &self.virtual_function {
            return format!("{text}, virtual function {number} of {}", of.told(names));
        }
        let path = self.path.as_ref().map(ToString::to_string);
        for (name, value) in [("serial", &self.serial), ("mac", &self.mac), ("path", &path)] {
            if let Some(value) = value {
                text.push_str(&format!(", {name} {value}"));
            }
        }
        text
    }
}

fn kind(id: PciId) -> [u32; 4] {
    [id.vendor, id.device, id.subsystem_vendor, id.subsystem_device]
}

/// Returns the hardware address that an interface was made with. A port of a bond or team shows that of the whole; the
/// bonding driver keeps the port's own.
///
/// # Errors
/// When an attribute exists and cannot be read.
pub fn permanent_mac(host: &HostView, device: &PciDevice, interface: &Interface) -> Result<Option<String>> {
    let own = device.path.join("net").join(&interface.name);
    let directory = match host.is_dir(&own)? {
        true => own,
        false => Path::new("/sys/class/net").join(&interface.name),
    };
    let kept = host.attribute(&directory.join("bonding_slave/perm_hwaddr"))?;
    if let Some(kept) = kept.filter(|it| !it.is_empty()) {
        return Ok(Some(kept.to_ascii_lowercase()));
    }
    // Linux before 3.14 shows it there only (drivers/net/bonding/bond_procfs.c).
    let master = host.link_target(&directory.join("master"))?;
    let master = master.as_deref().and_then(Path::file_name).map(|it| it.to_string_lossy().into_owned());
    let bonding = Path::new("/proc/net/bonding");
    // A copy of a host may lack the link, and have the one that shows the whole as built on the port.
    let uppers = if master.is_none() && host.is_dir(bonding)? { host.list(&directory)? } else { Vec::new() };
    let uppers = uppers.iter().filter_map(|it| it.strip_prefix("upper_"));
    for bond in uppers.chain(master.as_deref()) {
        let bond = host.read_lossy(&bonding.join(bond))?.unwrap_or_default();
        if let Some(kept) = of_bond(&bond, &interface.name) {
            return Ok(Some(kept));
        }
    }
    // `NET_ADDR_PERM` is 0 (include/uapi/linux/netdevice.h); any other was made up, taken over or set.
    let kind = host.attribute(&directory.join("addr_assign_type"))?;
    Ok(interface.mac.clone().filter(|_| kind.is_none_or(|it| it == "0")))
}

fn of_bond(text: &str, port: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|it| it.strip_prefix("Slave Interface:").is_some_and(|it| it.trim() == port))?;
    let mut own = lines.take_while(|it| !it.starts_with("Slave Interface:"));
    own.find_map(|it| it.strip_prefix("Permanent HW addr:")).map(|it| it.trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::of_bond;

    #[test]
    fn a_bond_tells_the_own_address_of_each_port() {
        let bond = "Slave Interface: ens1f0\nMII Status: up\nPermanent HW addr: 52:54:00:AA:00:01\n\n\
                    Slave Interface: ens1f1\nPermanent HW addr: 52:54:00:aa:00:02\n";
        assert_eq!(of_bond(bond, "ens1f0").as_deref(), Some("52:54:00:aa:00:01"));
        assert_eq!(of_bond(bond, "ens1f1").as_deref(), Some("52:54:00:aa:00:02"));
        assert_eq!(of_bond(bond, "ens1"), None);
    }
}
