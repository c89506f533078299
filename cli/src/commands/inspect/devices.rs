//! PCI devices as a tree, with what passthrough needs to know about each.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;
use hoststate_core::error::Error as EngineError;
use hoststate_core::formats::modprobe_conf::ModuleName;
use hoststate_core::formats::pci::class_name;
use hoststate_core::machine::iommu_groups;
use hoststate_core::machine::kernels;
use hoststate_core::machine::pci_bus::{self, PciDevice};
use hoststate_core::machine::pci_names::{Called, Names};
use hoststate_core::mechanism::distro::Distro;
use hoststate_core::next_boot::Menu;
use hoststate_core::next_boot::fate::{self, Certainty, Fate};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::Result;
use crate::render::escape::visible_line;
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
    /// What the maker is called, such as `NVIDIA`; null where nobody knows it.
    vendor_name: Option<String>,
    device: String,
    /// What the host's list of names calls it, such as `GK107GL [Quadro K600]`; null where it has none.
    device_name: Option<String>,
    subsystem_vendor: String,
    subsystem_device: String,
    iommu_group: Option<u32>,
    /// Addresses of the functions that will be in its group, itself included; null while there are groups, and where they
    /// cannot be foretold.
    foretold_group: Option<Vec<String>>,
    /// Why its group cannot be foretold; null where it is, and while there are groups.
    foretold_unknown: Option<String>,
    /// Why no guest can ever have it; null for most.
    pinned: Option<&'static str>,
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

/// Reads all devices, each behind the bridge it is on, and what becomes of functions that only a boot will make.
///
/// # Errors
/// When an attribute cannot be read.
pub(crate) fn read(view: &HostView, distro: &Distro) -> Result<(Vec<Device>, Vec<Fate>)> {
    let kernel = kernels::running(view)?.or(kernels::installed(view)?.0.last().cloned());
    let mut fates = fate::of(view, distro, &Menu::read(view, distro)?)?;
    let list = pci_bus::devices(view)?;
    let pinned = iommu_groups::pinned(view)?;
    let foretold = iommu_groups::to_come(view)?;
    let names = Names::read(view);
    let mut devices = Vec::new();
    for device in list.iter() {
        let modules = match &kernel {
            Some(release) => pci_bus::modules(view, release, device)?,
            None => Vec::new(),
        };
        let next = fates.iter().find(|it| it.address == device.address).cloned();
        let members = foretold.as_ref().and_then(|it| it.members(device.address));
        let why_not = foretold.as_ref().and_then(|it| it.why_not(device.address));
        let described = Device {
            next,
            foretold_group: members.map(|it| it.iter().map(ToString::to_string).collect()),
            foretold_unknown: why_not.map(str::to_owned),
            pinned: pinned.iter().find(|it| it.address == device.address).map(|it| it.by),
            ..describe(device, &names, &modules)
        };
        devices.push((path_of(view, device.address)?, described));
    }
    devices.sort_by(|(a, _), (b, _)| a.cmp(b));
    let present: BTreeSet<PciAddress> = list.iter().map(|it| it.address).collect();
    fates.retain(|it| !present.contains(&it.address));
    Ok((devices.into_iter().map(|(path, device)| behind(device, &path)).collect(), fates))
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

fn describe(device: &PciDevice, names: &Names, modules: &[ModuleName]) -> Device {
    let id = &device.id;
    let Called { vendor: vendor_name, device: device_name } = names.of(id.vendor, id.device);
    Device {
        address: device.address.to_string(),
        parents: Vec::new(),
        class: class_name(id.class),
        vendor: format!("{:04x}", id.vendor),
        vendor_name,
        device: format!("{:04x}", id.device),
        device_name,
        subsystem_vendor: format!("{:04x}", id.subsystem_vendor),
        subsystem_device: format!("{:04x}", id.subsystem_device),
        iommu_group: device.iommu_group,
        foretold_group: None,
        foretold_unknown: None,
        pinned: None,
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
pub(crate) fn text(devices: &[Device], to_come: &[Fate], screen: &Screen) -> String {
    if devices.is_empty() {
        return "none: this tree has no /sys/bus/pci\n".to_owned();
    }
    let heading = [
        "ADDRESS",
        "GROUP",
        "CLASS",
        "IDS",
        "DRIVER",
        "NEXT",
        "MODULES",
        "VFS",
        "INTERFACE",
        "NAME",
        "SUBSYSTEM",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let foretold = foretold_numbers(devices);
    rows.extend(devices.iter().map(|it| row(it, &foretold)));
    if screen.amount < Amount::More {
        rows.iter_mut().for_each(|it| it.truncate(heading.len() - 1));
    }
    let mut out = headed(screen, &rows);
    for fate in to_come {
        let driver = match next(fate) {
            it if it == "-" => "without a driver".to_owned(),
            it => format!("for {it}"),
        };
        writeln!(out, "The next boot makes {}, {driver}.", fate.address)
            .expect("writing to a String does not fail");
    }
    if devices.iter().all(|it| it.iommu_group.is_none()) {
        out.push_str("The IOMMU is off, so there are no groups; `hoststate why ADDRESS` says why.\n");
    }
    if !foretold.is_empty() {
        out.push_str("~: foretold by configuration space; what has one number will be in one group.\n");
    }
    let unknown: BTreeSet<&str> = devices.iter().filter_map(|it| it.foretold_unknown.as_deref()).collect();
    for why in unknown {
        out.push_str(&format!("Groups cannot be foretold: {}.\n", visible_line(why)));
    }
    for (address, by) in devices.iter().filter_map(|it| it.pinned.map(|by| (&it.address, by))) {
        out.push_str(&format!("{address} can never be given to a guest: {by}.\n"));
    }
    out
}

/// Numbers the groups that will be, in the order of their first addresses.
fn foretold_numbers(devices: &[Device]) -> BTreeMap<&str, usize> {
    let firsts = devices.iter().filter_map(|it| it.foretold_group.as_ref()?.first());
    let firsts: BTreeSet<&str> = firsts.map(String::as_str).collect();
    firsts.into_iter().enumerate().map(|(number, first)| (first, number)).collect()
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

fn row(device: &Device, foretold: &BTreeMap<&str, usize>) -> Vec<String> {
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let vfs = match (device.sriov_numvfs, device.sriov_totalvfs, &device.physfn) {
        (Some(numvfs), Some(totalvfs), _) => format!("{numvfs} of {totalvfs}"),
        (_, _, Some(physfn)) => format!("of {physfn}"),
        _ => "-".to_owned(),
    };
    vec![
        format!("{}{}", "  ".repeat(device.parents.len()), device.address),
        match (device.iommu_group, device.foretold_group.as_ref().and_then(|it| it.first())) {
            (Some(group), _) => group.to_string(),
            (None, Some(first)) => format!("~{}", foretold[first.as_str()]),
            (None, None) => "-".to_owned(),
        },
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
        or_dash(
            [&device.vendor_name, &device.device_name]
                .map(|it| it.as_deref().unwrap_or_default())
                .join(" ")
                .trim()
                .to_owned(),
        ),
        format!("{}:{}", device.subsystem_vendor, device.subsystem_device),
    ]
}
