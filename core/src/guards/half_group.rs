//! `half-group`: part of an IOMMU group goes to guests while another part stays with a driver of the host.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::guards::rebinding::{self, Rebinding, Rebindings};
use crate::machine::pci_bus::driver_name;
use crate::machine::pci_bus::{self, PciDevice};
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "half-group";

/// Base class of display controllers: their functions belong together (include/linux/pci_ids.h).
const DISPLAY: u32 = 0x03;

/// Finds groups that could not be given to a guest. Bridges stay with the host in any case, and a device without a
/// driver is in nobody's way (Documentation/driver-api/vfio.rst).
///
/// # Errors
/// When the host cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let rebindings = rebinding::rebindings(scene)?;
    let mut seen = BTreeSet::new();
    let mut hazards = Vec::new();
    for taken in rebindings.all.iter().filter(|it| it.is_planned() && it.is_for_guests()) {
        let device = &taken.device;
        let devices = pci_bus::devices(scene.before)?;
        let (name, members): (String, Vec<&PciDevice>) = match device.iommu_group {
            Some(group) => {
                let name = format!("/sys/kernel/iommu_groups/{group}/devices");
                (name, devices.iter().filter(|it| it.iommu_group == Some(group)).collect())
            }
            // Without groups only a card's own functions tell which devices will be in one.
            None if device.id.class >> 16 == DISPLAY => {
                let slot = device.address.slot();
                (format!("the card {slot}"), devices.iter().filter(|it| it.address.slot() == slot).collect())
            }
            None => continue,
        };
        let staying: Vec<&PciDevice> =
            members.into_iter().filter(|it| stays_with_host(&rebindings, it)).collect();
        if !staying.is_empty() && seen.insert(name.clone()) {
            hazards.push(hazard(taken, &name, &staying));
        }
    }
    Ok(hazards)
}

fn stays_with_host(rebindings: &Rebindings, device: &PciDevice) -> bool {
    // Port drivers manage no DMA of their own, so they may share a group (`driver_managed_dma`).
    let driver = rebindings.driver_of(device).filter(|it| *it != "pcieport");
    !device.is_bridge() && driver.is_some_and(|it| !driver_name::is_for_guests(it))
}

fn hazard(taken: &Rebinding, name: &str, staying: &[&PciDevice]) -> Hazard {
    let address = taken.device.address;
    let names: Vec<String> = staying
        .iter()
        .map(|it| format!("{} ({})", it.address, it.driver.as_deref().unwrap_or_default()))
        .collect();
    let (severity, what) = match taken.device.iommu_group {
        Some(group) => (Severity::Refuse, format!("IOMMU group {group}")),
        None => (Severity::Warn, "one card, which most likely is one IOMMU group".to_owned()),
    };
    let message = format!(
        "{address} {}, and {} stays with the host: they are in {what}, and a guest gets all of a group or nothing",
        taken.what(),
        names.join(", ")
    );
    let identity = taken.identity();
    let mut identity: Vec<&str> = identity.iter().map(String::as_str).collect();
    identity.extend(names.iter().map(String::as_str));
    let members = staying.iter().map(|it| {
        let link = pci_bus::directory(it.address).join("driver");
        format!(
            "{name} has {}, and {} is {}",
            it.address,
            link.display(),
            it.driver.as_deref().unwrap_or_default()
        )
    });
    Hazard::new(NAME, severity, &identity, message).on(address).shown_by(members).shown_by(taken.evidence())
}
