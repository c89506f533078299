//! Who a PCI function is, wherever it sits: its ids, and what tells it from others of its kind.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::formats::pci::PciId;
use crate::machine::pci_bus::{Interface, PciDevice};

mod bridges;
pub mod udev;

pub use bridges::BridgePath;

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
}

impl Identity {
    /// Reads who a device is. A virtual function has no number of its own: it is one of its physical function.
    ///
    /// # Errors
    /// When an attribute exists and cannot be read.
    pub fn read(host: &HostView, device: &PciDevice) -> Result<Self> {
        let mut identity =
            Self { id: device.id, serial: None, mac: None, path: BridgePath::of(&device.path) };
        if device.physfn.is_none() {
            identity.serial = device.card_serial(host)?;
            for interface in &device.interfaces {
                if identity.mac.is_none() {
                    identity.mac = permanent_mac(host, device, interface)?;
                }
            }
        }
        Ok(identity)
    }

    /// Returns whether both are of one model: of the same ids, down to the maker of the card.
    pub fn is_of_kind(&self, other: &Self) -> bool {
        let kind = |it: &Self| (it.id.vendor, it.id.device, it.id.subsystem_vendor, it.id.subsystem_device);
        kind(self) == kind(other)
    }

    /// Returns whether both are one card, by what each card has alone; `None` where they show no such number, or not
    /// both.
    pub fn is_it(&self, other: &Self) -> Option<bool> {
        if !self.is_of_kind(other) {
            return Some(false);
        }
        let same = |left: &Option<String>, right: &Option<String>| Some(left.as_ref()? == right.as_ref()?);
        same(&self.serial, &other.serial).or_else(|| same(&self.mac, &other.mac))
    }
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
    if let Some(bond) = master.as_deref().and_then(Path::file_name) {
        let bond = host.read_lossy(&Path::new("/proc/net/bonding").join(bond))?.unwrap_or_default();
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
