//! `hidden-parameters`: what files of the boot loader hold and no kernel gets.

use crate::error::{Error, Result};
use crate::mechanism::distro::Hidden;
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "hidden-parameters";

/// Finds parameters that are without effect because of hoststate's own assignment, or that are none.
///
/// # Errors
/// When the boot loader's files cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let hidden = match scene.distro.bootloader.hidden(scene.after) {
        Ok(hidden) => hidden,
        // A line that stops the tool is told by the declaration that needs it.
        Err(Error::Malformed { .. }) => Vec::new(),
        Err(err) => return Err(err),
    };
    let hazard = |Hidden { what, mend, evidence }: Hidden| {
        let message = format!("{what}: it has no effect. {mend}");
        Hazard::new(NAME, Severity::Warn, &[&what], message).shown_by([evidence])
    };
    Ok(hidden.into_iter().map(hazard).collect())
}
