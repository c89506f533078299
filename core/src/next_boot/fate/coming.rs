//! Virtual functions that a rule makes while the host boots and that are not there yet.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use super::rules::{self, Rules};
use crate::error::Result;
use crate::formats::pci::PciId;
use crate::machine::pci_bus::{self, PciDevice, rule_values};

/// A virtual function to come.
pub(super) struct Coming {
    /// What it will be, as far as its physical function tells.
    pub(super) device: PciDevice,
    /// Whether only a driver that its override names may have it (drivers/pci/pci-driver.c, `pci_device_can_probe`).
    pub(super) needs_override: bool,
}

/// Returns the virtual functions that `rules` make beyond those that are there.
pub(super) fn find(host: &HostView, devices: &[PciDevice], rules: &Rules) -> Result<Vec<Coming>> {
    let mut coming = Vec::new();
    for of in devices {
        let Some(sriov) = of.sriov else { continue };
        let known = |key: &str, name: Option<&str>| rule_values::of(of, key, name);
        let own: Vec<_> = rules.iter().map(|it| &it.1).filter(|it| it.may_match(known)).collect();
        let assigned = |name: &str| own.iter().rev().find_map(|it| it.assigned(name));
        let Some(count) = assigned(rules::COUNT).and_then(|it| it.trim().parse::<u16>().ok()) else {
            continue;
        };
        let (Some(offset), Some(stride)) = (sriov.offset, sriov.stride) else { continue };
        let autoprobe = assigned(rules::AUTOPROBE).map(|it| it.trim() != "0").or(sriov.autoprobe);
        let path = pci_bus::directory(of.address).join("sriov_vf_device");
        let number = host.attribute(Path::new(&path))?;
        let number = number.and_then(|it| u32::from_str_radix(it.trim().trim_start_matches("0x"), 16).ok());
        for index in sriov.numvfs..count.min(sriov.totalvfs) {
            let routing_id = index.checked_mul(stride).and_then(|it| it.checked_add(offset));
            let routing_id = routing_id.and_then(|it| it.checked_add(of.address.routing_id()));
            let address = routing_id.map(|it| PciAddress::of_routing_id(of.address.domain(), it));
            let (Some(address), Some(number)) = (address, number) else { continue };
            let id = PciId { device: number, ..of.id };
            let device = PciDevice {
                address,
                id,
                modalias: id.modalias(),
                driver: None,
                driver_override: None,
                sriov: None,
                physfn: Some(of.address),
                virtfns: Vec::new(),
                interfaces: Vec::new(),
                boot_vga: None,
                iommu_group: None,
                ..of.clone()
            };
            coming.push(Coming { device, needs_override: autoprobe == Some(false) });
        }
    }
    coming.retain(|it| devices.iter().all(|device| device.address != it.device.address));
    Ok(coming)
}
