//! How drivers come to make virtual functions: by sysfs, by a parameter of their module, only while the interface is up.

use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::setting::Place;

use super::PciDevice;
use crate::error::{Error, Result};
use crate::formats::modprobe_conf::ModuleName;
use crate::machine::{kernels, modprobe_d};

/// A parameter of a driver's module that says how many functions are made when it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it is set to: a number, or one for each port.
    pub value: String,
    /// Where that stands.
    pub place: Place,
    /// The module.
    pub module: String,
}

impl Parameter {
    /// Returns how many functions it makes of a device, or allows; `None` where it says that for each port or card.
    pub fn number(&self) -> Option<u32> {
        // Of mlx4_core: on the first port, on the second, and on both (drivers/net/ethernet/mellanox/mlx4/main.c).
        let parts = self.value.split(',').filter(|_| self.name == "num_vfs" || !self.value.contains(','));
        parts
            .map(|it| it.trim().parse::<u32>().ok())
            .try_fold(None, |sum: Option<u32>, it| Some(Some(sum.unwrap_or(0) + it?)))?
    }

    /// Returns whether it allows as many functions as wanted, taken as a limit.
    pub fn allows(&self, wanted: u16) -> bool {
        self.number().is_some_and(|it| it >= u32::from(wanted))
    }
}

/// How a driver makes virtual functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// When the number is written to `sriov_numvfs`.
    Sysfs,
    /// As that, but only while its network interface is up.
    SysfsWhileUp,
    /// Never by sysfs: by this parameter of its module.
    Parameter(&'static str),
    /// Never: this driver knows none.
    Never,
}

/// Drivers that make functions only while their interface is up: `bnxt_sriov_configure` answers 0 ("Reject SRIOV config
/// request since if is down!"), `bnx2x_sriov_configure` EINVAL (drivers/net/ethernet/broadcom).
const WHILE_UP: [&str; 2] = ["bnxt_en", "bnx2x"];

/// Drivers that make functions by a parameter when they are loaded, and by sysfs as well (drivers/net/ethernet/intel/igb,
/// ixgbe; drivers/net/ethernet/emulex/benet). `max_vfs` of xe and i915 is a limit and makes none
/// (drivers/gpu/drm/xe/xe_module.c).
const BY_PARAMETER: [(&str, &str); 3] = [("igb", "max_vfs"), ("ixgbe", "max_vfs"), ("be2net", "num_vfs")];

/// Drivers whose parameter `max_vfs` is the most that they make.
const LIMITED: [&str; 2] = ["xe", "i915"];

/// The Linux whose enic has `sriov_configure`.
const ENIC: (u32, u32) = (6, 15);

/// Returns how the driver of a device makes virtual functions.
///
/// `mlx4_core` has no `sriov_configure` (drivers/net/ethernet/mellanox/mlx4/main.c, `num_vfs`), nor has the i915 of the
/// kernel itself; that of i915-sriov-dkms has, and has the parameter `max_vfs`.
///
/// # Errors
/// When the host cannot be read.
pub fn way(host: &HostView, device: &PciDevice) -> Result<Way> {
    let parameter = Path::new("/sys/module/i915/parameters/max_vfs");
    Ok(match device.driver.as_deref() {
        Some("mlx4_core") => Way::Parameter("num_vfs"),
        Some("i915") if limit(host, device)?.is_none() && !host.exists(parameter)? => Way::Never,
        Some("enic") if kernels::running(host)?.is_some_and(|it| kernels::is_older(&it, ENIC)) => Way::Never,
        Some(driver) if WHILE_UP.contains(&driver) => Way::SysfsWhileUp,
        _ => Way::Sysfs,
    })
}

/// Returns the parameter of a device's driver that makes functions, where it is set to make any.
///
/// # Errors
/// When modprobe.d cannot be read.
pub fn parameter(host: &HostView, device: &PciDevice) -> Result<Option<Parameter>> {
    let Some(driver) = device.driver.as_deref() else { return Ok(None) };
    let name = match way(host, device)? {
        Way::Parameter(name) => name,
        _ => match BY_PARAMETER.iter().find(|it| it.0 == driver) {
            Some((_, name)) => name,
            None => return Ok(None),
        },
    };
    Ok(option(host, driver, name)?.filter(|it| it.value != "0"))
}

/// Returns the parameter by which a driver is told the most functions that it may make; `None` for one that asks no such.
///
/// # Errors
/// When modprobe.d cannot be read.
pub fn limit(host: &HostView, device: &PciDevice) -> Result<Option<Parameter>> {
    match device.driver.as_deref().filter(|it| LIMITED.contains(it)) {
        Some(driver) => option(host, driver, "max_vfs"),
        None => Ok(None),
    }
}

fn option(host: &HostView, driver: &str, name: &'static str) -> Result<Option<Parameter>> {
    let module =
        ModuleName::parse(driver).map_err(|err| Error::Invalid { what: err.to_string(), hint: None })?;
    let winner = modprobe_d::view(host)?.effective_option(&module, name);
    Ok(winner.map(|it| Parameter {
        name,
        place: modprobe_d::place(&it.origin),
        value: it.value,
        module: driver.to_owned(),
    }))
}
