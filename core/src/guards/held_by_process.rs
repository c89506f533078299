//! `held-by-process`: a device leaves its driver now while a process has it open.

use crate::error::Result;
use crate::guards::unbinding;
use crate::machine::open_files;
use crate::plan::scene::{Hazard, Scene};

const NAME: &str = "held-by-process";

/// Finds devices that a process has open through the driver of the host. That of NVIDIA waits until it is closed, in a
/// sleep that nothing ends (NVIDIA/open-gpu-kernel-modules#1374); others take the device away under the process.
///
/// # Errors
/// When the host cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    unbinding::refused(scene, NAME, open_files::of_device, |device, first| {
        let driver = device.driver.as_deref().unwrap_or_default();
        let then = match driver {
            "nvidia" => "the change would never return",
            _ => "it would lose the device",
        };
        format!(
            "{} leaves {driver} now, and {} (process {}) has it open: {then}. Stop it first{}, or leave the device to the \
             next boot",
            device.address,
            first.name,
            first.process,
            if first.name == "nvidia-persiste" { " (systemctl stop nvidia-persistenced)" } else { "" },
        )
    })
}
