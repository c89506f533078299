//! Devices that the firmware never lets go: it has them use memory that the IOMMU may not move.

use std::path::{Path, PathBuf};

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use crate::error::Result;
use crate::formats::acpi::{self, Scope};
use crate::machine::pci_bus::{self, PciDevice, config_space};
use crate::machine::{iommu, kernels};

/// The Linux that refuses devices with a memory definition of an AMD (kernel commit a48ce36e2786).
const REFUSES_IVMD: (u32, u32) = (6, 6);

/// A device that no guest can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// Where it is.
    pub address: PciAddress,
    /// What pins it: a clause.
    pub by: &'static str,
    /// The table that says so.
    pub table: PathBuf,
}

/// Returns the devices that vfio-pci refuses to hand to a guest, for the firmware pins memory for them: those of an RMRR of
/// Intel but display and USB controllers (drivers/iommu/intel/iommu.c, `device_rmrr_is_relaxable`), and since Linux 6.6
/// those of an IVMD of AMD.
///
/// # Errors
/// When a table or a configuration space exists and cannot be read.
pub fn pinned(host: &HostView) -> Result<Vec<Pinned>> {
    let mut found = Vec::new();
    let table = Path::new(iommu::TABLES).join("DMAR");
    let scopes = host.read_bytes(&table)?.map_or(Vec::new(), |it| acpi::pinned_by_dmar(&it));
    if !scopes.is_empty() {
        let by = "the firmware keeps memory for it (RMRR)";
        for scope in &scopes {
            let devices = meant(host, scope)?;
            let locked = devices.into_iter().filter(|it| !is_let_go(it));
            found.extend(locked.map(|it| Pinned { address: it.address, by, table: table.clone() }));
        }
    }
    let table = Path::new(iommu::TABLES).join("IVRS");
    let ranges = host.read_bytes(&table)?.map_or(Vec::new(), |it| acpi::pinned_by_ivrs(&it));
    let refuses = kernels::running(host)?.is_some_and(|it| !kernels::is_older(&it, REFUSES_IVMD));
    if refuses && !ranges.is_empty() {
        let by = "the firmware asks for memory of it that keeps its address (IVMD)";
        for device in pci_bus::devices(host)?.iter().filter(|it| it.address.domain() == 0) {
            let id = device.address.routing_id();
            if ranges.iter().any(|it| it.first <= id && id <= it.last) {
                found.push(Pinned { address: device.address, by, table: table.clone() });
            }
        }
    }
    found.sort_by_key(|it| it.address);
    found.dedup_by_key(|it| it.address);
    Ok(found)
}

/// Display and USB controllers need that memory only until their drivers start.
fn is_let_go(device: &PciDevice) -> bool {
    device.id.class >> 16 == 0x03 || device.id.class >> 8 == 0x0c03
}

/// Returns the functions that a scope means.
fn meant(host: &HostView, scope: &Scope) -> Result<Vec<PciDevice>> {
    let devices = pci_bus::devices(host)?;
    let at = |bus: u8, step: (u8, u8)| {
        let id = u16::from(bus) << 8 | u16::from(step.0 & 0x1f) << 3 | u16::from(step.1 & 7);
        let address = PciAddress::of_routing_id(u32::from(scope.segment), id);
        devices.iter().find(|it| it.address == address)
    };
    let mut bus = scope.bus;
    let mut device = None;
    for step in &scope.path {
        if let Some(bridge) = device {
            let Some(behind) = behind(host, bridge)? else { return Ok(Vec::new()) };
            bus = behind;
        }
        device = at(bus, *step);
        if device.is_none() {
            return Ok(Vec::new());
        }
    }
    let Some(device) = device else { return Ok(Vec::new()) };
    if !scope.is_bridge {
        return Ok(vec![device.clone()]);
    }
    let mut below = Vec::new();
    for other in devices.iter() {
        if pci_bus::above(host, &pci_bus::directory(other.address))?.contains(&device.address) {
            below.push(other.clone());
        }
    }
    Ok(below)
}

/// Returns the number of the bus behind a bridge.
fn behind(host: &HostView, bridge: &PciDevice) -> Result<Option<u8>> {
    let config = host.read_bytes(&pci_bus::directory(bridge.address).join("config"))?;
    Ok(config.and_then(|it| config_space::secondary_bus(&it)))
}
