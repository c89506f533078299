//! `held-by-process`: a device leaves its driver now while a process has it open.

use crate::error::Result;
use crate::machine::open_files;
use crate::machine::pci_bus;
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "held-by-process";

/// Finds devices that a process has open through the driver of the host. That of NVIDIA waits until it is closed, in a
/// sleep that nothing ends (NVIDIA/open-gpu-kernel-modules#1374); others take the device away under the process.
///
/// # Errors
/// When the host cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let mut hazards = Vec::new();
    for (path, value) in scene.attributes().filter(|it| it.0.ends_with("driver/unbind")) {
        let Ok(address) = value.parse() else { continue };
        let Some(device) = pci_bus::device(scene.before, address)? else { continue };
        let open = open_files::of_device(scene.before, &device)?.found;
        let Some(first) = open.first() else { continue };
        let driver = device.driver.unwrap_or_default();
        let then = match driver.as_str() {
            "nvidia" => "the change would never return",
            _ => "it would lose the device",
        };
        let message = format!(
            "{address} leaves {driver} now, and {} (process {}) has it open: {then}. Stop it first{}, or leave the device \
             to the next boot",
            first.name,
            first.process,
            if first.name == "nvidia-persiste" { " (systemctl stop nvidia-persistenced)" } else { "" },
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
