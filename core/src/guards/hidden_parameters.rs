//! `hidden-parameters`: a line of hoststate's hides what other files give the kernel.

use crate::error::{Error, Result};
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "hidden-parameters";

/// Finds parameters that are without effect because of hoststate's own assignment.
///
/// # Errors
/// When the boot loader's files cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let what = match scene.distro.bootloader.hidden(scene.after) {
        Ok(what) => what,
        // A line that stops the tool is told by the declaration that needs it.
        Err(Error::Malformed { .. }) => None,
        Err(err) => return Err(err),
    };
    let hazard = |what: String| {
        let own = what.rsplit(" by ").next().unwrap_or_default();
        let evidence = [format!("{own} is read last, and takes nothing over from the files before it")];
        let message = format!("{what}: it is without effect. Take it out there, or declare it");
        Hazard::new(NAME, Severity::Warn, &[&what], message).shown_by(evidence)
    };
    Ok(what.into_iter().map(hazard).collect())
}
