//! What a boot rule has hoststate do with a device: bind it to a driver, or make its virtual functions.
//!
//! udev compared what the device is and where; its numbers are compared here. What was not meant is left alone.

use std::path::{Path, PathBuf};

use hoststate_abi::pci_address::PciAddress;
use hoststate_abi::step::Step;

use crate::error::{Error, Result};
use crate::formats::udev_rules::boot_command::{BootCommand, Wanted};
use crate::host::Host;
use crate::machine::identity::at_boot::stranger;
use crate::machine::pci_bus::driver_name::is_for_guests;
use crate::machine::pci_bus::{self, NO_OVERRIDE, PciDevice};

/// Does what a command says, where the device is the one that is meant and is not as wanted yet. Returns what a person
/// wants to find in the log: why it was not done. A repeated event disturbs no guest.
///
/// # Errors
/// When the device cannot be read. That the kernel refuses a write is no error: what came of it is.
pub fn carry_out(command: &BootCommand, host: &dyn Host) -> Result<Option<String>> {
    let Some(device) = find(host, command.address)? else { return Ok(None) };
    let stranger = stranger(command, &device, &host.view())?;
    let at = At { host, address: command.address };
    match &command.wanted {
        Wanted::Driver(driver) => at.bind(&device, driver, stranger),
        Wanted::Functions { numvfs, autoprobe } => match stranger {
            Some(why) => Ok(Some(format!("{why}: no virtual functions are made of it"))),
            None => at.make_functions(&device, *numvfs, *autoprobe),
        },
    }
}

fn find(host: &dyn Host, address: PciAddress) -> Result<Option<PciDevice>> {
    pci_bus::device(&host.view(), address)
}

/// A device of a host.
struct At<'a> {
    host: &'a dyn Host,
    address: PciAddress,
}

impl At<'_> {
    /// Moves the device to the driver that the rule's override names. One that the driver does not take goes back to its
    /// own: without a driver a network card would be lost with the host behind it.
    fn bind(&self, device: &PciDevice, driver: &str, stranger: Option<String>) -> Result<Option<String>> {
        if let Some(why) = stranger {
            // The rule set the override before anybody looked at the number.
            return self.give_back(device, driver, &why);
        }
        if device.driver.as_deref() == Some(driver) {
            return Ok(None);
        }
        if !pci_bus::drivers(&self.host.view())?.iter().any(|it| it == driver) {
            return self.give_back(device, driver, &format!("{driver} is not loaded"));
        }
        if device.driver_override.as_deref() != Some(driver) {
            self.write(self.attribute("driver_override"), driver);
        }
        self.leave(device);
        let refused = self.probe();
        if find(self.host, self.address)?.is_some_and(|it| it.driver.is_some()) {
            return Ok(None);
        }
        let why = match refused {
            Some(why) => format!("{driver} does not take it ({why})"),
            None => format!("{driver} does not take it"),
        };
        self.give_back(&PciDevice { driver: None, ..device.clone() }, driver, &why)
    }

    /// Undoes what the rule did: the device loses the override, and the driver if it has it by that.
    fn give_back(&self, device: &PciDevice, driver: &str, why: &str) -> Result<Option<String>> {
        let is_bound = device.driver.as_deref() == Some(driver);
        if is_bound {
            self.leave(device);
        }
        self.write(self.attribute("driver_override"), NO_OVERRIDE);
        if is_bound || device.driver.is_none() {
            self.probe();
        }
        let now = find(self.host, self.address)?.and_then(|it| it.driver);
        let now = now.map_or("left to its own driver".to_owned(), |it| format!("on {it}"));
        Ok(Some(format!("{why}: it is {now}")))
    }

    fn make_functions(
        &self,
        device: &PciDevice,
        wanted: u16,
        autoprobe: Option<bool>,
    ) -> Result<Option<String>> {
        // Only its own driver can make them (drivers/pci/iov.c); without one a later event comes.
        let Some(driver) = device.driver.as_deref() else { return Ok(None) };
        let Some(sriov) = device.sriov else {
            return Ok(Some("it offers no virtual functions".to_owned()));
        };
        if is_for_guests(driver) {
            return Ok(Some(format!("{driver} has it, and makes no virtual functions")));
        }
        if let Some(wanted) = autoprobe.filter(|it| sriov.autoprobe != Some(*it)) {
            let attribute = self.attribute("sriov_drivers_autoprobe");
            if let Some(why) = self.write(attribute, &u8::from(wanted).to_string()) {
                return Ok(Some(format!("sriov_drivers_autoprobe cannot be set ({why})")));
            }
        }
        match sriov.numvfs {
            is if is == wanted => Ok(None),
            // The kernel goes from one number to another by 0 only, and a guest may have one of them.
            is if is != 0 && wanted != 0 => {
                Ok(Some(format!("it has {is} virtual functions already, so it does not get {wanted}")))
            }
            _ => {
                let refused = self.write(self.attribute("sriov_numvfs"), &wanted.to_string());
                let made = find(self.host, self.address)?.and_then(|it| it.sriov).map(|it| it.numvfs);
                Ok(match refused {
                    Some(why) => Some(format!("{driver} does not make {wanted} virtual functions ({why})")),
                    // Some drivers do nothing while the interface is down, and say nothing.
                    None if made != Some(wanted) => {
                        Some(format!("{driver} made {} of {wanted} virtual functions", made.unwrap_or(0)))
                    }
                    None => None,
                })
            }
        }
    }

    fn leave(&self, device: &PciDevice) {
        if device.driver.is_some() {
            self.write(self.attribute("driver").join("unbind"), &self.address.to_string());
        }
    }

    fn probe(&self) -> Option<String> {
        self.write(PathBuf::from(pci_bus::DRIVERS_PROBE), &self.address.to_string())
    }

    fn attribute(&self, name: &str) -> PathBuf {
        pci_bus::directory(self.address).join(Path::new(name))
    }

    /// Returns why the kernel refused.
    fn write(&self, path: PathBuf, value: &str) -> Option<String> {
        let step = Step::WriteAttribute { path, value: value.to_owned() };
        match self.host.perform(&step) {
            Ok(_) => None,
            Err(Error::Attribute { why, .. }) => Some(why),
            Err(err) => Some(err.to_string()),
        }
    }
}
