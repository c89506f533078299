//! The PCI devices of a host, as sysfs shows them.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::about::About;
use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use crate::error::{Error, Result};
use crate::formats::pci::PciId;

pub mod config_space;
pub mod denylist;
pub mod driver_name;
pub mod makers;
mod modules;
mod read;
pub mod rule_index;
pub mod rule_values;
#[cfg(test)]
mod tests;
pub mod virtual_functions;

pub use driver_name::DriverName;
pub use modules::{modules, own_driver, registered};

/// Where the kernel lists the devices of the bus, by address.
pub(crate) const DEVICES: &str = "/sys/bus/pci/devices";

/// Where the kernel lists the drivers of the bus, by name.
const DRIVERS: &str = "/sys/bus/pci/drivers";

/// Writing an address there lets the bus look for a driver for that device (drivers/base/bus.c).
pub const DRIVERS_PROBE: &str = "/sys/bus/pci/drivers_probe";

/// What clears `driver_override`; a write of nothing would be none (drivers/base/driver.c, `driver_set_override`).
pub const NO_OVERRIDE: &str = "\n";

/// A PCI function, as sysfs shows it (Documentation/ABI/testing/sysfs-bus-pci).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PciDevice {
    /// Where it sits.
    pub address: PciAddress,
    /// Its directory, links followed: where it lies among the kernel's devices, behind which bridges.
    pub path: PathBuf,
    /// What it is: ids and class, from `modalias`.
    pub id: PciId,
    /// `revision`; absent on kernels before 4.10.
    pub revision: Option<u8>,
    /// Name of the driver it is bound to.
    pub driver: Option<String>,
    /// The only driver that may bind to it; absent when any may, or before Linux 3.16.
    pub driver_override: Option<String>,
    /// Its modalias, without the newline: what modules are found by.
    pub modalias: String,
    /// Number of its IOMMU group; absent when no IOMMU translates for it.
    pub iommu_group: Option<u32>,
    /// Whether the firmware used it as primary display; absent for what is no VGA device.
    pub boot_vga: Option<bool>,
    /// Its virtual functions' counts; absent for what is no physical function.
    pub sriov: Option<Sriov>,
    /// The physical function, for a virtual one.
    pub physfn: Option<PciAddress>,
    /// The virtual functions, by index.
    pub virtfns: Vec<PciAddress>,
    /// Its network interfaces, by name.
    pub interfaces: Vec<Interface>,
    /// Node of its memory; absent where the firmware names none (-1).
    pub numa_node: Option<u32>,
}

/// The counts of a physical function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sriov {
    /// `sriov_totalvfs`: the most it offers.
    pub totalvfs: u16,
    /// `sriov_numvfs`: as many as there are.
    pub numvfs: u16,
    /// `sriov_drivers_autoprobe`: whether new ones get a driver; absent before Linux 4.12.
    pub autoprobe: Option<bool>,
    /// `sriov_offset`: from its routing id to that of the first virtual function; absent before Linux 4.12.
    pub offset: Option<u16>,
    /// `sriov_stride`: from the routing id of one virtual function to the next; absent before Linux 4.12.
    pub stride: Option<u16>,
}

/// A network interface of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name now.
    pub name: String,
    /// Its hardware address, lower case; absent where it has none.
    pub mac: Option<String>,
}

/// Returns whether the tree shows a PCI bus; an image does not.
///
/// # Errors
/// When `/sys` cannot be searched.
pub fn is_visible(host: &HostView) -> io::Result<bool> {
    host.is_dir(Path::new(DEVICES))
}

/// Returns every PCI device, by address; none for a tree without `/sys`. Read once per view.
///
/// # Errors
/// When an attribute cannot be read or does not hold what the kernel writes there.
pub fn devices(host: &HostView) -> Result<Rc<Vec<PciDevice>>> {
    host.derived_once(|host| {
        let mut devices = Vec::new();
        for name in host.list(Path::new(DEVICES))? {
            devices.push(read::device(host, parse_address(Path::new(DEVICES), &name)?)?);
        }
        devices.sort_by_key(|it| it.address);
        Ok(devices)
    })
}

/// Returns the address and ids of every PCI device, by address, with one read for each.
///
/// # Errors
/// As [`devices`].
pub fn ids(host: &HostView) -> Result<Vec<(PciAddress, PciId)>> {
    let mut ids = Vec::new();
    for name in host.list(Path::new(DEVICES))? {
        let address = parse_address(Path::new(DEVICES), &name)?;
        ids.push((address, read::id(host, address)?));
    }
    ids.sort_by_key(|(address, _)| *address);
    Ok(ids)
}

/// Returns one device; `None` when there is none at that address. Reads nothing about others.
///
/// # Errors
/// As [`devices`].
pub fn device(host: &HostView, address: PciAddress) -> Result<Option<PciDevice>> {
    if host.is_dir(&directory(address))? { Ok(Some(read::device(host, address)?)) } else { Ok(None) }
}

/// Returns the device in whose directory a path is; `None` for a path that is in none.
pub fn address_in(path: &Path) -> Option<PciAddress> {
    path.strip_prefix(DEVICES).ok()?.iter().next()?.to_str()?.parse().ok()
}

/// Returns the device that a setting is about.
pub fn device_of(about: &About) -> Option<PciAddress> {
    about.driver_of().or_else(|| address_in(about.path()?))
}

/// Returns the directory of a device's attributes.
pub fn directory(address: PciAddress) -> PathBuf {
    Path::new(DEVICES).join(address.to_string())
}

/// Returns the PCI devices that what lies at a path of sysfs hangs on, links followed, the nearest first: for a
/// network interface its card and the bridges above, for a USB disk the USB controller.
///
/// # Errors
/// When a link cannot be read.
pub fn above(host: &HostView, path: &Path) -> io::Result<Vec<PciAddress>> {
    let resolved = host.resolve(path)?;
    let names = resolved.components().rev().filter_map(|it| it.as_os_str().to_str());
    Ok(names.filter_map(|it| it.parse().ok()).collect())
}

/// Returns the names of the registered PCI drivers, sorted.
///
/// # Errors
/// When the directory cannot be read.
pub fn drivers(host: &HostView) -> io::Result<Vec<String>> {
    host.list(Path::new(DRIVERS))
}

impl PciDevice {
    /// Returns whether its class is that of a bridge between buses, which has no driver to give to a guest.
    ///
    /// Host bridges (0600) and ISA bridges (0601) are ordinary functions and do not count.
    pub fn is_bridge(&self) -> bool {
        matches!(self.id.class >> 8, 0x0604 | 0x0607 | 0x0609)
    }

    /// Returns the label of the slot it sits in, by `/sys/bus/pci/slots`; `None` where the firmware names none.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn slot(&self, host: &HostView) -> io::Result<Option<String>> {
        let slots = Path::new("/sys/bus/pci/slots");
        for name in host.list(slots)? {
            // A slot's address has no function: `0000:3b:00`.
            if host.attribute(&slots.join(&name).join("address"))? == Some(self.address.slot()) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Returns the serial number: that of the first NVMe controller, else the Device Serial Number of the
    /// extended configuration space, `aa-bb-cc-dd-ee-ff-00-11` as `lspci` shows it.
    ///
    /// `None` for a device without one. The kernel shows that part of the configuration space to root only.
    ///
    /// # Errors
    /// When a file exists and cannot be read.
    pub fn serial(&self, host: &HostView) -> io::Result<Option<String>> {
        let nvme = directory(self.address).join("nvme");
        for name in host.list(&nvme)? {
            if let Some(serial) = host.attribute(&nvme.join(name).join("serial"))? {
                return Ok(Some(serial.trim().to_owned()));
            }
        }
        self.card_serial(host)
    }

    /// Returns the Device Serial Number, which the card has whatever its driver is.
    ///
    /// # Errors
    /// As for [`Self::serial`].
    pub fn card_serial(&self, host: &HostView) -> io::Result<Option<String>> {
        let config = host.read_bytes(&directory(self.address).join("config"))?;
        Ok(config.and_then(|it| config_space::serial_number(&it)))
    }

    /// Returns whether vfio-pci refuses it as a bridge: by class, or by the header type of its configuration space
    /// (drivers/vfio/pci/vfio_pci_core.c, `vfio_pci_core_register_device`).
    ///
    /// # Errors
    /// When the configuration space exists and cannot be read.
    pub fn has_bridge_header(&self, host: &HostView) -> io::Result<bool> {
        let config = host.read_bytes(&directory(self.address).join("config"))?;
        let header = config.and_then(|it| config_space::header_type(&it));
        Ok(self.is_bridge() || header.is_some_and(|it| config_space::BRIDGE_HEADERS.contains(&it)))
    }

    /// Returns whether it does not answer: its configuration space reads as ff, while sysfs shows what the kernel knows of
    /// it from before.
    ///
    /// # Errors
    /// When the configuration space exists and cannot be read.
    pub fn is_dead(&self, host: &HostView) -> io::Result<bool> {
        let config = host.read_bytes(&directory(self.address).join("config"))?;
        Ok(config.is_some_and(|it| config_space::is_dead(&it)))
    }
}

fn parse_address(path: &Path, text: &str) -> Result<PciAddress> {
    text.parse().map_err(|err: hoststate_abi::pci_address::PciAddressError| malformed(path, err.to_string()))
}

/// A kernel attribute that does not hold what the kernel writes there: most likely a damaged capture.
fn malformed(path: &Path, what: String) -> Error {
    let hint = "If this tree was captured from a host, capture it again.".to_owned();
    Error::Malformed { path: path.to_owned(), line: 1, what, hint: Some(hint) }
}
