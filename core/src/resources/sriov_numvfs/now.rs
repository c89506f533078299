//! The virtual functions of the running kernel: what stands in the way of another number, and the writes that make it.

use std::path::{Path, PathBuf};

use hoststate_abi::activation::Activation;
use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::{Disruption, Remedy, Setting, State};
use hoststate_abi::step::Step;

use super::{SriovNumvfs, attribute};
use crate::error::{Error, Result};
use crate::language::resource::Context;
use crate::machine::interfaces::NET;
use crate::machine::kernels;
use crate::machine::module_switch::ModuleSwitch;
use crate::machine::pci_bus::driver_name;
use crate::machine::pci_bus::makers::{self, Way};
use crate::machine::pci_bus::{self, PciDevice, Sriov};

/// The Linux whose vfio-pci can make virtual functions (kernel commit 137e5531351d, `enable_sriov`).
const ENABLE_SRIOV: (u32, u32) = (5, 7);

/// `IFF_UP` (include/uapi/linux/if.h).
const UP: u32 = 0x1;

/// What a driver says to a number that is written.
pub(crate) enum Answer {
    /// It makes the functions, after these steps.
    Makes(Vec<Step>),
    /// It will, when the host has booted.
    AfterBoot,
    /// It refuses, and why.
    Refuses(String),
}

impl SriovNumvfs {
    pub(super) fn now(&self, cx: Context<'_>, device: &PciDevice, sriov: Sriov) -> Result<Vec<Setting>> {
        let mut settings = Vec::new();
        if let Some(wanted) = self.autoprobe {
            settings.push(autoprobe(device, sriov, wanted)?);
        }
        let disruption = if device.interfaces.is_empty() { Disruption::Device } else { Disruption::Network };
        let about = attribute(device.address, "sriov_numvfs");
        settings.push(Setting::runtime(about, disruption, self.count(cx, device, sriov)?));
        Ok(settings)
    }

    fn count(&self, cx: Context<'_>, device: &PciDevice, sriov: Sriov) -> Result<State> {
        if sriov.numvfs == self.numvfs {
            return Ok(State::Converged);
        }
        let (actual, desired) = (Some(sriov.numvfs.to_string()), Some(self.numvfs.to_string()));
        let address = device.address;
        let by = |reason: String, by| State::Blocked {
            actual: actual.clone(),
            desired: desired.clone(),
            by,
            reason,
        };
        if let Some(limit) = makers::limit(cx.host, device)? {
            if !limit.allows(self.numvfs) {
                let module = &limit.module;
                let reason = format!(
                    "{} lets {module} make {} at most (max_vfs). Declare modprobe_options {{ module = \"{module}\", \
                     options = {{ max_vfs = {} }} }}",
                    limit.place, limit.value, self.numvfs
                );
                return Ok(by(reason, Some(limit.place)));
            }
            if self.numvfs > sriov.totalvfs {
                let remedy = Remedy::Activation(Activation::Reboot);
                return Ok(State::Drifted { actual, desired, remedy });
            }
        }
        let Some(driver) = &device.driver else {
            let reason = format!(
                "{address} has no driver, and only its own driver can make virtual functions; load that driver"
            );
            return Ok(by(reason, None));
        };
        let mut steps = match answer(cx, device, driver)? {
            Answer::Makes(steps) => steps,
            Answer::AfterBoot => {
                return Ok(State::Drifted {
                    actual,
                    desired,
                    remedy: Remedy::Activation(Activation::Reboot),
                });
            }
            Answer::Refuses(reason) => return Ok(by(reason, None)),
        };
        let path = || pci_bus::directory(address).join("sriov_numvfs");
        // From one count to another the kernel answers EBUSY (drivers/pci/iov.c, sriov_numvfs_store).
        if sriov.numvfs != 0 && self.numvfs != 0 {
            steps.push(Step::WriteAttribute { path: path(), value: "0".to_owned() });
        }
        steps.push(Step::WriteAttribute { path: path(), value: self.numvfs.to_string() });
        Ok(State::Drifted { actual, desired, remedy: Remedy::Steps(steps) })
    }
}

/// Returns what a driver says to a number, were the device bound to it.
///
/// # Errors
/// When the host cannot be read.
pub(crate) fn answer(cx: Context<'_>, device: &PciDevice, driver: &str) -> Result<Answer> {
    let address = device.address;
    let refuses = |what: &str| Ok(Answer::Refuses(format!("{address} is bound to {driver}, and {what}")));
    if driver == "vfio-pci" {
        return by_vfio(cx, device);
    }
    // pci-pf-stub is for this (drivers/pci/pci-pf-stub.c).
    if driver_name::takes_interface(driver) && driver != "pci-pf-stub" {
        return refuses("only its own driver can make virtual functions; bind it to that driver");
    }
    match makers::way(cx.host, device)? {
        Way::Never if driver == "i915" => refuses(
            "the i915 of the kernel itself makes no virtual functions: xe does on newer kernels, and the module of \
             i915-sriov-dkms",
        ),
        Way::Never => {
            refuses("this kernel's has no way to make virtual functions; a newer kernel may have one")
        }
        Way::SysfsWhileUp => brought_up(cx.host, device, driver),
        Way::Sysfs | Way::Parameter(_) => Ok(Answer::Makes(Vec::new())),
    }
}

/// vfio-pci makes functions where its parameter `enable_sriov` says so; root may turn it on at any time.
fn by_vfio(cx: Context<'_>, device: &PciDevice) -> Result<Answer> {
    let address = device.address;
    if kernels::running(cx.host)?.is_some_and(|it| kernels::is_older(&it, ENABLE_SRIOV)) {
        return Ok(Answer::Refuses(format!(
            "{address} is bound to vfio-pci, which makes no virtual functions before Linux 5.7, and only its own driver \
             can; bind it to that driver"
        )));
    }
    let future = cx.future()?;
    let switch = ModuleSwitch::read(cx.host, &future, "vfio_pci", "enable_sriov")?;
    Ok(match (switch.now, switch.when_loaded) {
        (Some(true), _) => Answer::Makes(Vec::new()),
        (Some(false), true) => {
            let value = "1".to_owned();
            Answer::Makes(vec![Step::WriteAttribute { path: switch.attribute, value }])
        }
        // Where vfio-pci is in use without showing it, it was built so.
        (None, true) => Answer::AfterBoot,
        (_, false) => Answer::Refuses(format!(
            "{address} is bound to vfio-pci, which makes virtual functions only with enable_sriov. Declare \
             modprobe_options {{ module = \"vfio_pci\", options = {{ enable_sriov = 1 }} }}, or bind it to its own driver"
        )),
    })
}

/// Brings the interfaces of a device up, where one is down.
fn brought_up(host: &HostView, device: &PciDevice, driver: &str) -> Result<Answer> {
    if device.interfaces.is_empty() {
        return Ok(Answer::Refuses(format!(
            "{driver} makes virtual functions only while the network interface of {} is up, and it shows none: another \
             network namespace may have it",
            device.address
        )));
    }
    let mut steps = Vec::new();
    for interface in &device.interfaces {
        let flags: PathBuf = Path::new(NET).join(&interface.name).join("flags");
        let flags = host.attribute(&flags)?.unwrap_or_default();
        let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).unwrap_or(0);
        if flags & UP == 0 {
            let argv = ["ip", "link", "set", "dev", &interface.name, "up"].map(str::to_owned).to_vec();
            steps.push(Step::Run { argv });
        }
    }
    Ok(Answer::Makes(steps))
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
