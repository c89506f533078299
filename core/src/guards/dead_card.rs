//! `dead-card`: a device that is to get a driver does not answer.

use crate::error::Result;
use crate::guards::rebinding;
use crate::machine::pci_bus;
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "dead-card";

/// Finds devices whose configuration space reads as ff: what is known of them is the kernel's memory, and a driver that
/// is bound to them now fails. The next boot may wake them.
///
/// # Errors
/// When the host cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let mut hazards = Vec::new();
    for taken in &rebinding::rebindings(scene)?.all {
        if !taken.device.is_dead(scene.before)? {
            continue;
        }
        let address = taken.device.address;
        let directory = pci_bus::directory(address);
        let message = format!(
            "{address} does not answer (its configuration space reads ff): it is asleep, or needs a reset or \
             a power cycle"
        );
        let state = directory.join("power_state");
        let state = scene.before.attribute(&state)?.map(|it| format!("{} is {it}", state.display()));
        let hazard = Hazard::new(NAME, Severity::Warn, &[&address.to_string()], message).on(address);
        let read = format!("{} is ff", directory.join("config").display());
        hazards.push(hazard.shown_by([read]).shown_by(state));
    }
    Ok(hazards)
}
