//! `firmware-pinned`: a device is to go to guests, and the firmware never lets go of it.

use crate::error::Result;
use crate::guards::rebinding;
use crate::machine::iommu_groups;
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "firmware-pinned";

/// Finds devices that a guest could never get: the driver binds, and the guest does not start.
///
/// # Errors
/// When the host cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let rebindings = rebinding::rebindings(scene)?;
    let mut for_guests = rebindings.all.iter().filter(|it| it.is_planned() && it.is_for_guests()).peekable();
    if for_guests.peek().is_none() {
        return Ok(Vec::new());
    }
    let pinned = iommu_groups::pinned(scene.before)?;
    let mut hazards = Vec::new();
    for taken in for_guests {
        let address = taken.device.address;
        let Some(pinned) = pinned.iter().find(|it| it.address == address) else { continue };
        let message = format!(
            "{address} {}, and no guest can ever have it: {}, which only the firmware's setup may change",
            taken.what(),
            pinned.by
        );
        let identity = taken.identity();
        let identity: Vec<&str> = identity.iter().map(String::as_str).collect();
        let table = format!("{} names {address}", pinned.table.display());
        let hazard = Hazard::new(NAME, Severity::Refuse, &identity, message).on(address);
        hazards.push(hazard.shown_by([table]).shown_by(taken.evidence()));
    }
    Ok(hazards)
}
