//! Devices that a plan takes from their driver now, while a process has them open.

use std::io;

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::machine::open_files::{OpenFile, OpenFiles};
use crate::machine::pci_bus::{self, PciDevice};
use crate::plan::scene::{Hazard, Scene, Severity};

/// Refuses, under a guard's name, to take away what `open` finds open; `message` says what would come of it for the device
/// and the first process.
///
/// # Errors
/// When the host cannot be read.
pub(super) fn refused(
    scene: Scene<'_>,
    name: &'static str,
    open: fn(&HostView, &PciDevice) -> io::Result<OpenFiles>,
    message: fn(&PciDevice, &OpenFile) -> String,
) -> Result<Vec<Hazard>> {
    let mut hazards = Vec::new();
    for (path, value) in scene.attributes().filter(|it| it.0.ends_with("driver/unbind")) {
        let Ok(address) = value.parse() else { continue };
        let Some(device) = pci_bus::device(scene.before, address)? else { continue };
        let open = open(scene.before, &device)?.found;
        let Some(first) = open.first() else { continue };
        let evidence: Vec<String> = open.iter().map(ToString::to_string).collect();
        let address = address.to_string();
        let mut identity = vec![address.as_str()];
        identity.extend(evidence.iter().map(String::as_str));
        let hazard = Hazard::new(name, Severity::Refuse, &identity, message(&device, first)).on(&address);
        let written = format!("{value} is written to {}", path.display());
        hazards.push(hazard.shown_by(evidence.iter().cloned()).shown_by([written]));
    }
    Ok(hazards)
}
