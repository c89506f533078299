//! `driver_binding`: the driver a PCI device is bound to, now and after every boot.

use std::path::Path;

use hoststate_abi::about::About;
use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;
use hoststate_abi::setting::{Disruption, Remedy, Setting, State};
use hoststate_abi::step::Step;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::formats::modprobe_conf::ModuleName;
use crate::formats::udev_rules::boot_command::Wanted;
use crate::language::contradiction::{Claim, Governed};
use crate::language::resource::{Context, Resource, ResourceType};
use crate::language::selector::{DeviceSelector, Found};
use crate::machine::facts;
use crate::machine::identity::Meant;
use crate::machine::modprobe_d;
use crate::machine::own_program;
use crate::machine::pci_bus::denylist::{self, Denial};
use crate::machine::pci_bus::driver_name;
use crate::machine::pci_bus::{self, DriverName, PciDevice};
use crate::machine::pci_names::Names;
use crate::resources::modprobe_file;
use crate::resources::pci_rules::{self, PciRules};

mod absent;
mod iommu;

/// The rules of all devices. `70` is before `80-drivers.rules`, which loads the device's own driver.
const RULES: &str = "/etc/udev/rules.d/70-hoststate-driver.rules";

/// The driver a PCI device is bound to, now and after every boot.
///
/// Other devices with the same ids keep their drivers: the device is known by its address, and at boot also by what it
/// is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DriverBinding {
    /// The device: an address such as `0000:01:00.0`, or a description of exactly one device.
    device: DeviceSelector,
    /// The driver, such as `vfio-pci`.
    driver: DriverName,
}

impl ResourceType for DriverBinding {
    const NAME: &'static str = "driver_binding";

    fn default_name(&self) -> String {
        self.device.to_string()
    }

    fn validate(&self) -> Result<()> {
        if driver_name::takes_interface(self.driver.as_str()) && self.device.needs_interface() {
            let what = format!(
                "a device bound to {} has no network interface, so it could not be found again by {}",
                self.driver, self.device
            );
            return Err(Error::invalid(what, "Select it by address, ids, serial or slot."));
        }
        Ok(())
    }

    fn absent(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        self.gone(cx)
    }
}

impl Resource for DriverBinding {
    fn claims(&self) -> Vec<Claim> {
        let driver = self.driver.to_string().replace('_', "-");
        let iommu = (driver == "vfio-pci").then(Claim::iommu_for_vfio);
        iommu.into_iter().chain([Claim::exactly(Governed::Driver(self.device.clone()), driver)]).collect()
    }

    fn device(&self) -> Option<&DeviceSelector> {
        Some(&self.device)
    }

    fn meant(&self, host: &HostView, address: PciAddress) -> Result<Option<Meant>> {
        pci_rules::meant(host, Path::new(RULES), Self::NAME, &self.device, address)
    }

    fn driver(&self) -> Option<&DriverName> {
        Some(&self.driver)
    }

    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let registered = pci_bus::drivers(cx.host)?;
        let driver = self.driver.spelled_by_kernel(&registered);
        let (address, device) = match self.device.resolve(cx.host)? {
            Found::Device(device) => (device.address, Some(device)),
            Found::Absent(address) => (address, None),
        };
        if let Some(device) = &device {
            self.refuse_bridge(cx.host, device)?;
        }
        let mut settings = vec![self.after_boot(cx.host, address, device.as_deref(), driver)?];
        match &device {
            Some(device) => {
                let is_registered = registered.iter().any(|it| it == driver);
                settings.extend(self.now(cx, device, driver, is_registered)?);
            }
            None if pci_bus::is_visible(cx.host)? => {
                // What keeps a function to come from the driver is known before it comes.
                let state = match self.foretold(cx, address)? {
                    Some(reason) => {
                        State::Blocked { actual: None, desired: Some(driver.to_owned()), by: None, reason }
                    }
                    None => State::Deferred { reason: format!("there is no PCI device at {address}") },
                };
                settings.push(Setting::runtime(About::Driver(address), Disruption::None, state));
            }
            None => {}
        }
        Ok(settings)
    }
}

impl DriverBinding {
    /// Returns why no device can have the driver until more is declared, whatever it will be.
    fn foretold(&self, cx: Context<'_>, address: PciAddress) -> Result<Option<String>> {
        if !self.driver.needs_iommu_group() || facts::iommu(cx.host)?.is_none_or(|it| it.active) {
            return Ok(None);
        }
        Ok(match iommu::why_no_group(cx, address)? {
            iommu::NoGroup::Forever(reason) => Some(reason),
            iommu::NoGroup::UntilBoot | iommu::NoGroup::Unneeded => None,
        })
    }

    fn refuse_bridge(&self, host: &HostView, device: &PciDevice) -> Result<()> {
        if self.driver.needs_iommu_group() && device.has_bridge_header(host)? {
            let name = Names::read(host).aside(device.id);
            let what =
                format!("{}{name} is a bridge, and {} does not take bridges", device.address, self.driver);
            let hint = "A guest gets the devices behind a bridge; the bridge stays with the host.";
            return Err(Error::invalid(what, hint));
        }
        Ok(())
    }

    fn now(
        &self,
        cx: Context<'_>,
        device: &PciDevice,
        driver: &str,
        is_registered: bool,
    ) -> Result<Vec<Setting>> {
        let address = device.address;
        let directory = pci_bus::directory(address);
        let disruption = if device.interfaces.is_empty() { Disruption::Device } else { Disruption::Network };
        let is_bound = device.driver.as_deref() == Some(driver);
        let bound = |state| Setting::runtime(About::Driver(address), disruption, state);
        let (actual, desired) = (device.driver.clone(), Some(driver.to_owned()));
        let until_boot = |actual, desired| {
            let remedy = Remedy::Activation(Activation::Reboot);
            let state = State::Drifted { actual, desired, remedy };
            vec![Setting::runtime(About::Driver(address), Disruption::Reboot, state)]
        };
        let blocked =
            |actual, desired, reason| vec![bound(State::Blocked { actual, desired, by: None, reason })];
        if !is_bound && driver == "vfio-pci" {
            match denylist::denial(cx.host, &|| cx.future(), device)? {
                Denial::None => {}
                Denial::UntilBoot => return Ok(until_boot(actual, desired)),
                Denial::Refused => return Ok(blocked(actual, desired, denylist::refusal(device))),
            }
        }
        if !is_bound && self.driver.needs_iommu_group() && device.iommu_group.is_none() {
            match iommu::why_no_group(cx, address)? {
                iommu::NoGroup::Unneeded => {}
                iommu::NoGroup::UntilBoot => return Ok(until_boot(actual, desired)),
                iommu::NoGroup::Forever(reason) => return Ok(blocked(actual, desired, reason)),
            }
        }
        if !cx.host.exists(&directory.join("driver_override"))? {
            let what = format!("{address} has no driver_override, so it cannot be given to one driver");
            return Err(Error::invalid(what, "It exists since Linux 3.16; boot a newer kernel."));
        }
        let install = match ModuleName::parse(driver) {
            Ok(module) if !is_registered => {
                modprobe_d::view(cx.host)?.never_loaded(&module).map(|it| (module, it))
            }
            _ => None,
        };
        if let Some((module, install)) = install {
            return Ok(vec![bound(modprobe_file::never_loaded(&module, &install, driver))]);
        }
        // The bus asks the registered drivers only, so the driver is loaded before anything is taken away
        // (drivers/base/bus.c). The attribute alone moves nothing: the device leaves its driver, then is probed.
        let mut load =
            (!is_registered).then(|| Step::Run { argv: ["modprobe", driver].map(str::to_owned).to_vec() });
        let attribute = directory.join("driver_override");
        let overridden = if device.driver_override.as_deref() == Some(driver) {
            State::Converged
        } else {
            let write = Step::WriteAttribute { path: attribute.clone(), value: driver.to_owned() };
            let steps = load.take().into_iter().chain([write]).collect();
            let actual = device.driver_override.clone();
            State::Drifted { actual, desired: desired.clone(), remedy: Remedy::Steps(steps) }
        };
        let state = if is_bound {
            State::Converged
        } else {
            let write = |path| Step::WriteAttribute { path, value: address.to_string() };
            let mut steps: Vec<Step> = load.into_iter().collect();
            if device.driver.is_some() {
                steps.push(write(directory.join("driver").join("unbind")));
            }
            steps.push(write(Path::new(pci_bus::DRIVERS_PROBE).to_owned()));
            State::Drifted { actual, desired, remedy: Remedy::Steps(steps) }
        };
        let overridden = Setting::runtime(
            About::Attribute(pci_bus::directory(address).join("driver_override")),
            Disruption::None,
            overridden,
        );
        Ok(vec![overridden, bound(state)])
    }

    /// The udev rule that binds the device at boot and when it is plugged in. It compares who the device is: what else sits
    /// at the address by then, because a card was put in or the firmware numbers anew, is left alone.
    ///
    /// The rule sets the override while udev works on the event, before any `RUN` (udev(7)): so the module that
    /// `80-drivers.rules` loads for the device's own ids does not get it. It then loads the driver by the built-in kmod,
    /// which needs no program and does nothing for a loaded or built-in module.
    ///
    /// That suffices for a device without a driver whose new driver was not loaded. A device that the initramfs or a
    /// built-in driver holds has to leave it, a driver that is loaded already looks at it only when the bus probes again,
    /// and one that the driver does not take goes back to its own: that, and what a serial number tells, is for
    /// hoststate. An image has no hoststate, and need not: the device is on no other driver when the root's udev sees
    /// it. A driver of the host's own is given by hoststate alone, where that is there: it is no harm if the image's comes
    /// first, and a network card without a driver would be.
    fn after_boot(
        &self,
        host: &HostView,
        address: PciAddress,
        device: Option<&PciDevice>,
        driver: &str,
    ) -> Result<Setting> {
        let who = pci_rules::who(host, address, device, &self.device)?.of_device();
        let program = own_program::path(host)?;
        let program = program.display();
        let needs_program = match driver_name::is_for_guests(driver) {
            true => String::new(),
            false => format!(", TEST==\"{program}\""),
        };
        let command = pci_rules::command(
            host,
            (Path::new(RULES), Self::NAME),
            (address, device),
            Wanted::Driver(driver.to_owned()),
        )?;
        let rules = vec![format!(
            "ACTION==\"add\", SUBSYSTEM==\"pci\", KERNEL==\"{address}\"{who}{needs_program}, \
             ATTR{{driver_override}}=\"{driver}\", RUN{{builtin}}+=\"kmod load {driver}\", RUN+=\"{program} {command}\""
        )];
        let (file, owner, selector) = (Path::new(RULES), Self::NAME, &self.device);
        PciRules { file, owner, address, device, selector, rules }.setting(host)
    }
}
