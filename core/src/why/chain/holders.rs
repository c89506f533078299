//! The links at the end: the group, the driver now, and who holds the device.

use std::path::Path;

use super::{Case, Link, Standing};
use crate::error::Result;
use crate::guards::rebinding;
use crate::machine::guests;
use crate::machine::iommu_groups;
use crate::machine::needs;
use crate::machine::open_files;
use crate::machine::pci_bus;
use crate::machine::pci_bus::driver_name::is_for_guests;
use crate::machine::users;

/// The IOMMU group and its members: a guest gets all of a group or nothing of it.
pub(super) fn group(case: &Case<'_>) -> Result<Link> {
    let address = case.device.address;
    let Some(group) = case.device.iommu_group else { return no_group(case) };
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

/// The group that it will be in, as far as its configuration space tells.
fn no_group(case: &Case<'_>) -> Result<Link> {
    let address = case.device.address;
    let standing = if case.wants_vfio() { Standing::Waits } else { Standing::Fact };
    let evidence = vec![format!("{}: no iommu_group", pci_bus::directory(address).display())];
    let unknown = |why: &str| format!("it is in no group, and which it will be in cannot be foretold: {why}");
    let foretold = iommu_groups::foretold(case.host)?;
    let finding = match foretold.members(address) {
        Some(members) if members.len() > 1 => {
            let others = members.iter().filter(|it| **it != address).map(ToString::to_string);
            let others = others.collect::<Vec<_>>().join(", ");
            format!("it is in no group, and by configuration space will be in one with {others}")
        }
        Some(_) => "it is in no group, and by configuration space will be alone in one".to_owned(),
        None => unknown(foretold.why_not(address).unwrap_or("it is no device of this host")),
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
    evidence.extend(needed(case)?);
    let directory = pci_bus::directory(case.device.address);
    if !case.device.virtfns.is_empty() {
        let count = case.device.virtfns.len();
        evidence.push(format!("{}/virtfn*: {count} virtual functions", directory.display()));
    }
    for guest in
        guests::started_at_boot(case.host)?.iter().filter(|it| it.devices.contains(&case.device.address))
    {
        evidence.push(rebinding::taken_by(guest, case.device.address));
    }
    evidence.extend(what_goes_with(case)?);
    let (by_processes, hidden) = processes(case)?;
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

/// What the host needs of the device beside its own interfaces: file systems, swap, volumes, the ways that go over it.
fn needed(case: &Case<'_>) -> Result<Vec<String>> {
    let needs = needs::of(case.host)?;
    Ok(needs::evidence(needs.iter().filter(|it| it.is_certain && it.hangs_on(case.device.address))))
}

/// Processes that have the device open, and how many processes hide their files.
fn processes(case: &Case<'_>) -> Result<(Vec<String>, usize)> {
    let of_guests = open_files::of_guests(case.host, case.device)?;
    let of_host = open_files::of_device(case.host, case.device)?;
    let found = of_guests.found.iter().chain(&of_host.found);
    Ok((found.map(ToString::to_string).collect(), of_guests.hidden.max(of_host.hidden)))
}

/// Who uses the virtual functions of the device, and what is built on its interfaces: what goes with it, as guards tell it.
fn what_goes_with(case: &Case<'_>) -> Result<Vec<String>> {
    let functions = users::functions(case.host, case.device)?;
    let uses = users::of(case.host, &functions)?.uses;
    let upper = users::upper(case.host, case.device)?.map(|it| it.1);
    let mediated = users::mediated(case.host, case.device.address)?;
    let shown = uses.into_iter().map(|it| format!("{}: {}", it.device, it.evidence));
    Ok(shown.chain(upper).chain(mediated.into_iter().map(|it| it.1)).collect())
}
