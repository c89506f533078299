//! The facts of a real host or tree, read when a playbook asks for them.

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;
use hoststate_core::error::{Error, Result};
use hoststate_core::machine::facts as host_facts;
use hoststate_core::machine::iommu_groups;
use hoststate_core::machine::kernels;
use hoststate_core::machine::modprobe_d;
use hoststate_core::machine::pci_bus::{self, PciDevice};
use hoststate_core::mechanism::distro::{Distro, Family};
use serde_json::{Map, Value};

use crate::facts::{self, Device, DistroFacts, Facts};

/// The facts of the host in a view.
#[derive(Debug, Clone, Copy)]
pub struct HostFacts<'a> {
    /// The host.
    pub host: &'a HostView,
    /// Its distribution.
    pub distro: &'a Distro,
}

impl Facts for HostFacts<'_> {
    fn distro(&self) -> Result<Option<DistroFacts>> {
        let Distro { id, version, family, .. } = self.distro;
        let family = match family {
            Family::Debian => "debian",
            Family::Redhat => "redhat",
        };
        Ok(Some(DistroFacts { id: id.clone(), version: version.clone(), family: family.to_owned() }))
    }

    fn kernel_release(&self) -> Result<Option<String>> {
        kernels::running(self.host)
    }

    fn cpu_vendor(&self) -> Result<Option<String>> {
        Ok(host_facts::cpu_vendor(self.host)?)
    }

    fn devices(&self) -> Result<Vec<Device>> {
        Ok(pci_bus::devices(self.host)?.iter().map(shown).collect())
    }

    fn modules(&self, address: &str) -> Result<Vec<String>> {
        // A tree without /proc is planned for with the kernel it will most likely boot.
        let running = kernels::running(self.host)?;
        let installed = kernels::installed(self.host)?;
        let release = running.filter(|it| installed.0.contains(it)).or_else(|| installed.0.last().cloned());
        let address: PciAddress = address.parse().map_err(|_| {
            Error::invalid(format!("{address:?} is not a PCI address"), "Expected 0000:01:00.0.")
        })?;
        match (release, pci_bus::device(self.host, address)?) {
            (Some(release), Some(device)) => {
                let mut modules = modprobe_d::aliased(self.host, &device.modalias)?;
                let of_index = pci_bus::modules(self.host, &release, &device)?;
                modules.extend(of_index.into_iter().filter(|it| !modules.contains(it)).collect::<Vec<_>>());
                Ok(modules.iter().map(|it| it.as_str().to_owned()).collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    fn find(&self, fields: &Map<String, Value>) -> Result<Vec<String>> {
        Ok(facts::selector(fields)?.matching(self.host)?.iter().map(|it| it.address.to_string()).collect())
    }

    fn foretold_group(&self, address: &str) -> Result<Option<Vec<String>>> {
        let foretold = iommu_groups::to_come(self.host)?;
        let members = foretold.zip(address.parse().ok()).and_then(|(it, address)| it.members(address));
        Ok(members.map(|it| texts(&it)))
    }

    fn why_not_foretold(&self, address: &str) -> Result<Option<String>> {
        let foretold = iommu_groups::foretold(self.host)?;
        let address: Option<PciAddress> = address.parse().ok();
        Ok(address.and_then(|it| foretold.why_not(it)).map(str::to_owned))
    }

    fn nothing_found(&self, fields: &Map<String, Value>) -> Option<String> {
        Some(facts::selector(fields).ok()?.resolve(self.host).err()?.to_string())
    }
}

fn shown(device: &PciDevice) -> Device {
    let id = &device.id;
    Device {
        address: device.address.to_string(),
        vendor: format!("{:04x}", id.vendor),
        device: format!("{:04x}", id.device),
        subsystem_vendor: format!("{:04x}", id.subsystem_vendor),
        subsystem_device: format!("{:04x}", id.subsystem_device),
        class: format!("{:06x}", id.class),
        class_name: hoststate_core::formats::pci::class_name(id.class).to_owned(),
        driver: device.driver.clone(),
        modules: Vec::new(),
        iommu_group: device.iommu_group,
        foretold_group: None,
        boot_vga: device.boot_vga,
        sriov_totalvfs: device.sriov.as_ref().map(|it| u32::from(it.totalvfs)),
        sriov_numvfs: device.sriov.as_ref().map(|it| u32::from(it.numvfs)),
        sriov_offset: device.sriov.and_then(|it| it.offset).map(u32::from),
        sriov_stride: device.sriov.and_then(|it| it.stride).map(u32::from),
        interface: device.interfaces.first().map(|it| it.name.clone()),
        interfaces: device.interfaces.iter().map(|it| it.name.clone()).collect(),
        mac: device.interfaces.first().and_then(|it| it.mac.clone()),
        physfn: device.physfn.map(|it| it.to_string()),
        virtfns: texts(&device.virtfns),
    }
}

fn texts(addresses: &[PciAddress]) -> Vec<String> {
    addresses.iter().map(PciAddress::to_string).collect()
}
