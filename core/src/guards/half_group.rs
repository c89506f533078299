//! `half-group`: part of an IOMMU group goes to guests while another part stays with a driver of the host.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::guards::rebinding::{self, Rebinding, Rebindings};
use crate::machine::iommu_groups;
use crate::machine::pci_bus::driver_name;
use crate::machine::pci_bus::{self, PciDevice};
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "half-group";

/// Base class of display controllers: their functions belong together (include/linux/pci_ids.h).
const DISPLAY: u32 = 0x03;

/// What ties devices together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tie {
    /// The group of the kernel with this number.
    Group(u32),
    /// The group that they will be in once an IOMMU is on.
    Foretold,
    /// The card, where groups can be told neither now nor beforehand.
    Card,
}

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
        let devices = pci_bus::devices(scene.before)?;
        let Some((tie, members)) = together(scene, &taken.device, &devices)? else { continue };
        let first = members.first().map(|it| it.address);
        let staying: Vec<&PciDevice> =
            members.into_iter().filter(|it| stays_with_host(&rebindings, it)).collect();
        if !staying.is_empty() && seen.insert(first) {
            hazards.push(hazard(taken, tie, &staying));
        }
    }
    Ok(hazards)
}

/// Returns the devices that go to a guest together with one; `None` where nothing tells.
fn together<'a>(
    scene: Scene<'_>,
    device: &PciDevice,
    devices: &'a [PciDevice],
) -> Result<Option<(Tie, Vec<&'a PciDevice>)>> {
    let members =
        |is_member: &dyn Fn(&PciDevice) -> bool| devices.iter().filter(|it| is_member(it)).collect();
    if let Some(group) = device.iommu_group {
        return Ok(Some((Tie::Group(group), members(&|it| it.iommu_group == Some(group)))));
    }
    if let Some(group) = iommu_groups::foretold(scene.before)?.members(device.address) {
        return Ok(Some((Tie::Foretold, members(&|it| group.contains(&it.address)))));
    }
    // Without groups only a card's own functions tell which devices will be in one.
    let slot = device.address.slot();
    let is_card = device.id.class >> 16 == DISPLAY;
    Ok(is_card.then(|| (Tie::Card, members(&|it| it.address.slot() == slot))))
}

fn stays_with_host(rebindings: &Rebindings, device: &PciDevice) -> bool {
    // Port drivers manage no DMA of their own, so they may share a group (`driver_managed_dma`).
    let driver = rebindings.driver_of(device).filter(|it| *it != "pcieport");
    !device.is_bridge() && driver.is_some_and(|it| !driver_name::is_for_guests(it))
}

fn hazard(taken: &Rebinding, tie: Tie, staying: &[&PciDevice]) -> Hazard {
    let address = taken.device.address;
    let names: Vec<String> = staying
        .iter()
        .map(|it| format!("{} ({})", it.address, it.driver.as_deref().unwrap_or_default()))
        .collect();
    let (severity, what, place) = match tie {
        Tie::Group(group) => (
            Severity::Refuse,
            format!("they are in IOMMU group {group}"),
            format!("/sys/kernel/iommu_groups/{group}/devices"),
        ),
        Tie::Foretold => (
            Severity::Refuse,
            "they will be in one IOMMU group, by their configuration spaces".to_owned(),
            format!("the group foretold for {address}"),
        ),
        Tie::Card => (
            Severity::Warn,
            "they are in one card, which most likely is one IOMMU group".to_owned(),
            format!("the card {}", taken.device.address.slot()),
        ),
    };
    let message = format!(
        "{address} {}, and {} stays with the host: {what}, and a guest gets all of a group or nothing",
        taken.what(),
        names.join(", ")
    );
    let identity = taken.identity();
    let mut identity: Vec<&str> = identity.iter().map(String::as_str).collect();
    identity.extend(names.iter().map(String::as_str));
    let members = staying.iter().map(|it| {
        let link = pci_bus::directory(it.address).join("driver");
        let driver = it.driver.as_deref().unwrap_or_default();
        format!("{place} has {}, and {} is {driver}", it.address, link.display())
    });
    Hazard::new(NAME, severity, &identity, message).on(address).shown_by(members).shown_by(taken.evidence())
}
