//! PCI devices as a tree, with what passthrough needs to know about each.

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;
use hoststate_core::error::Error as EngineError;
use hoststate_core::formats::modprobe_conf::ModuleName;
use hoststate_core::formats::pci::class_name;
use hoststate_core::machine::kernels;
use hoststate_core::machine::pci_bus::{self, PciDevice};
use hoststate_core::mechanism::distro::Distro;
use hoststate_core::next_boot::Menu;
use hoststate_core::next_boot::fate::{self, Certainty, Fate};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::Result;
use crate::render::screen::{Amount, Screen};
use crate::render::table::headed;

/// A PCI function.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Device {
    address: String,
    /// Addresses of the bridges above it, outermost first; empty where the tree does not tell.
    parents: Vec<String>,
    class: &'static str,
    vendor: String,
    device: String,
    subsystem_vendor: String,
    subsystem_device: String,
    iommu_group: Option<u32>,
    driver: Option<String>,
    /// What it will be at the next boot.
    next: Option<Fate>,
    driver_override: Option<String>,
    /// Modules of the running kernel, or the newest installed one, that claim its ids.
    modules: Vec<String>,
    boot_vga: Option<bool>,
    sriov_totalvfs: Option<u16>,
    sriov_numvfs: Option<u16>,
    /// The physical function, for a virtual one.
    physfn: Option<String>,
    virtfns: Vec<String>,
    interfaces: Vec<String>,
}

/// Reads all devices, each behind the bridge it is on.
///
/// # Errors
/// When an attribute cannot be read.
pub(crate) fn read(view: &HostView, distro: &Distro) -> Result<Vec<Device>> {
    let kernel = kernels::running(view)?.or(kernels::installed(view)?.0.last().cloned());
    let fates = fate::of(view, distro, &Menu::read(view, distro)?)?;
    let mut devices = Vec::new();
    for device in pci_bus::devices(view)?.iter() {
        let modules = match &kernel {
            Some(release) => pci_bus::modules(view, release, device)?,
            None => Vec::new(),
        };
        let next = fates.iter().find(|it| it.address == device.address).cloned();
        devices.push((path_of(view, device.address)?, Device { next, ..describe(device, &modules) }));
    }
    devices.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(devices.into_iter().map(|(path, device)| behind(device, &path)).collect())
}

fn behind(device: Device, path: &[PciAddress]) -> Device {
    let above = path.split_last().map_or(&[][..], |(_, above)| above);
    Device { parents: above.iter().map(ToString::to_string).collect(), ..device }
}

/// Returns the addresses on the way from the root of the bus to the device, itself included: sysfs nests them.
fn path_of(view: &HostView, address: PciAddress) -> Result<Vec<PciAddress>> {
    let directory = view.resolve(&pci_bus::directory(address)).map_err(EngineError::from)?;
    let addresses = directory.iter().filter_map(|it| it.to_str()?.parse::<PciAddress>().ok());
    let mut path: Vec<PciAddress> = addresses.filter(|it| *it != address).collect();
    path.push(address);
    Ok(path)
}

fn describe(device: &PciDevice, modules: &[ModuleName]) -> Device {
    let id = &device.id;
    Device {
        address: device.address.to_string(),
        parents: Vec::new(),
        class: class_name(id.class),
        vendor: format!("{:04x}", id.vendor),
        device: format!("{:04x}", id.device),
        subsystem_vendor: format!("{:04x}", id.subsystem_vendor),
        subsystem_device: format!("{:04x}", id.subsystem_device),
        iommu_group: device.iommu_group,
        driver: device.driver.clone(),
        next: None,
        driver_override: device.driver_override.clone(),
        modules: modules.iter().map(|it| it.as_str().to_owned()).collect(),
        boot_vga: device.boot_vga,
        sriov_totalvfs: device.sriov.map(|it| it.totalvfs),
        sriov_numvfs: device.sriov.map(|it| it.numvfs),
        physfn: device.physfn.map(|it| it.to_string()),
        virtfns: device.virtfns.iter().map(ToString::to_string).collect(),
        interfaces: device.interfaces.iter().map(|it| it.name.clone()).collect(),
    }
}

/// Returns the devices as a table; what is behind a bridge is indented. `amount` decides about the ids of the cards' makers.
pub(crate) fn text(devices: &[Device], screen: &Screen) -> String {
    if devices.is_empty() {
        return "none: this tree has no /sys/bus/pci\n".to_owned();
    }
    let heading =
        ["ADDRESS", "GROUP", "CLASS", "IDS", "DRIVER", "NEXT", "MODULES", "VFS", "INTERFACE", "SUBSYSTEM"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(devices.iter().map(row));
    if screen.amount < Amount::More {
        rows.iter_mut().for_each(|it| it.truncate(heading.len() - 1));
    }
    let mut out = headed(screen, &rows);
    if devices.iter().all(|it| it.iommu_group.is_none()) {
        out.push_str("The IOMMU is off, so there are no groups; `hoststate why ADDRESS` says why.\n");
    }
    out
}

/// The driver of the next boot: `a or b` in a race, `?` where it cannot be told.
fn next(fate: &Fate) -> String {
    let driver = fate.next.clone().unwrap_or("-".to_owned());
    match &fate.certainty {
        Certainty::Certain => driver,
        Certainty::Race { with } => format!("{driver} or {with}"),
        Certainty::Unknown { .. } => "?".to_owned(),
    }
}

fn row(device: &Device) -> Vec<String> {
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let vfs = match (device.sriov_numvfs, device.sriov_totalvfs, &device.physfn) {
        (Some(numvfs), Some(totalvfs), _) => format!("{numvfs} of {totalvfs}"),
        (_, _, Some(physfn)) => format!("of {physfn}"),
        _ => "-".to_owned(),
    };
    vec![
        format!("{}{}", "  ".repeat(device.parents.len()), device.address),
        device.iommu_group.map_or("-".to_owned(), |it| it.to_string()),
        match device.boot_vga {
            Some(true) => format!("{} (boot)", device.class),
            Some(false) | None => device.class.to_owned(),
        },
        format!("{}:{}", device.vendor, device.device),
        device.driver.clone().unwrap_or("-".to_owned()),
        device.next.as_ref().map_or("-".to_owned(), next),
        or_dash(device.modules.join(" ")),
        vfs,
        or_dash(device.interfaces.join(" ")),
        format!("{}:{}", device.subsystem_vendor, device.subsystem_device),
    ]
}
