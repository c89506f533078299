//! A device that is bound to a driver no more: its rules go, and it is given back to the driver that it would have.

use std::path::Path;

use hoststate_abi::about::About;
use hoststate_abi::setting::{Disruption, Remedy, Setting, State};
use hoststate_abi::step::Step;

use super::{DriverBinding, RULES};
use crate::error::Result;
use crate::language::resource::{Context, ResourceType};
use crate::language::selector::Found;
use crate::machine::pci_bus::{self, PciDevice};
use crate::resources::modprobe_removal::copies_of;
use crate::resources::pci_rules::PciRules;

impl DriverBinding {
    /// Compares the rules, their copies in images and the device now with none of what a binding sets. Whoever gave the
    /// device to a driver in another way, by its id, takes it back in that way.
    pub(super) fn gone(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let (address, device) = match self.device.resolve(cx.host)? {
            Found::Device(device) => (device.address, Some(device)),
            Found::Absent(address) => (address, None),
        };
        let file = Path::new(RULES);
        let rules = PciRules {
            file,
            owner: Self::NAME,
            address,
            device: device.as_deref(),
            selector: &self.device,
            rules: Vec::new(),
        };
        let mut settings = vec![rules.setting(cx.host)?];
        copies_of(cx, [file.to_owned()], &mut settings)?;
        if let Some(device) = &device {
            settings.push(self.given_back(cx, device)?);
        }
        Ok(settings)
    }

    /// The device leaves the driver first: as long as it has the override, who is stopped in between sees that it is not
    /// given back yet.
    fn given_back(&self, cx: Context<'_>, device: &PciDevice) -> Result<Setting> {
        let PciDevice { address, .. } = *device;
        let directory = pci_bus::directory(address);
        let registered = pci_bus::drivers(cx.host)?;
        let driver = self.driver.spelled_by_kernel(&registered);
        let disruption = if device.interfaces.is_empty() { Disruption::Device } else { Disruption::Network };
        let set = |state| Setting::runtime(About::Driver(address), disruption, state);
        if device.driver_override.as_deref() != Some(driver) {
            return Ok(set(State::Converged));
        }
        let write = |path, value: &str| Step::WriteAttribute { path, value: value.to_owned() };
        let clear = write(directory.join("driver_override"), pci_bus::NO_OVERRIDE);
        if device.driver.as_deref().is_some_and(|it| it != driver) {
            let about = About::Attribute(directory.join("driver_override"));
            let remedy = Remedy::Steps(vec![clear]);
            let state = State::Drifted { actual: Some(driver.to_owned()), desired: None, remedy };
            return Ok(Setting::runtime(about, Disruption::None, state));
        }
        let own = pci_bus::own_driver(cx.host, device)?;
        let mut steps = Vec::new();
        // The bus asks the registered drivers only (drivers/base/bus.c).
        if let Some(own) = own.as_ref().filter(|it| !registered.contains(it)) {
            steps.push(Step::Run { argv: vec!["modprobe".to_owned(), own.clone()] });
        }
        if device.driver.is_some() {
            steps.push(write(directory.join("driver").join("unbind"), &address.to_string()));
        }
        steps.push(clear);
        steps.push(write(Path::new(pci_bus::DRIVERS_PROBE).to_owned(), &address.to_string()));
        let remedy = Remedy::Steps(steps);
        Ok(set(State::Drifted { actual: Some(driver.to_owned()), desired: own, remedy }))
    }
}
