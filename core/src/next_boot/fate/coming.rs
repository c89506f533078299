//! Virtual functions that something makes while the host boots and that are not there yet: who makes them, and when.

use std::collections::BTreeMap;
use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use super::rules::{self, Rules, Written};
use super::units::UNITS;
use crate::error::Result;
use crate::formats::attribute_writes::{self, Values};
use crate::formats::modprobe_conf::{ModprobeView, ModuleName};
use crate::formats::udev_rules::rule::{Pair, UdevRule};
use crate::machine::pci_bus::{PciDevice, virtual_functions};

/// The rules that say of an interface which driver it has; those before them do not know it yet.
const NET_DRIVER: &str = "75-net-description.rules";

/// A virtual function to come.
pub(super) struct Coming {
    /// What it will be, as far as its physical function tells.
    pub(super) device: PciDevice,
    /// Whether only a driver that its override names may have it (drivers/pci/pci-driver.c, `pci_device_can_probe`).
    pub(super) needs_override: bool,
    /// What makes it.
    pub(super) ways: Vec<Way>,
    /// Whether the running system has it.
    pub(super) is_there_now: bool,
}

/// Something that makes virtual functions. Only the driver of the physical function can (drivers/pci/iov.c,
/// `sriov_numvfs_store`).
#[derive(Debug, Clone)]
pub(super) struct Way {
    pub(super) when: When,
    /// Whether it stands in the image.
    pub(super) in_image: bool,
    /// How many it makes.
    count: u16,
    pub(super) place: String,
}

/// When something makes virtual functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// As soon as the physical function has its driver, whenever that is: a parameter of the driver.
    Probed,
    /// When udev has seen that the physical function has its driver.
    Bound,
    /// When udev sees the physical function, if that had its driver before.
    Seen,
    /// After udev, or beside it: systemd-tmpfiles.
    Beside,
    /// After udev.
    After,
}

/// What is read of a place: its rules and its options.
pub(super) struct Source<'a> {
    pub(super) rules: &'a Rules,
    pub(super) policy: &'a ModprobeView,
    pub(super) in_image: bool,
}

/// Returns the virtual functions that the boot makes. For those that are there something makes them, known or not.
pub(super) fn find(
    host: &HostView,
    devices: &[PciDevice],
    sources: &[Source<'_>],
    written: &[Written],
) -> Result<Vec<Coming>> {
    let mut coming = Vec::new();
    if devices.iter().all(|it| it.sriov.is_none()) {
        return Ok(coming);
    }
    let by_address: BTreeMap<PciAddress, &PciDevice> = devices.iter().map(|it| (it.address, it)).collect();
    let units = enabled_units(host)?;
    for of in devices {
        let Some(sriov) = of.sriov else { continue };
        let (mut ways, mut autoprobe) = (Vec::new(), None);
        for source in sources {
            autoprobe = by_rules(of, source, &mut ways).or(autoprobe);
            by_option(of, source, &mut ways);
        }
        by_tmpfiles(of, written, &mut ways);
        by_units(of, &units, &mut ways);
        for (index, address) in (0..).zip(&of.virtfns) {
            let Some(device) = by_address.get(address) else { continue };
            let mut ways: Vec<Way> = ways.iter().filter(|it| it.count > index).cloned().collect();
            if ways.is_empty() {
                let place = format!("what made {address} of {}", of.address);
                ways.push(Way { when: When::After, in_image: false, count: sriov.numvfs, place });
            }
            let needs_override = autoprobe == Some(false);
            let device = PciDevice::clone(device);
            coming.push(Coming { device, needs_override, ways, is_there_now: true });
        }
        let (Some(offset), Some(stride)) = (sriov.offset, sriov.stride) else { continue };
        let Some(id) = virtual_functions::id(host, of)? else { continue };
        let count = ways.iter().map(|it| it.count).max().unwrap_or_default();
        for index in sriov.numvfs..count.min(sriov.totalvfs) {
            let routing_id = index.checked_mul(stride).and_then(|it| it.checked_add(offset));
            let routing_id = routing_id.and_then(|it| it.checked_add(of.address.routing_id()));
            let address = routing_id.map(|it| PciAddress::of_routing_id(of.address.domain(), it));
            let Some(address) = address else { continue };
            let device = PciDevice {
                address,
                path: virtual_functions::path(address, of),
                id,
                modalias: id.modalias(),
                driver: None,
                driver_override: None,
                sriov: None,
                physfn: Some(of.address),
                virtfns: Vec::new(),
                interfaces: Vec::new(),
                boot_vga: None,
                iommu_group: None,
                ..of.clone()
            };
            let ways = ways.iter().filter(|it| it.count > index).cloned().collect();
            // A boot forgets what was written to sriov_drivers_autoprobe.
            let needs_override = autoprobe == Some(false);
            let is_there_now = by_address.contains_key(&address);
            coming.push(Coming { device, needs_override, ways, is_there_now });
        }
    }
    Ok(coming)
}

/// Finds the rules that make virtual functions; returns whether drivers may take these, where a rule says so.
fn by_rules(of: &PciDevice, source: &Source<'_>, ways: &mut Vec<Way>) -> Option<bool> {
    let mut autoprobe = None;
    for it in source.rules.of(of).filter(|it| it.is_about(of) && !is_too_early(&it.place, &it.rule)) {
        let (place, rule) = (&it.place, &it.rule);
        let (count, of_rule) = it.makes();
        autoprobe = of_rule.or(autoprobe);
        let count = count.or_else(|| by_command(rule)?.parse().ok());
        let when = if waits_for_driver(rule) { When::Bound } else { When::Seen };
        let way = |count| Way { when, in_image: source.in_image, count, place: place.clone() };
        ways.extend(count.map(way));
    }
    autoprobe
}

/// The number that a command of a rule writes, as for a driver that wants the interface up first.
fn by_command(rule: &UdevRule) -> Option<String> {
    let commands = rule.pairs.iter().filter(|it| it.key == "RUN" && !it.compares());
    commands
        .filter_map(|it| it.value.split_once(rules::COUNT))
        .find_map(|(before, after)| attribute_writes::number(before, after, &Values::new()))
}

/// Returns whether a rule asks for the driver of an interface before udev has looked for it.
fn is_too_early(place: &str, rule: &UdevRule) -> bool {
    let path = place.split([' ', ':']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let asks = |it: &Pair| {
        it.key == "ENV" && it.attribute.as_deref() == Some("ID_NET_DRIVER") && it.operator == "=="
    };
    name < NET_DRIVER && rule.pairs.iter().any(asks)
}

/// Returns whether a rule holds only once the physical function has a driver: of an interface, or of the event for that.
fn waits_for_driver(rule: &UdevRule) -> bool {
    let mut compared = rule.pairs.iter().filter(|it| it.compares());
    compared.any(|it| match it.key.as_str() {
        "SUBSYSTEM" => it.operator == "==" && it.value.split('|').all(|it| it == "net"),
        "ACTION" => it.value.contains("bind"),
        "DRIVER" => true,
        _ => false,
    })
}

/// igb and ixgbe make virtual functions by a parameter.
fn by_option(of: &PciDevice, source: &Source<'_>, ways: &mut Vec<Way>) {
    let Some(module) = of.driver.as_deref().and_then(|it| ModuleName::parse(it).ok()) else { return };
    if let Some(option) = source.policy.effective_option(&module, "max_vfs")
        && let Ok(count) = option.value.parse()
    {
        let place = format!("max_vfs={} of {module}", option.value);
        ways.push(Way { when: When::Probed, in_image: source.in_image, count, place });
    }
}

fn by_tmpfiles(of: &PciDevice, written: &[Written], ways: &mut Vec<Way>) {
    for line in written.iter().filter(|it| rules::owner(&it.target, rules::COUNT) == Some(of.address)) {
        let Ok(count) = line.value.parse() else { continue };
        ways.push(Way { when: When::Beside, in_image: false, count, place: line.place.clone() });
    }
}

/// Returns the services that an administrator enabled, with their texts.
fn enabled_units(host: &HostView) -> Result<Vec<(String, String)>> {
    let top = Path::new(UNITS[0]);
    let mut units = Vec::new();
    for directory in host.list(top)?.into_iter().filter(|it| it.ends_with(".wants")) {
        for name in host.list(&top.join(directory))?.into_iter().filter(|it| it.ends_with(".service")) {
            let path = top.join(&name);
            units.extend(host.read_lossy(&path)?.map(|text| (path.display().to_string(), text)));
        }
    }
    Ok(units)
}

/// Finds services that write a number to the attribute: `echo 4 > …/sriov_numvfs`.
fn by_units(of: &PciDevice, units: &[(String, String)], ways: &mut Vec<Way>) {
    for (place, text) in units {
        let Some(count) = text.lines().find_map(|it| written_by(it, of)) else { continue };
        let when = if text.contains("settle") { When::After } else { When::Beside };
        ways.push(Way { when, in_image: false, count, place: place.clone() });
    }
}

/// The number that a command of a unit writes to the attribute of a device.
fn written_by(line: &str, of: &PciDevice) -> Option<u16> {
    let command = line.strip_prefix("ExecStart")?;
    let (before, target) = command.rsplit_once('>')?;
    let target = target.trim().trim_end_matches(['\'', '"']);
    let is_its = rules::owner(target, rules::COUNT) == Some(of.address)
        || of.interfaces.iter().any(|it| target == format!("/sys/class/net/{}/device/sriov_numvfs", it.name));
    let count = before.rsplit_once("echo ")?.1.trim();
    count.parse().ok().filter(|_| is_its)
}
