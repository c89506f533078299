//! `held-by-guest`: a device leaves its driver while a guest has it.

use crate::error::Result;
use crate::guards::unbinding;
use crate::machine::open_files;
use crate::plan::scene::{Hazard, Scene};

const NAME: &str = "held-by-guest";

/// Finds devices that a process has through VFIO. The kernel makes whoever takes one away wait, in a sleep that nothing
/// ends, until the process closes it (drivers/vfio/vfio_main.c, `vfio_unregister_group_dev`).
///
/// # Errors
/// When the host cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    unbinding::refused(scene, NAME, open_files::of_guests, |device, first| {
        format!(
            "{} leaves {}, and {} (process {}) has it: the change would hang until that process lets go",
            device.address,
            device.driver.as_deref().unwrap_or_default(),
            first.name,
            first.process
        )
    })
}
