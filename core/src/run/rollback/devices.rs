//! The PCI devices that a run moved: the driver, override and count of functions that each had before.

use std::path::{Path, PathBuf};

use hoststate_abi::about::About;
use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Disruption, Remedy, Setting, State};
use hoststate_abi::step::Step;

use crate::error::Result;
use crate::machine::pci_bus::driver_name::is_for_guests;
use crate::machine::pci_bus::{self, PciDevice, is_visible};
use crate::record::RunRecord;
use crate::record::devices::DeviceBefore;

/// What clears `driver_override`; a write of nothing would be none (drivers/base/driver.c, `driver_set_override`).
const NO_OVERRIDE: &str = "\n";

/// Where the kernel names the boot it runs since.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Compares the devices with what they were before the run. Of another boot nothing is left in the kernel: what the files
/// say made them what they are.
pub(super) fn settings(host: &HostView, record: &RunRecord) -> Result<Vec<Setting>> {
    let boot_id = host.attribute(Path::new(BOOT_ID))?;
    if record.devices.is_empty() || boot_id != record.boot_id || !is_visible(host)? {
        return Ok(Vec::new());
    }
    let mut settings = Vec::new();
    for before in &record.devices {
        // What else was plugged in there since was not moved by the run.
        let is_it = |it: &PciDevice| before.id.is_none_or(|id| id == it.id);
        let Some(device) = pci_bus::device(host, before.address)?.filter(is_it) else { continue };
        settings.extend(count(&device, before));
        // A function that is about to go, or that was made anew, has nothing to be given back.
        let is_remade = device
            .physfn
            .is_some_and(|it| record.devices.iter().any(|port| port.address == it && port.changes_count));
        if !is_remade {
            settings.extend(driver(host, &device, before)?);
        }
    }
    Ok(settings)
}

fn count(device: &PciDevice, before: &DeviceBefore) -> Vec<Setting> {
    let (Some(sriov), Some(numvfs)) = (device.sriov, before.numvfs) else { return Vec::new() };
    let directory = pci_bus::directory(device.address);
    let write = |name: &str, value: String| Step::WriteAttribute { path: directory.join(name), value };
    let about = |name: &str| About::Attribute(directory.join(name));
    let mut settings = Vec::new();
    if let (Some(now), Some(then)) = (sriov.autoprobe, before.autoprobe)
        && now != then
    {
        let steps = vec![write("sriov_drivers_autoprobe", u8::from(then).to_string())];
        let state = drifted(u8::from(now).to_string(), u8::from(then).to_string(), Remedy::Steps(steps));
        settings.push(Setting::runtime(about("sriov_drivers_autoprobe"), Disruption::None, state));
    }
    if sriov.numvfs != numvfs {
        // Only the device's own driver makes and removes functions (drivers/pci/iov.c, sriov_numvfs_store).
        let can_count = device.driver.as_deref().is_some_and(|it| !is_for_guests(it));
        let remedy = if can_count {
            let first = (sriov.numvfs != 0 && numvfs != 0).then(|| write("sriov_numvfs", "0".to_owned()));
            Remedy::Steps(first.into_iter().chain([write("sriov_numvfs", numvfs.to_string())]).collect())
        } else {
            Remedy::Activation(Activation::Reboot)
        };
        let disruption = if device.interfaces.is_empty() { Disruption::Device } else { Disruption::Network };
        let state = drifted(sriov.numvfs.to_string(), numvfs.to_string(), remedy);
        settings.push(Setting::runtime(about("sriov_numvfs"), disruption, state));
    }
    settings
}

/// The override names the driver while the bus looks for one, so that no other takes the device: vfio-pci keeps the ids it
/// was loaded with.
fn driver(host: &HostView, device: &PciDevice, before: &DeviceBefore) -> Result<Vec<Setting>> {
    let directory = pci_bus::directory(device.address);
    let attribute = directory.join("driver_override");
    if !host.exists(&attribute)? {
        return Ok(Vec::new());
    }
    let write = |path: PathBuf, value: String| Step::WriteAttribute { path, value };
    let restore = write(attribute.clone(), before.driver_override.clone().unwrap_or(NO_OVERRIDE.to_owned()));
    let address = device.address.to_string();
    if device.driver == before.driver {
        if device.driver_override == before.driver_override {
            return Ok(Vec::new());
        }
        let state = State::Drifted {
            actual: device.driver_override.clone(),
            desired: before.driver_override.clone(),
            remedy: Remedy::Steps(vec![restore]),
        };
        return Ok(vec![Setting::runtime(About::Attribute(attribute), Disruption::None, state)]);
    }
    let mut steps = Vec::new();
    if let Some(driver) = &before.driver {
        if !pci_bus::drivers(host)?.contains(driver) {
            steps.push(Step::Run { argv: vec!["modprobe".to_owned(), driver.clone()] });
        }
        steps.push(write(attribute, driver.clone()));
    }
    if device.driver.is_some() {
        steps.push(write(directory.join("driver").join("unbind"), address.clone()));
    }
    if before.driver.is_some() {
        steps.push(write(Path::new(pci_bus::DRIVERS_PROBE).to_owned(), address));
    }
    steps.push(restore);
    let disruption = if device.interfaces.is_empty() { Disruption::Device } else { Disruption::Network };
    let state = State::Drifted {
        actual: device.driver.clone(),
        desired: before.driver.clone(),
        remedy: Remedy::Steps(steps),
    };
    Ok(vec![Setting::runtime(About::Driver(device.address), disruption, state)])
}

fn drifted(actual: String, desired: String, remedy: Remedy) -> State {
    State::Drifted { actual: Some(actual), desired: Some(desired), remedy }
}
