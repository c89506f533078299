//! `sriov_numvfs`: the virtual functions of a physical function, now and after every boot.

use std::path::Path;

use hoststate_abi::about::About;
use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;
use hoststate_abi::setting::Setting;
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
use crate::machine::pci_bus::makers::{self, Way};
use crate::machine::pci_bus::{self, PciDevice, Sriov};
use crate::machine::pci_names::Names;
use crate::resources::modprobe_removal::copies_of;
use crate::resources::pci_rules::{self, PciRules};

mod by_parameter;
pub(crate) mod now;

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
        if let Some((device, sriov)) = device.as_ref().and_then(|it| Some((it, it.sriov?)))
            && by_parameter::name(cx.host, device)?.is_none()
        {
            let none =
                Self { device: self.device.clone(), numvfs: 0, autoprobe: self.autoprobe.map(|_| true) };
            settings.extend(none.now(cx, device, sriov)?);
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
            Some(device) => match by_parameter::name(cx.host, device)? {
                Some(name) => {
                    settings.push(self.without_rules(cx.host, device)?);
                    settings.push(by_parameter::setting(cx.host, device, name, self.numvfs)?);
                }
                None => {
                    let sriov = self.physical_function(cx.host, device)?;
                    settings.push(self.after_boot(cx.host, address, Some(device.as_ref()))?);
                    settings.extend(self.now(cx, device, sriov)?);
                }
            },
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
            // What a driver may make by its own parameter is the limit that the kernel shows.
            (Some(sriov), _) if makers::limit(host, device)?.is_some_and(|it| it.allows(wanted)) => Ok(sriov),
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
    ///
    /// A driver that makes functions only while its interface is up gets a rule of the interface, with a command that brings
    /// it up first; the name may have changed by then.
    fn after_boot(
        &self,
        host: &HostView,
        address: PciAddress,
        device: Option<&PciDevice>,
    ) -> Result<Setting> {
        let (file, owner, selector) = (Path::new(RULES), Self::NAME, &self.device);
        let who = pci_rules::who(host, address, device, &self.device)?.of_device_and_interfaces();
        let way = device.map(|it| makers::way(host, it)).transpose()?;
        if way == Some(Way::SysfsWhileUp) {
            let rules = vec![format!(
                "ACTION==\"add\", SUBSYSTEM==\"net\", KERNELS==\"{address}\"{who}, {}",
                self.command(address)
            )];
            return PciRules { file, owner, address, device, selector, rules }.setting(host);
        }
        let program = own_program::path(host)?;
        let wanted = Wanted::Functions { numvfs: self.numvfs, autoprobe: self.autoprobe };
        let command = pci_rules::command(host, (Path::new(RULES), Self::NAME), (address, device), wanted)?;
        let rules = vec![format!(
            "ACTION==\"add|bind\", SUBSYSTEM==\"pci|net\", KERNELS==\"{address}\"{who}, DRIVERS==\"?*\", \
             RUN+=\"{} {command}\"",
            program.display()
        )];
        PciRules { file, owner, address, device, selector, rules }.setting(host)
    }

    /// The command of a rule that brings the interfaces of a device up, then makes its functions. `$$` is a dollar to
    /// udev (udev(7)).
    fn command(&self, address: PciAddress) -> String {
        let directory = format!("/sys/bus/pci/devices/{address}");
        let up = format!("for i in {directory}/net/*; do ip link set dev $${{i##*/}} up; done");
        let autoprobe = self.autoprobe.map_or(String::new(), |it| {
            format!("echo {} > {directory}/sriov_drivers_autoprobe; ", u8::from(it))
        });
        format!("RUN+=\"/bin/sh -c '{up}; {autoprobe}echo {} > {directory}/sriov_numvfs'\"", self.numvfs)
    }

    /// Takes out rules of an earlier time, which a driver without `sriov_configure` would be given in vain.
    fn without_rules(&self, host: &HostView, device: &PciDevice) -> Result<Setting> {
        let (file, owner, selector) = (Path::new(RULES), Self::NAME, &self.device);
        let (address, device, rules) = (device.address, Some(device), Vec::new());
        PciRules { file, owner, address, device, selector, rules }.setting(host)
    }
}

fn is_before_sriov_numvfs(host: &HostView) -> Result<bool> {
    Ok(kernels::running(host)?.is_some_and(|it| kernels::is_older(&it, (3, 8))))
}

fn attribute(address: PciAddress, name: &str) -> About {
    About::Attribute(pci_bus::directory(address).join(name))
}
