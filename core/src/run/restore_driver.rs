//! Gives a device back to the driver it had, when the one it should get does not take it.

use std::path::PathBuf;

use hoststate_abi::about::About;
use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;
use hoststate_abi::step::Step;

use crate::error::{Error, Result};
use crate::machine::pci_bus;
use crate::plan::planned::{Change, Plan};

/// A device that a run left without a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driverless {
    /// Its address.
    pub address: PciAddress,
    /// The driver it had.
    pub had: String,
    /// What gives it back.
    pub steps: Vec<Step>,
}

/// Returns the devices that had a driver when `plan` was made, should get another by it, and have none now.
///
/// # Errors
/// When the host cannot be read.
pub fn driverless(plan: &Plan, host: &HostView) -> Result<Vec<Driverless>> {
    let mut found = Vec::new();
    for change in plan.changes.iter().filter(|it| !it.steps.is_empty()) {
        let (Some(address), Some(had), Some(wanted)) = (driver_of(change), &change.actual, &change.desired)
        else {
            continue;
        };
        let device = pci_bus::device(host, address)?;
        if device.is_none_or(|it| it.driver.is_some()) {
            continue;
        }
        let attribute = pci_bus::directory(address).join("driver_override");
        let old = plan.changes.iter().find(|it| it.about == About::Attribute(attribute.clone()));
        let mut steps = Vec::new();
        // Without such a change the override is what it was, and names the driver that does not take the device.
        let before = old.and_then(|it| it.actual.clone()).filter(|it| it != wanted);
        let value = before.unwrap_or_else(|| pci_bus::NO_OVERRIDE.to_owned());
        steps.push(Step::WriteAttribute { path: attribute, value });
        let probe = PathBuf::from(pci_bus::DRIVERS_PROBE);
        steps.push(Step::WriteAttribute { path: probe, value: address.to_string() });
        found.push(Driverless { address, had: had.clone(), steps });
    }
    Ok(found)
}

impl Driverless {
    /// Returns whether a write that the kernel has not answered is what takes it away. Its driver has it until then,
    /// and sysfs does not show that any more (drivers/base/dd.c, `__device_release_driver`).
    pub fn is_being_taken(&self, failure: &Error) -> bool {
        let Error::Unanswered { path, value, .. } = failure else { return false };
        let names = path.iter().filter_map(|it| it.to_str()).chain([value.trim()]);
        names.filter_map(|it| it.parse().ok()).any(|it: PciAddress| it == self.address)
    }

    /// Says how it is with one that is being taken.
    pub fn in_between(&self) -> String {
        let Self { address, had, .. } = self;
        format!(
            "{address} is between drivers until that write ends: {had} has not let it go. Run again then."
        )
    }

    /// Says what became of it, with the driver it has now.
    pub fn outcome(&self, now: Option<&str>) -> String {
        let Self { address, had, .. } = self;
        match now {
            Some(now) if now == had => format!("{address} was given back to {had}."),
            Some(now) => format!("{address} had {had} and is on {now} now."),
            None => format!(
                "{address} has no driver now: {had} did not take it back. `echo {address} > \
                 /sys/bus/pci/drivers/{had}/bind` shows why."
            ),
        }
    }
}

/// Returns what to do about a device that is without a driver although every step succeeded: the bus reports no failed
/// probe to who asked for it, only the kernel's log has it (drivers/base/dd.c, `really_probe`).
pub fn hint(change: &Change) -> Option<String> {
    let address = driver_of(change).filter(|_| change.actual.is_none())?;
    let wanted = change.desired.as_deref()?;
    Some(format!("{wanted} does not take {address}; `dmesg | grep {address}` shows why."))
}

/// The device whose driver now a setting is.
fn driver_of(change: &Change) -> Option<PciAddress> {
    match change.about {
        About::Driver(device) => Some(device),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::Driverless;
    use crate::error::Error;

    #[test]
    fn only_an_unanswered_write_about_a_device_is_what_takes_it() {
        let address = "0000:01:00.0".parse().unwrap();
        let it = Driverless { address, had: "vfio-pci".to_owned(), steps: Vec::new() };
        let unanswered = |path: &str, value: &str| Error::Unanswered {
            path: PathBuf::from(path),
            value: value.to_owned(),
            limit: Duration::from_secs(120),
            hint: String::new(),
        };
        let unbind = "/sys/bus/pci/drivers/vfio-pci/unbind";
        assert!(it.is_being_taken(&unanswered(unbind, "0000:01:00.0\n")));
        assert!(it.is_being_taken(&unanswered("/sys/bus/pci/devices/0000:01:00.0/remove", "1")));
        assert!(!it.is_being_taken(&unanswered(unbind, "0000:02:00.0")));
        let refused = Error::Attribute {
            path: unbind.into(),
            value: "0000:01:00.0".to_owned(),
            why: "Device or resource busy".to_owned(),
            hint: None,
        };
        assert!(!it.is_being_taken(&refused));
    }
}
