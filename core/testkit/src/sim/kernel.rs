//! What the kernel does when an attribute of the PCI bus is written.

use std::path::Path;

use hoststate_abi::pci_address::PciAddress;
use hoststate_core::machine::pci_bus::{self, PciDevice};

use super::{SimHost, modules, udev};
use crate::pci::{self, BUS, SysfsDevice};

const ENOENT: i32 = 2;
const EBUSY: i32 = 16;
const ENODEV: i32 = 19;
const EINVAL: i32 = 22;
const ERANGE: i32 = 34;

/// `driver_override` takes less than a page.
const PAGE: usize = 4096;

/// Writes an attribute; `path` has its links resolved. The error is the errno.
pub(super) fn write(host: &SimHost, path: &Path, value: &str) -> Result<(), i32> {
    let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
    let parent = path.parent().and_then(Path::file_name).and_then(|it| it.to_str()).unwrap_or_default();
    let value = value.trim_end_matches('\n');
    match name {
        "drivers_probe" => {
            // A device that stays without a driver is no error.
            probe(host, find(host, value).ok_or(ENODEV)?.address);
            Ok(())
        }
        "bind" => bind(host, parent, value),
        "unbind" => {
            let device = find(host, value).filter(|it| it.driver.as_deref() == Some(parent)).ok_or(ENODEV)?;
            unbind(host, &device);
            Ok(())
        }
        "driver_override" if value.len() >= PAGE - 1 => Err(EINVAL),
        "driver_override" => {
            find(host, parent).ok_or(ENOENT)?;
            let text = if value.is_empty() { "(null)" } else { value };
            host.tree.write(path, format!("{text}\n"));
            Ok(())
        }
        "sriov_numvfs" => numvfs(host, parent, value),
        "sriov_drivers_autoprobe" => {
            let device = find(host, parent).filter(|it| it.sriov.is_some()).ok_or(ENOENT)?;
            let is_on = match value {
                "0" | "n" | "N" => 0,
                "1" | "y" | "Y" => 1,
                _ => return Err(EINVAL),
            };
            host.tree.write(attribute(device.address, name), format!("{is_on}\n"));
            Ok(())
        }
        _ => Err(ENOENT),
    }
}

/// Registers a driver: it takes the devices without one that it may have.
pub(super) fn register(host: &SimHost, driver: &str) {
    pci::register_driver(&host.tree, driver);
    for device in all(host) {
        probe(host, device.address);
    }
}

/// Lets the bus look for a driver, as when a device appears.
pub(super) fn probe(host: &SimHost, address: PciAddress) {
    let Some(device) = find(host, &address.to_string()).filter(|it| it.driver.is_none()) else { return };
    if let Some(driver) = candidate(host, &device) {
        pci::bind(&host.tree, &address.to_string(), &driver);
    }
}

/// Returns the registered driver that would take a device: the override's or, without one, that of its ids.
fn candidate(host: &SimHost, device: &PciDevice) -> Option<String> {
    let may_probe = device.physfn.is_none_or(|physfn| {
        let physfn = find(host, &physfn.to_string());
        physfn.and_then(|it| it.sriov?.autoprobe) != Some(false)
    });
    let wanted = match &device.driver_override {
        Some(driver) => Some(driver.clone()),
        None if may_probe && host.claimed.borrow().iter().any(|it| it.matches(&device.id)) => {
            Some("vfio-pci".to_owned())
        }
        None if may_probe => native(host, device),
        None => None,
    }?;
    let is_registered = pci_bus::drivers(&host.tree.view()).is_ok_and(|it| it.contains(&wanted));
    // vfio-pci answers EINVAL to the probe of a device without a group.
    let is_refused = (wanted == "vfio-pci" && (device.iommu_group.is_none() || device.is_bridge()))
        || host.refusing.as_ref() == Some(&wanted);
    (is_registered && !is_refused).then_some(wanted)
}

/// Returns the driver that knows a device's ids.
pub(super) fn native(host: &SimHost, device: &PciDevice) -> Option<String> {
    let ids = format!("{:04x}:{:04x}", device.id.vendor, device.id.device);
    host.native.iter().find(|(known, _)| *known == ids).map(|(_, driver)| driver.clone())
}

fn bind(host: &SimHost, driver: &str, value: &str) -> Result<(), i32> {
    let device = find(host, value).ok_or(ENODEV)?;
    if device.driver.is_some() {
        return Err(EBUSY);
    }
    let wanted = device.driver_override.clone().or_else(|| native(host, &device));
    match candidate(host, &device) {
        Some(candidate) if candidate == driver => {
            pci::bind(&host.tree, value, driver);
            Ok(())
        }
        None if wanted.as_deref() == Some(driver) => Err(EINVAL),
        _ => Err(ENODEV),
    }
}

fn unbind(host: &SimHost, device: &PciDevice) {
    remove_virtual_functions(host, device);
    let address = device.address.to_string();
    if let Some(driver) = &device.driver {
        host.tree.remove(format!("/sys/bus/pci/drivers/{driver}/{address}"));
    }
    host.tree.remove(attribute(device.address, "driver"));
    host.tree.remove(attribute(device.address, "net"));
}

/// Writes `sriov_numvfs` (drivers/pci/iov.c, `sriov_numvfs_store`; errors as measured with igb).
fn numvfs(host: &SimHost, address: &str, value: &str) -> Result<(), i32> {
    let device = find(host, address).ok_or(ENOENT)?;
    let sriov = device.sriov.ok_or(ENOENT)?;
    let wanted = number(value).ok_or(EINVAL)?;
    if wanted > sriov.totalvfs {
        return Err(ERANGE);
    }
    if wanted == sriov.numvfs {
        return Ok(());
    }
    if device.driver.as_deref().is_none_or(|it| it == "vfio-pci") {
        return Err(ENOENT);
    }
    if wanted == 0 {
        remove_virtual_functions(host, &device);
    } else if sriov.numvfs != 0 {
        return Err(EBUSY);
    } else {
        add_virtual_functions(host, &device, wanted);
    }
    Ok(())
}

/// `kstrtou16` with base 0: `0x10` is 16 and `010` is 8.
fn number(text: &str) -> Option<u16> {
    match (text.strip_prefix("0x"), text.strip_prefix('0')) {
        (Some(digits), _) => u16::from_str_radix(digits, 16).ok(),
        (None, Some(digits)) if !digits.is_empty() => u16::from_str_radix(digits, 8).ok(),
        _ => text.parse().ok(),
    }
}

fn add_virtual_functions(host: &SimHost, physfn: &PciDevice, count: u16) {
    let physical = physfn.address;
    let decimal = |name: &str| text(host, physical, name).parse::<u32>().unwrap_or(0);
    let (offset, stride) = (decimal("sriov_offset"), decimal("sriov_stride"));
    let vendor = u16::try_from(physfn.id.vendor).unwrap_or(0);
    let device_id = u16::from_str_radix(&text(host, physical, "sriov_vf_device"), 16).unwrap_or(0);
    let first = (u32::from(physical.bus()) << 8)
        + (u32::from(physical.device()) << 3)
        + u32::from(physical.function())
        + offset;
    host.tree.write(attribute(physical, "sriov_numvfs"), format!("{count}\n"));
    for index in 0..count {
        let id = first + stride * u32::from(index);
        let (bus, device, function) = (id >> 8, (id >> 3) & 0x1f, id & 7);
        let address = format!("{:04x}:{bus:02x}:{device:02x}.{function:x}", physical.domain());
        let mut sysfs = SysfsDevice::new(&address, vendor, device_id, physfn.id.class);
        if physfn.iommu_group.is_some() {
            sysfs = sysfs.group(next_group(host));
        }
        sysfs.write(&host.tree);
        host.tree.link(format!("{BUS}/{address}/physfn"), format!("../{physical}"));
        host.tree.link(attribute(physical, &format!("virtfn{index}")), format!("../{address}"));
        if let Some(added) = find(host, &address) {
            // The kernel probes by itself; udev sees the event when that is over.
            probe(host, added.address);
            udev::added(host, added.address);
        }
    }
}

fn next_group(host: &SimHost) -> u32 {
    let groups = host.tree.view().list(Path::new("/sys/kernel/iommu_groups")).unwrap_or_default();
    groups.iter().filter_map(|it| it.parse::<u32>().ok()).max().map_or(0, |it| it + 1)
}

fn remove_virtual_functions(host: &SimHost, physfn: &PciDevice) {
    for (index, address) in physfn.virtfns.iter().enumerate() {
        if let Some(virtual_function) = find(host, &address.to_string()) {
            unbind(host, &virtual_function);
            if let Some(group) = virtual_function.iommu_group {
                host.tree.remove(format!("/sys/kernel/iommu_groups/{group}"));
            }
        }
        host.tree.remove(format!("/sys/bus/pci/devices/{address}"));
        host.tree.remove(format!("{BUS}/{address}"));
        host.tree.remove(attribute(physfn.address, &format!("virtfn{index}")));
    }
    if physfn.sriov.is_some() {
        host.tree.write(attribute(physfn.address, "sriov_numvfs"), "0\n");
    }
}

/// Takes out of the kernel what a boot does not keep: virtual functions, overrides, drivers.
pub(super) fn reset(host: &SimHost) {
    for device in all(host).iter().filter(|it| it.physfn.is_none()) {
        unbind(host, device);
        host.tree.write(attribute(device.address, "driver_override"), "(null)\n");
        if device.sriov.is_some() {
            host.tree.write(attribute(device.address, "sriov_drivers_autoprobe"), "1\n");
        }
    }
    host.tree.remove("/sys/bus/pci/drivers");
    modules::forget(host);
}

/// Returns every device.
pub(super) fn all(host: &SimHost) -> Vec<PciDevice> {
    pci_bus::devices(&host.tree.view()).expect("a sysfs that was made here").to_vec()
}

/// Returns the device at an address.
pub(super) fn find(host: &SimHost, address: &str) -> Option<PciDevice> {
    let address = address.parse().ok()?;
    pci_bus::device(&host.tree.view(), address).expect("a sysfs that was made here")
}

fn attribute(address: PciAddress, name: &str) -> String {
    format!("{BUS}/{address}/{name}")
}

fn text(host: &SimHost, address: PciAddress, name: &str) -> String {
    host.tree.read(attribute(address, name)).unwrap_or_default().trim().to_owned()
}
