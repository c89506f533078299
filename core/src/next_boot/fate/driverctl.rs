//! What driverctl does at boot: a unit for each device with an override, which udev starts when it has seen the device.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use super::Stage;
use super::kmod::Place;
use super::play::{Function, Player};
use crate::error::Result;
use crate::formats::udev_rules;

/// Where driverctl keeps the driver of each device.
const OVERRIDES: &str = "/etc/driverctl.d";
/// The rules that start its units.
const RULES: &str = "05-driverctl.rules";
/// What it writes for no driver at all.
const NONE: &str = "none";

/// A device, the driver that driverctl gives it, and the file that says so.
pub(super) type Override = (PciAddress, String, String);

/// Returns what driverctl will do; nothing where it is not installed.
pub(super) fn overrides(host: &HostView) -> Result<Vec<Override>> {
    let mut is_installed = false;
    for directory in udev_rules::DIRECTORIES {
        is_installed |= host.exists(&Path::new(directory).join(RULES))?;
    }
    let mut overrides = Vec::new();
    for name in host.list(Path::new(OVERRIDES))?.into_iter().filter(|_| is_installed) {
        let path = Path::new(OVERRIDES).join(&name);
        let address = name.strip_prefix("pci-").and_then(|it| it.parse().ok());
        let driver = host.attribute(&path)?.map(|it| it.trim().to_owned()).filter(|it| !it.is_empty());
        if let (Some(address), Some(driver)) = (address, driver) {
            overrides.push((address, driver, path.display().to_string()));
        }
    }
    Ok(overrides)
}

impl<'a> Player<'a> {
    /// driverctl loads a driver, takes the function from the one that it has, and gives it to the new one. Where that
    /// cannot be loaded it does nothing, and where it does not take the function this has none (driverctl, `set_override`).
    pub(super) fn driverctl(&mut self, place: &Place<'_>, overrides: &[Override]) {
        for (address, driver, path) in overrides {
            let Some(function) = self.function(*address) else { continue };
            if !self.is_here(function) || self.removed.contains_key(address) {
                continue;
            }
            self.asked.insert(*address, (driver.clone(), path.clone()));
            if driver != NONE && !self.is_loaded(place, driver, path) {
                continue;
            }
            self.leave(function);
            self.overrides.insert(*address, (driver.clone(), path.clone()));
            self.ask_loaded(function, Stage::Unit, self.loaded.len());
        }
    }

    /// Loads a driver by its name, as modprobe does without `-b`; returns whether it is there then.
    fn is_loaded(&mut self, place: &Place<'_>, driver: &str, path: &str) -> bool {
        let because = format!("{path} loads {driver}");
        self.list(place, (Stage::Unit, false), &[(driver.to_owned(), None, because)]);
        self.loaded.iter().any(|it| self.registers(&it.module, driver))
    }

    /// A function leaves its driver; the virtual ones that this driver made go.
    fn leave(&mut self, function: &Function<'_>) {
        let address = function.device.address;
        self.bound.remove(&address);
        let is_of_it = |it: &&Function<'_>| it.device.physfn == Some(address) && it.coming.is_some();
        for gone in self.functions.iter().filter(is_of_it) {
            self.bound.remove(&gone.device.address);
            self.came.remove(&gone.device.address);
        }
    }
}
