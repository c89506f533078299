//! `held-by-guest`: a device leaves its driver while a guest has it.

use crate::error::Result;
use crate::machine::open_files;
use crate::machine::pci_bus;
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "held-by-guest";

/// Finds devices that a process has through VFIO. The kernel makes whoever takes one away wait, in a sleep that nothing
/// ends, until the process closes it (drivers/vfio/vfio_main.c, `vfio_unregister_group_dev`).
///
/// # Errors
/// When the host cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let mut hazards = Vec::new();
    for (path, value) in scene.attributes().filter(|it| it.0.ends_with("driver/unbind")) {
        let Ok(address) = value.parse() else { continue };
        let Some(device) = pci_bus::device(scene.before, address)? else { continue };
        let open = open_files::of_guests(scene.before, &device)?.found;
        let Some(first) = open.first() else { continue };
        let driver = device.driver.unwrap_or_default();
        let message = format!(
            "{address} leaves {driver}, and {} (process {}) has it: the change would hang until that lets it go",
            first.name, first.process
        );
        let evidence: Vec<String> = open.iter().map(ToString::to_string).collect();
        let address = address.to_string();
        let mut identity = vec![address.as_str()];
        identity.extend(evidence.iter().map(String::as_str));
        let hazard = Hazard::new(NAME, Severity::Refuse, &identity, message).on(&address);
        let written = format!("{value} is written to {}", path.display());
        hazards.push(hazard.shown_by(evidence.iter().cloned()).shown_by([written]));
    }
    Ok(hazards)
}
