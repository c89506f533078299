//! How a playbook names a PCI device: by address, or by what exactly one device is.

use std::fmt;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use crate::error::{Error, Result};
use crate::formats::pci::class_name;
use crate::machine::identity::{self, BridgePath};
use crate::machine::pci_bus::{self, PciDevice};
use crate::machine::pci_names::Names;

mod class;
pub mod decode;
mod renamed;
#[cfg(test)]
mod tests;

use class::ClassPattern;

/// A device by address or by what it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeviceSelector {
    /// The device at this address.
    Address(PciAddress),
    /// The one device that has all of these.
    Traits(Box<DeviceTraits>),
}

/// What a device must have; at least one of them is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceTraits {
    /// Its address.
    pub address: Option<PciAddress>,
    /// Vendor id.
    pub vendor: Option<u16>,
    /// Device id.
    pub device: Option<u16>,
    class: Option<ClassPattern>,
    /// Name of one of its network interfaces.
    pub interface: Option<String>,
    /// Hardware address of one of its network interfaces, lower case: the one it has, or was made with.
    pub mac: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Label of its slot.
    pub slot: Option<String>,
    /// The way to it over the bridges.
    pub path: Option<BridgePath>,
    /// Its function number.
    pub function: Option<u8>,
}

/// What a selector found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The device.
    Device(Box<PciDevice>),
    /// No device is at that address, yet: a virtual function appears when its physical function makes it.
    Absent(PciAddress),
}

/// As many candidates as an error lists.
const LISTED: usize = 8;

impl DeviceSelector {
    /// Returns the address, if the selector is one.
    pub fn address(&self) -> Option<PciAddress> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Traits(_) => None,
        }
    }

    /// Returns whether it asks for a network interface, which a device loses together with its own driver.
    pub fn needs_interface(&self) -> bool {
        match self {
            Self::Address(_) => false,
            Self::Traits(traits) => traits.interface.is_some() || traits.mac.is_some(),
        }
    }

    /// Returns the one device that is meant, or the address where none is.
    ///
    /// # Errors
    /// When no device or more than one fits, with the candidates; when the tree has no `/sys` to select from.
    pub fn resolve(&self, host: &HostView) -> Result<Found> {
        match self {
            Self::Address(address) => Ok(match pci_bus::device(host, *address)? {
                Some(device) => Found::Device(Box::new(device)),
                None => Found::Absent(*address),
            }),
            Self::Traits(traits) => match traits.address {
                // What else it must be is compared when it is there: at boot, and by the next plan.
                Some(address) if !pci_bus::is_visible(host)? => Ok(Found::Absent(address)),
                _ => Ok(Found::Device(Box::new(self.select(traits, host)?))),
            },
        }
    }

    /// Returns every device that is meant, by address: those that fit, but for virtual functions that nothing asks for.
    ///
    /// # Errors
    /// When a device cannot be read.
    pub fn meant(&self, host: &HostView) -> Result<Vec<PciDevice>> {
        let mut fitting = self.matching(host)?;
        if let Self::Traits(traits) = self {
            let physical: Vec<PciAddress> = fitting.iter().map(|it| it.address).collect();
            let all = pci_bus::devices(host)?;
            fitting.retain(|it| traits.asks_for(it, &all, &physical));
        }
        Ok(fitting)
    }

    /// Returns every device that fits, by address.
    ///
    /// # Errors
    /// When a device cannot be read.
    pub fn matching(&self, host: &HostView) -> Result<Vec<PciDevice>> {
        match self {
            Self::Address(address) => Ok(pci_bus::device(host, *address)?.into_iter().collect()),
            Self::Traits(traits) => {
                let mut fitting = Vec::new();
                for device in pci_bus::devices(host)?.iter() {
                    if traits.score(device, host)? == traits.count() {
                        fitting.push(device.clone());
                    }
                }
                Ok(fitting)
            }
        }
    }

    fn select(&self, traits: &DeviceTraits, host: &HostView) -> Result<PciDevice> {
        if !pci_bus::is_visible(host)? {
            let what = format!("no PCI device can be selected by {self}: this tree has no /sys");
            return Err(Error::invalid(what, "Give the address of the device, such as \"0000:01:00.0\"."));
        }
        let devices = pci_bus::devices(host)?;
        let mut scored = Vec::with_capacity(devices.len());
        for device in devices.iter() {
            scored.push((traits.score(device, host)?, device));
        }
        let wanted = traits.count();
        let mut fitting: Vec<&PciDevice> =
            scored.iter().filter(|(score, _)| *score == wanted).map(|(_, device)| *device).collect();
        let addresses: Vec<PciAddress> = fitting.iter().map(|it| it.address).collect();
        fitting.retain(|it| traits.asks_for(it, &devices, &addresses));
        match fitting.as_slice() {
            [device] => Ok((*device).clone()),
            [] => Err(self.without_match(scored, host)),
            _ => {
                let what = format!(
                    "{} PCI devices have {self}:{}",
                    fitting.len(),
                    list(fitting.iter().copied(), host)
                );
                Err(Error::invalid(what, "Add a field that tells them apart, or give the address."))
            }
        }
    }

    /// Returns that no device fits, with the nearest, or that several do.
    ///
    /// # Errors
    /// When a device cannot be read.
    pub(crate) fn not_one(&self, host: &HostView) -> Result<String> {
        match self.resolve(host) {
            Ok(_) => Ok(format!("no PCI device has {self}")),
            Err(err @ Error::Invalid { .. }) => {
                // Where devices are listed, the hint stands below them.
                let text = err.to_string();
                let end = if text.contains('\n') { "\n" } else { ". " };
                Ok(err.hint().map_or_else(|| text.clone(), |hint| format!("{text}{end}{hint}")))
            }
            Err(err) => Err(err),
        }
    }

    fn without_match(&self, mut scored: Vec<(usize, &PciDevice)>, host: &HostView) -> Error {
        if let Self::Traits(traits) = self
            && let Some(wanted) = &traits.interface
        {
            let devices: Vec<&PciDevice> = scored.iter().map(|it| it.1).collect();
            if let Some(error) = renamed::without_interface(self, wanted, &devices, host) {
                return error;
            }
        }
        let best = scored.iter().map(|(score, _)| *score).max().unwrap_or(0);
        scored.retain(|(score, _)| *score == best && best > 0);
        let near = list(scored.iter().map(|(_, device)| *device), host);
        let what = match near.as_str() {
            "" => format!("no PCI device has {self}"),
            near => format!("no PCI device has {self}; nearest:{near}"),
        };
        let hint = if self.needs_interface() {
            "A device has no interface while vfio-pci or another driver for guests holds it: select it by address, ids or \
             slot."
        } else {
            "`hoststate inspect devices` lists the devices of this host."
        };
        Error::invalid(what, hint)
    }
}

impl DeviceTraits {
    fn count(&self) -> usize {
        let Self { address, vendor, device, class, interface, mac, serial, slot, path, function } = self;
        let given =
            [address.is_some(), vendor.is_some(), device.is_some(), class.is_some(), interface.is_some()];
        let given = given.into_iter().chain([mac.is_some(), serial.is_some(), slot.is_some()]);
        given.chain([path.is_some(), function.is_some()]).filter(|it| *it).count()
    }

    /// Returns whether a device that fits may be meant. A virtual function is, where its physical one does not fit, and
    /// something names it: where it sits, an id that its physical one has not, or what its interface is called.
    fn asks_for(&self, device: &PciDevice, all: &[PciDevice], fitting: &[PciAddress]) -> bool {
        let Some(physfn) = device.physfn else { return true };
        let is_other_id = all.iter().any(|it| it.address == physfn && it.id.device != device.id.device);
        let is_named = self.address.is_some()
            || self.path.is_some()
            || self.interface.is_some()
            || self.mac.is_some()
            || (self.device.is_some() && is_other_id);
        is_named && !fitting.contains(&physfn)
    }

    /// Returns how many of the traits a device has. Slot, serial and the hardware address that an interface was made with
    /// cost file reads, so they are looked at only in devices that have everything else.
    fn score(&self, device: &PciDevice, host: &HostView) -> Result<usize> {
        let fits = |wanted: &Option<u16>, is: u32| wanted.is_some_and(|it| u32::from(it) == is);
        let cheap = [
            self.address == Some(device.address),
            fits(&self.vendor, device.id.vendor),
            fits(&self.device, device.id.device),
            self.class.as_ref().is_some_and(|it| it.matches(device.id.class)),
            self.interface.as_ref().is_some_and(|it| device.interfaces.iter().any(|is| is.name == *it)),
            self.path.is_some() && BridgePath::of(&device.path) == self.path,
            self.function == Some(device.address.function()),
        ];
        let mut score = cheap.into_iter().filter(|it| *it).count();
        let dear = [self.slot.is_some(), self.serial.is_some(), self.mac.is_some()];
        let dear = dear.into_iter().filter(|it| *it).count();
        if score + dear == self.count() {
            if let Some(mac) = &self.mac {
                score += usize::from(has_mac(host, device, mac)?);
            }
            if self.slot.is_some() && device.slot(host)? == self.slot {
                score += 1;
            }
            if let (Some(wanted), Some(serial)) = (&self.serial, self.serial_of(device, host)?) {
                score += usize::from(same_serial(wanted, &serial));
            }
        }
        Ok(score)
    }

    fn serial_of(&self, device: &PciDevice, host: &HostView) -> Result<Option<String>> {
        if self.serial.is_some() { Ok(device.serial(host)?) } else { Ok(None) }
    }
}

/// Ports of a bond show the address of the bond, which several have: the one that a port was made with is its own.
fn has_mac(host: &HostView, device: &PciDevice, mac: &str) -> Result<bool> {
    for interface in &device.interfaces {
        let own = identity::permanent_mac(host, device, interface)?;
        if own.as_ref().or(interface.mac.as_ref()).is_some_and(|it| it == mac) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Tools write a serial number with `-`, with `:` or without either.
fn same_serial(left: &str, right: &str) -> bool {
    let plain = |text: &str| text.replace(['-', ':'], "").to_ascii_lowercase();
    plain(left) == plain(right)
}

/// Returns what is nearest to an address where nothing is: `; nearest: …`, or nothing where no device is.
///
/// # Errors
/// When a device cannot be read.
pub fn near(address: PciAddress, host: &HostView) -> Result<String> {
    let devices = pci_bus::devices(host)?;
    let near = nearest(address, devices.iter().map(|it| it.address));
    let of =
        |address: &PciAddress| devices.iter().find(|it| it.address == *address).map(|it| describe(it, host));
    let near: Vec<String> = near.iter().filter_map(of).collect();
    Ok(if near.is_empty() { String::new() } else { format!("; nearest: {}", near.join(", ")) })
}

/// Returns those of some addresses that are nearest to one, the nearest first.
pub fn nearest(address: PciAddress, others: impl Iterator<Item = PciAddress>) -> Vec<PciAddress> {
    /// As many as are near.
    const NEAR: usize = 3;
    let mut ranked: Vec<PciAddress> = others.collect();
    ranked.sort_by_key(|it| {
        let distance = it.routing_id().abs_diff(address.routing_id());
        // The same place in another domain is a domain mistaken.
        (distance != 0 && it.domain() != address.domain(), distance, *it)
    });
    ranked.truncate(NEAR);
    ranked
}

fn list<'a>(devices: impl Iterator<Item = &'a PciDevice>, host: &HostView) -> String {
    let mut text = String::new();
    let mut left_out = 0;
    for (index, it) in devices.enumerate() {
        if index < LISTED {
            text.push_str("\n  ");
            text.push_str(&describe(it, host));
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        text.push_str(&format!("\n  and {left_out} more"));
    }
    text
}

fn describe(device: &PciDevice, host: &HostView) -> String {
    let PciDevice { address, id, driver, interfaces, .. } = device;
    let mut text = format!("{address} {:04x}:{:04x} {}", id.vendor, id.device, class_name(id.class));
    if let Some(driver) = driver {
        text.push_str(&format!(" {driver}"));
    }
    for interface in interfaces {
        text.push_str(&format!(" {}", interface.name));
    }
    text + &Names::read(host).aside(*id)
}

/// An address as it is, traits as `vendor 10de, device 0ffc`.
impl fmt::Display for DeviceSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Traits(traits) => {
                let DeviceTraits { address, vendor, device, class, interface, mac, .. } = traits.as_ref();
                let DeviceTraits { serial, slot, path, function, .. } = traits.as_ref();
                let texts = [
                    ("address", address.map(|it| it.to_string())),
                    ("vendor", vendor.map(|it| format!("{it:04x}"))),
                    ("device", device.map(|it| format!("{it:04x}"))),
                    ("class", class.as_ref().map(ToString::to_string)),
                    ("interface", interface.clone()),
                    ("mac", mac.clone()),
                    ("serial", serial.clone()),
                    ("slot", slot.clone()),
                    ("path", path.as_ref().map(ToString::to_string)),
                    ("function", function.map(|it| it.to_string())),
                ];
                let given = texts.into_iter().filter_map(|(name, it)| it.map(|it| format!("{name} {it}")));
                f.write_str(&given.collect::<Vec<_>>().join(", "))
            }
        }
    }
}
