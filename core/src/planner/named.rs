//! What the devices are called that a plan speaks of. The list of names is long: who speaks of no device does not read it.

use std::collections::HashSet;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use crate::error::Result;
use crate::language::declaration::ResourceId;
use crate::machine::pci_bus;
use crate::machine::pci_names::Names;
use crate::plan::declared_device::DeclaredDevice;
use crate::plan::planned::Change;
use crate::plan::scene::Hazard;

/// Names the devices that something is planned for, and those that hazards are about.
///
/// # Errors
/// When a device cannot be read.
pub(super) fn name(
    devices: &mut [DeclaredDevice],
    changes: &[Change],
    hazards: &mut [Hazard],
    host: &HostView,
) -> Result<()> {
    let changed: HashSet<&ResourceId> = changes.iter().map(|it| &it.resource).collect();
    for device in devices.iter_mut().filter(|it| changed.contains(&it.resource)) {
        device.name = Names::read(host).full(device.identity.id.vendor, device.identity.id.device);
    }
    for hazard in hazards {
        let address = hazard.device.as_deref().and_then(|it| it.parse::<PciAddress>().ok());
        let Some(address) = address else { continue };
        let devices = pci_bus::devices(host)?;
        if let Some(device) = devices.iter().find(|it| it.address == address) {
            hazard.name = Names::read(host).full(device.id.vendor, device.id.device);
        }
    }
    Ok(())
}
