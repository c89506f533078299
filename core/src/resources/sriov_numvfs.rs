//! `sriov_numvfs`: the virtual functions of a physical function, now and after every boot.

use std::path::Path;

use hoststate_abi::about::About;
use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;
use hoststate_abi::setting::{Disruption, Remedy, Setting, State};
use hoststate_abi::step::Step;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::formats::udev_rules::boot_command::Wanted;
use crate::language::contradiction::{Claim, Governed};
use crate::language::resource::{Context, Resource, ResourceType};
use crate::language::selector::{DeviceSelector, Found};
use crate::machine::identity::Meant;
use crate::machine::kernels;
use crate::machine::own_program;
use crate::machine::pci_bus::{self, DriverName, PciDevice, Sriov};
use crate::machine::pci_names::Names;
use crate::resources::modprobe_removal::copies_of;
use crate::resources::pci_rules::{self, PciRules};

/// The rules of all physical functions. Before `80-drivers.rules` only by habit: the rules below wait for a driver.
const RULES: &str = "/etc/udev/rules.d/70-hoststate-sriov.rules";

/// Virtual functions of an SR-IOV device, now and after every boot.
///
/// Setting another number while there are functions removes all of them first: the kernel knows no other way.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SriovNumvfs {
    /// The physical function: an address such as `0000:3b:00.0`, or a description of exactly one device.
    device: DeviceSelector,
    /// Number of virtual functions; 0 removes them. At most the device's `sriov_totalvfs`.
    #[schemars(extend("examples" = [4]))]
    numvfs: u16,
    /// Whether the host's drivers take new virtual functions. `false` leaves them free, for guests. If not given,
    /// the kernel's setting stays: it is on after a boot.
    #[serde(default)]
    autoprobe: Option<bool>,
}

impl ResourceType for SriovNumvfs {
    const NAME: &'static str = "sriov_numvfs";

    fn default_name(&self) -> String {
        self.device.to_string()
    }

    fn absent(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
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
        if let Some((device, sriov)) = device.as_ref().and_then(|it| Some((it, it.sriov?))) {
            let none =
                Self { device: self.device.clone(), numvfs: 0, autoprobe: self.autoprobe.map(|_| true) };
            settings.extend(none.now(device, sriov)?);
        }
        Ok(settings)
    }
}

impl Resource for SriovNumvfs {
    fn claims(&self) -> Vec<Claim> {
        let of_autoprobe =
            |it: bool| Claim::exactly(Governed::Autoprobe(self.device.clone()), it.to_string());
        let autoprobe = self.autoprobe.map(of_autoprobe);
        let numvfs = Claim::exactly(Governed::NumVfs(self.device.clone()), self.numvfs.to_string());
        autoprobe.into_iter().chain([numvfs]).collect()
    }

    fn device(&self) -> Option<&DeviceSelector> {
        Some(&self.device)
    }

    fn meant(&self, host: &HostView, address: PciAddress) -> Result<Option<Meant>> {
        pci_rules::meant(host, Path::new(RULES), Self::NAME, &self.device, address)
    }

    fn virtual_functions(&self) -> Option<u16> {
        Some(self.numvfs)
    }

    fn inspect(&self, cx: Context<'_>) -> Result<Vec<Setting>> {
        let (address, device) = match self.device.resolve(cx.host)? {
            Found::Device(device) => (device.address, Some(device)),
            Found::Absent(address) => (address, None),
        };
        let mut settings = Vec::new();
        match &device {
            Some(device) => {
                let sriov = self.physical_function(cx.host, device)?;
                settings.push(self.after_boot(cx.host, address, Some(device.as_ref()))?);
                settings.extend(self.now(device, sriov)?);
            }
            // A planner lets a device be absent only where nothing is known of devices: in a tree without `/sys`.
            None => settings.push(self.after_boot(cx.host, address, None)?),
        }
        Ok(settings)
    }
}

impl SriovNumvfs {
    /// Returns the counts of the device, if it can have as many functions as wanted.
    fn physical_function(&self, host: &HostView, device: &PciDevice) -> Result<Sriov> {
        let wanted = self.numvfs;
        let name = || format!("{}{}", device.address, Names::read(host).aside(device.id));
        match (device.sriov, device.physfn) {
            (Some(sriov), _) if wanted <= sriov.totalvfs => Ok(sriov),
            (Some(Sriov { totalvfs, .. }), _) => {
                let what =
                    format!("{} offers {totalvfs} virtual functions, the playbook wants {wanted}", name());
                let hint = format!(
                    "Lower `numvfs` to {totalvfs}, or raise the limit in the device firmware (sriov_totalvfs is \
                     set there)."
                );
                Err(Error::invalid(what, hint))
            }
            (None, Some(physfn)) => {
                let what = format!("{} is a virtual function of {physfn} and has none of its own", name());
                Err(Error::invalid(what, format!("Give `device = \"{physfn}\"`.")))
            }
            (None, None) if is_before_sriov_numvfs(host)? => {
                let what = format!(
                    "{} has no sriov_numvfs, because the running kernel is older than Linux 3.8, the \
                     first that has it",
                    name()
                );
                let module = device.driver.as_deref().unwrap_or("igb");
                let hint = format!(
                    "igb and ixgbe make virtual functions by a parameter there: `modprobe_options {{ module = \
                     \"{module}\", options = {{ max_vfs = \"{wanted}\" }} }}`."
                );
                Err(Error::invalid(what, hint))
            }
            (None, None) => {
                let what = format!("{} offers no virtual functions: it has no sriov_totalvfs", name());
                let hint = "Enable SR-IOV in the firmware of the host and of the device; some devices need \
                            their vendor's tool for that (Mellanox: mstconfig set SRIOV_EN=1).";
                Err(Error::invalid(what, hint))
            }
        }
    }

    /// The udev rule that has hoststate make the functions at boot and when the device is plugged in.
    ///
    /// The attribute works only while a driver is bound (drivers/pci/iov.c), and three events may be the first one
    /// after that:
    /// - `add` with a driver: systemd-udev-trigger repeats `add` for what the initramfs has bound already, and no
    ///   `bind` (systemd/systemd#14593);
    /// - `bind`, from Linux 4.14 on (kernel commit 1455cf8dbfd0), for a driver that udevd loads;
    /// - `add` of the network interface, for older kernels (EL 6 and 7). `KERNELS` finds the function above it, or itself.
    ///
    /// All three want the same number, and hoststate does nothing once it is reached. The write waits for a probe under way,
    /// as both take the device's lock. udevd sees a changed file by itself (udev(7)), and ends what takes longer than
    /// 180 s.
    ///
    /// It compares who the device is: what else sits at the address by then is left alone. An image has no hoststate, so the
    /// functions are made when the root's udev sees the device.
    fn after_boot(
        &self,
        host: &HostView,
        address: PciAddress,
        device: Option<&PciDevice>,
    ) -> Result<Setting> {
        let who = pci_rules::who(host, address, device, &self.device)?.of_device_and_interfaces();
        let program = own_program::path(host)?;
        let wanted = Wanted::Functions { numvfs: self.numvfs, autoprobe: self.autoprobe };
        let command = pci_rules::command(host, (Path::new(RULES), Self::NAME), (address, device), wanted)?;
        let rules = vec![format!(
            "ACTION==\"add|bind\", SUBSYSTEM==\"pci|net\", KERNELS==\"{address}\"{who}, DRIVERS==\"?*\", \
             RUN+=\"{} {command}\"",
            program.display()
        )];
        let (file, owner, selector) = (Path::new(RULES), Self::NAME, &self.device);
        PciRules { file, owner, address, device, selector, rules }.setting(host)
    }

    fn now(&self, device: &PciDevice, sriov: Sriov) -> Result<Vec<Setting>> {
        let mut settings = Vec::new();
        if let Some(wanted) = self.autoprobe {
            settings.push(autoprobe(device, sriov, wanted)?);
        }
        let disruption = if device.interfaces.is_empty() { Disruption::Device } else { Disruption::Network };
        let about = attribute(device.address, "sriov_numvfs");
        settings.push(Setting::runtime(about, disruption, self.numvfs(device, sriov)?));
        Ok(settings)
    }

    fn numvfs(&self, device: &PciDevice, sriov: Sriov) -> Result<State> {
        if sriov.numvfs == self.numvfs {
            return Ok(State::Converged);
        }
        let (actual, desired) = (Some(sriov.numvfs.to_string()), Some(self.numvfs.to_string()));
        let address = device.address;
        let blocked = |reason: String| {
            Ok(State::Blocked { actual: actual.clone(), desired: desired.clone(), by: None, reason })
        };
        match &device.driver {
            None => blocked(format!(
                "{address} has no driver, and only its own driver can make virtual functions; load that driver"
            )),
            Some(driver) if is_for_guests(driver) => blocked(format!(
                "{address} is bound to {driver}, and only its own driver can make virtual functions; bind it to \
                 that driver"
            )),
            Some(_) => {
                let path = || pci_bus::directory(address).join("sriov_numvfs");
                let mut steps = Vec::new();
                // From one count to another the kernel answers EBUSY (drivers/pci/iov.c, sriov_numvfs_store).
                if sriov.numvfs != 0 && self.numvfs != 0 {
                    steps.push(Step::WriteAttribute { path: path(), value: "0".to_owned() });
                }
                steps.push(Step::WriteAttribute { path: path(), value: self.numvfs.to_string() });
                Ok(State::Drifted { actual, desired, remedy: Remedy::Steps(steps) })
            }
        }
    }
}

/// vfio-pci refuses the write unless it was loaded with `enable_sriov`; pci-stub knows no virtual functions.
fn is_for_guests(driver: &str) -> bool {
    let name = DriverName::try_from(driver.to_owned());
    driver == "pci-stub" || name.is_ok_and(|it| it.needs_iommu_group())
}

fn is_before_sriov_numvfs(host: &HostView) -> Result<bool> {
    Ok(kernels::running(host)?.is_some_and(|it| kernels::is_older(&it, (3, 8))))
}

fn autoprobe(device: &PciDevice, sriov: Sriov, wanted: bool) -> Result<Setting> {
    let about = attribute(device.address, "sriov_drivers_autoprobe");
    let number = |is_on: bool| u8::from(is_on).to_string();
    let state = match sriov.autoprobe {
        Some(actual) if actual == wanted => State::Converged,
        // Kernels without the attribute always probe.
        None if wanted => State::Converged,
        None => {
            let what = format!(
                "{} has no sriov_drivers_autoprobe, so `autoprobe = false` is not possible",
                device.address
            );
            return Err(Error::invalid(what, "It exists since Linux 4.12. Leave `autoprobe` out."));
        }
        Some(actual) => {
            let path = pci_bus::directory(device.address).join("sriov_drivers_autoprobe");
            let steps = vec![Step::WriteAttribute { path, value: number(wanted) }];
            let remedy = Remedy::Steps(steps);
            State::Drifted { actual: Some(number(actual)), desired: Some(number(wanted)), remedy }
        }
    };
    Ok(Setting::runtime(about, Disruption::None, state))
}

fn attribute(address: PciAddress, name: &str) -> About {
    About::Attribute(pci_bus::directory(address).join(name))
}
