//! The links at the end: the group, the driver now, and who holds the device.

use std::path::Path;

use super::{Case, Link, Standing};
use crate::error::Result;
use crate::formats::mount_table::{parse_mountinfo, parse_swaps};
use crate::machine::open_files;
use crate::machine::pci_bus;
use crate::machine::pci_bus::driver_name::is_for_guests;

const BLOCK: &str = "/sys/class/block";

/// The IOMMU group and its members: a guest gets all of a group or nothing of it.
pub(super) fn group(case: &Case<'_>) -> Result<Link> {
    let address = case.device.address;
    let Some(group) = case.device.iommu_group else {
        let standing = if case.wants_vfio() { Standing::Waits } else { Standing::Fact };
        let evidence = vec![format!("{}: no iommu_group", pci_bus::directory(address).display())];
        return Ok(Link::new("IOMMU group", standing, "it is in no group", evidence));
    };
    let mut evidence = Vec::new();
    let mut in_the_way = Vec::new();
    for member in pci_bus::devices(case.host)?.iter().filter(|it| it.iommu_group == Some(group)) {
        let driver = member.driver.as_deref().unwrap_or("no driver");
        evidence.push(format!("/sys/kernel/iommu_groups/{group}/devices/{}: {driver}", member.address));
        let is_neutral = member.is_bridge() || member.driver.as_deref().is_none_or(is_for_guests);
        if member.address != address && !is_neutral {
            in_the_way.push(format!("{} ({driver})", member.address));
        }
    }
    let alone = evidence.len() == 1;
    let (standing, finding) = match (case.wants_vfio(), in_the_way.is_empty()) {
        (true, false) => (
            Standing::Fact,
            format!(
                "group {group} goes to a guest only whole: {} would have to leave too",
                in_the_way.join(", ")
            ),
        ),
        (true, true) => (Standing::Ok, format!("group {group} can go to a guest")),
        (false, _) if alone => (Standing::Fact, format!("it is alone in group {group}")),
        (false, _) => (Standing::Fact, format!("it shares group {group}")),
    };
    Ok(Link::new("IOMMU group", standing, finding, evidence))
}

/// The driver it has, and the override as the kernel prints it.
pub(super) fn driver(case: &Case<'_>) -> Result<Link> {
    let directory = pci_bus::directory(case.device.address);
    let mut evidence = Vec::new();
    let link = directory.join("driver");
    match case.host.link_target(&link)? {
        Some(target) => evidence.push(format!("{} -> {}", link.display(), target.display())),
        None => evidence.push(format!("{}: absent", link.display())),
    }
    let attribute = directory.join("driver_override");
    if let Some(text) = case.host.attribute(&attribute)? {
        evidence.push(format!("{}: {text}", attribute.display()));
    }
    let (standing, finding) = match (case.device.driver.as_deref(), case.wanted.as_deref()) {
        (Some(driver), Some(wanted)) if driver == wanted => (Standing::Ok, driver.to_owned()),
        (Some(driver), Some(_)) => (Standing::Waits, driver.to_owned()),
        (Some(driver), None) => (Standing::Fact, driver.to_owned()),
        (None, Some(_)) => (Standing::Waits, "none".to_owned()),
        (None, None) => (Standing::Fact, "none".to_owned()),
    };
    Ok(Link::new("driver now", standing, finding, evidence))
}

/// Who uses the device.
pub(super) fn holders(case: &Case<'_>) -> Result<Option<Link>> {
    let mut evidence = screens(case)?;
    evidence.extend(interfaces(case)?);
    evidence.extend(file_systems(case)?);
    let directory = pci_bus::directory(case.device.address);
    if !case.device.virtfns.is_empty() {
        let count = case.device.virtfns.len();
        evidence.push(format!("{}/virtfn*: {count} virtual functions", directory.display()));
    }
    let (by_processes, hidden) = guests(case)?;
    evidence.extend(by_processes);
    let (standing, finding) = match (evidence.is_empty(), hidden) {
        (true, 0) => {
            return Ok(Some(Link::new("held by", Standing::Ok, "nobody that can be seen", evidence)));
        }
        (true, _) => (
            Standing::Unknown,
            format!("nobody that can be seen; {hidden} processes do not show their files"),
        ),
        (false, _) => (Standing::Fact, "it is in use".to_owned()),
    };
    Ok(Some(Link::new("held by", standing, finding, evidence)))
}

fn screens(case: &Case<'_>) -> Result<Vec<String>> {
    let directory = pci_bus::directory(case.device.address);
    let mut evidence = Vec::new();
    if case.device.boot_vga == Some(true) {
        evidence.push(format!("{}: 1, the firmware's display", directory.join("boot_vga").display()));
    }
    let cards = case.host.list(&directory.join("drm"))?;
    evidence.extend(
        cards
            .iter()
            .filter(|it| it.starts_with("card"))
            .map(|it| format!("{}/drm/{it}", directory.display())),
    );
    for name in
        case.host.list(Path::new("/sys/class/graphics"))?.into_iter().filter(|it| it.starts_with("fb"))
    {
        let path = Path::new("/sys/class/graphics").join(&name);
        if is_below(case, &path)? || is_below(case, &path.join("device"))? {
            evidence.push(format!("{}: a framebuffer, perhaps the console's", path.display()));
        }
    }
    Ok(evidence)
}

fn is_below(case: &Case<'_>, path: &Path) -> Result<bool> {
    Ok(pci_bus::above(case.host, path)?.first() == Some(&case.device.address))
}

fn interfaces(case: &Case<'_>) -> Result<Vec<String>> {
    let mut evidence = Vec::new();
    for it in &case.device.interfaces {
        let path = Path::new("/sys/class/net").join(&it.name).join("operstate");
        let state = case.host.attribute(&path)?.unwrap_or_else(|| "state unknown".to_owned());
        evidence.push(format!("{}: {state}", path.display()));
    }
    Ok(evidence)
}

/// File systems and swap on the disks behind the device, through volumes and encryption.
fn file_systems(case: &Case<'_>) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for name in case.host.list(Path::new(BLOCK))? {
        if is_below(case, &Path::new(BLOCK).join(&name))? {
            with_holders(case, &name, &mut names)?;
        }
    }
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let nodes = |name: &String| -> Result<Vec<String>> {
        let mapped = case.host.attribute(&Path::new(BLOCK).join(name).join("dm/name"))?;
        Ok(std::iter::once(format!("/dev/{name}"))
            .chain(mapped.map(|it| format!("/dev/mapper/{it}")))
            .collect())
    };
    let mountinfo = case.host.parsed(Path::new("/proc/self/mountinfo"), parse_mountinfo)?;
    let table = case.host.parsed(Path::new("/proc/mounts"), crate::formats::mount_table::parse_fstab)?;
    let mounts = mountinfo.or(table);
    let swaps = case.host.parsed(Path::new("/proc/swaps"), parse_swaps)?;
    let mut evidence = Vec::new();
    for name in &names {
        let nodes = nodes(name)?;
        let mounted = mounts.iter().flat_map(|it| it.iter()).filter(|it| nodes.contains(&it.source));
        evidence.extend(mounted.map(|it| format!("{} is mounted on {}", it.source, it.point)));
        let swapped = swaps.iter().flat_map(|it| it.iter()).filter(|it| nodes.contains(it));
        evidence.extend(swapped.map(|it| format!("{it} is swap")));
    }
    Ok(evidence)
}

fn with_holders(case: &Case<'_>, name: &str, names: &mut Vec<String>) -> Result<()> {
    // A volume may be reached by several of its disks.
    if names.iter().any(|it| it == name) {
        return Ok(());
    }
    names.push(name.to_owned());
    for holder in case.host.list(&Path::new(BLOCK).join(name).join("holders"))? {
        with_holders(case, &holder, names)?;
    }
    Ok(())
}

/// Processes that have the device's vfio node open, and how many processes hide their files.
fn guests(case: &Case<'_>) -> Result<(Vec<String>, usize)> {
    let open = open_files::of_guests(case.host, case.device)?;
    Ok((open.found.iter().map(ToString::to_string).collect(), open.hidden))
}
