//! `keyboard`: the controller of the only keyboard leaves its driver, where a passphrase is typed at boot.

use crate::error::Result;
use crate::guards::rebinding;
use crate::machine::needs::{self, Kind};
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "keyboard";

/// Finds controllers without which nobody can open the disks of the host.
///
/// # Errors
/// When `/proc`, `/sys` or crypttab cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let rebindings = rebinding::rebindings(scene)?;
    if rebindings.all.is_empty() {
        return Ok(Vec::new());
    }
    let needs = needs::of(scene.before)?;
    let mut hazards = Vec::new();
    for taken in &rebindings.all {
        let address = taken.device.address;
        let Some(need) = needs.iter().find(|it| it.kind == Kind::Keyboard && it.hangs_on(address)) else {
            continue;
        };
        let message = format!(
            "{address} {}, and the only keyboard is on it: no passphrase can be typed when the host boots",
            taken.what()
        );
        let identity = taken.identity();
        let hazard = Hazard::new(NAME, Severity::Refuse, &identity.each_ref().map(String::as_str), message);
        hazards.push(hazard.on(address).shown_by(need.evidence.iter().cloned()).shown_by(taken.evidence()));
    }
    Ok(hazards)
}
