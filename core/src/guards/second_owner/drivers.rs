//! Others that bind devices to drivers: driverctl, and udev rules of other programs.

use std::path::Path;

use super::{Owner, foreign_rules};
use crate::error::Result;
use crate::machine::pci_bus::PciDevice;
use crate::plan::scene::Scene;

/// Where driverctl keeps the driver of each device it binds at boot.
const DRIVERCTL: &str = "/etc/driverctl.d";

/// Returns the other owners of a device's driver.
pub(super) fn owners(scene: Scene<'_>, device: &PciDevice) -> Result<Vec<Owner>> {
    let mut owners = Vec::new();
    for name in [format!("pci-{}", device.address), device.address.to_string()] {
        let path = Path::new(DRIVERCTL).join(name);
        if let Some(driver) = scene.after.attribute(&path)? {
            let evidence = format!("{} names {driver}", path.display());
            owners.push(Owner { who: "driverctl", sets: Some(driver.trim().to_owned()), evidence });
        }
    }
    for (driver, evidence) in foreign_rules(scene, device, "driver_override")? {
        owners.push(Owner { who: "a udev rule", sets: Some(driver), evidence });
    }
    Ok(owners)
}
