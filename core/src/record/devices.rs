//! What the devices that a run moves were before it.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;
use hoststate_abi::step::Step;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::formats::pci::PciId;
use crate::machine::pci_bus;
use crate::plan::planned::Plan;

/// A PCI device before a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceBefore {
    /// Its address.
    pub address: PciAddress,
    /// Its ids; absent in records of runs before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<PciId>,
    /// The driver it had.
    pub driver: Option<String>,
    /// Its `driver_override`.
    pub driver_override: Option<String>,
    /// Its virtual functions; absent for a device that can have none.
    pub numvfs: Option<u16>,
    /// Whether drivers looked at new functions; absent where the kernel has no such attribute.
    pub autoprobe: Option<bool>,
    /// Whether the run sets the count of functions.
    pub changes_count: bool,
}

/// Returns the devices that the steps of `plan` move, as they are now.
///
/// # Errors
/// When the host cannot be read.
pub(super) fn of(plan: &Plan, host: &HostView) -> Result<Vec<DeviceBefore>> {
    let mut found: Vec<DeviceBefore> = Vec::new();
    for step in plan.changes.iter().flat_map(|it| &it.steps) {
        let Step::WriteAttribute { path, value } = step else { continue };
        let Some(address) = moved(path, value) else { continue };
        let changes_count = path.ends_with("sriov_numvfs");
        if let Some(known) = found.iter_mut().find(|it| it.address == address) {
            known.changes_count |= changes_count;
        } else if let Some(device) = pci_bus::device(host, address)? {
            found.push(DeviceBefore {
                address,
                id: Some(device.id),
                driver: device.driver,
                driver_override: device.driver_override,
                numvfs: device.sriov.map(|it| it.numvfs),
                autoprobe: device.sriov.and_then(|it| it.autoprobe),
                changes_count,
            });
        }
    }
    Ok(found)
}

/// Returns the device that a write is about: it is in the path, or it is what is written to a driver or the bus.
fn moved(path: &Path, value: &str) -> Option<PciAddress> {
    if path.starts_with(pci_bus::DEVICES) { pci_bus::address_in(path) } else { value.trim().parse().ok() }
}
