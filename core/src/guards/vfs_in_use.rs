//! `vfs-in-use`: virtual functions and mediated devices that someone uses are lost, because the number of functions changes
//! or the device leaves its driver.

use std::path::Path;

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::proc_net;
use crate::guards::rebinding;
use crate::machine::pci_bus::driver_name;
use crate::machine::pci_bus::{self, PciDevice};
use crate::plan::scene::{Hazard, Scene, Severity};

const NAME: &str = "vfs-in-use";

/// Base class of network controllers (include/linux/pci_ids.h).
const NETWORK: u32 = 0x02;

/// `IFF_UP` (include/uapi/linux/if.h).
const UP: u32 = 0x1;

/// Finds physical functions whose virtual ones are in use. The kernel removes all of them on the way to any other
/// number (drivers/pci/iov.c).
///
/// # Errors
/// When the host cannot be read.
pub fn hazards(scene: Scene<'_>) -> Result<Vec<Hazard>> {
    let mut hazards = Vec::new();
    for (address, path, value) in scene.counts() {
        let Some(device) = pci_bus::device(scene.before, address)? else { continue };
        let now = device.sriov.map_or(0, |it| it.numvfs);
        if now == 0 || value == now.to_string() {
            continue;
        }
        let mut used = Vec::new();
        let mut evidence = Vec::new();
        for virtfn in &device.virtfns {
            let Some(virtfn) = pci_bus::device(scene.before, *virtfn)? else { continue };
            if let Some(why) = use_of(scene.before, &virtfn)? {
                used.push(virtfn.address.to_string());
                evidence.push(why);
            }
        }
        if used.is_empty() {
            continue;
        }
        let are = if used.len() == 1 { "is" } else { "are" };
        let message = format!(
            "changing the number of virtual functions of {address} removes all {now}, and {} {are} in use",
            used.join(", ")
        );
        let (address, now) = (address.to_string(), now.to_string());
        let mut identity: Vec<&str> = vec![&address, &now];
        identity.extend(evidence.iter().map(String::as_str));
        let written = format!("{} is {now}; {value} is written there", path.display());
        let hazard = Hazard::new(NAME, Severity::Refuse, &identity, message).on(&address);
        hazards.push(hazard.shown_by(evidence).shown_by([written]));
    }
    for taken in &rebinding::rebindings(scene)?.all {
        let mut used = Vec::new();
        let mut evidence = Vec::new();
        for virtfn in &taken.device.virtfns {
            let Some(virtfn) = pci_bus::device(scene.before, *virtfn)? else { continue };
            if let Some(why) = use_of(scene.before, &virtfn)? {
                used.push(format!("its virtual function {}", virtfn.address));
                evidence.push(why);
            }
        }
        if let Some((upper, why)) =
            upper(scene.before, &taken.device)?.filter(|_| taken.device.physfn.is_some())
        {
            used.push(format!("{upper}, which is built on it,"));
            evidence.push(why);
        }
        for (mediated, why) in mediated(scene.before, &taken.device)? {
            used.push(format!("its mediated device {mediated}"));
            evidence.push(why);
        }
        if used.is_empty() {
            continue;
        }
        let address = taken.device.address;
        let are = if used.len() == 1 { "is" } else { "are" };
        let message = format!("{address} {}, and {} {are} in use", taken.what(), used.join(", "));
        let identity = taken.identity();
        let mut identity: Vec<&str> = identity.iter().map(String::as_str).collect();
        identity.extend(evidence.iter().map(String::as_str));
        let hazard = Hazard::new(NAME, Severity::Refuse, &identity, message).on(address);
        hazards.push(hazard.shown_by(evidence.iter().cloned()).shown_by(taken.evidence()));
    }
    Ok(hazards)
}

/// Returns the interface that is made of one of the device's, such as a VLAN or the macvtap of a guest, and what shows
/// it.
fn upper(host: &HostView, device: &PciDevice) -> Result<Option<(String, String)>> {
    for interface in &device.interfaces {
        let directory = Path::new("/sys/class/net").join(&interface.name);
        for name in host.list(&directory)? {
            if let Some(upper) = name.strip_prefix("upper_") {
                return Ok(Some((upper.to_owned(), format!("{} is there", directory.join(&name).display()))));
            }
        }
    }
    Ok(None)
}

/// Returns the mediated devices of a device, each with what shows it (Documentation/driver-api/vfio-mediated-device.rst).
fn mediated(host: &HostView, device: &PciDevice) -> Result<Vec<(String, String)>> {
    let bus = Path::new("/sys/bus/mdev/devices");
    let mut found = Vec::new();
    for name in host.list(bus)? {
        let path = bus.join(&name);
        if pci_bus::above(host, &path)?.first() == Some(&device.address) {
            let shown = format!("{} is below {}", path.display(), device.address);
            found.push((name, shown));
        }
    }
    Ok(found)
}

/// Returns what shows that a virtual function is in use.
fn use_of(host: &HostView, virtfn: &PciDevice) -> Result<Option<String>> {
    let Some(driver) = virtfn.driver.as_deref() else { return Ok(None) };
    let link = pci_bus::directory(virtfn.address).join("driver");
    if driver_name::is_for_guests(driver) {
        return Ok(Some(format!("{} is {driver}: a guest or a program may have it", link.display())));
    }
    if virtfn.id.class >> 16 == NETWORK && virtfn.interfaces.is_empty() {
        let net = pci_bus::directory(virtfn.address).join("net");
        return Ok(Some(format!(
            "{} is {driver}, and {} shows no interface: another network namespace has it",
            link.display(),
            net.display()
        )));
    }
    if let Some((_, why)) = upper(host, virtfn)? {
        return Ok(Some(why));
    }
    for interface in &virtfn.interfaces {
        let directory = Path::new("/sys/class/net").join(&interface.name);
        let flags = host.attribute(&directory.join("flags"))?.unwrap_or_default();
        let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap_or(0);
        if flags & UP == 0 {
            continue;
        }
        if let Some(master) = host.link_target(&directory.join("master"))? {
            let master = master.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Ok(Some(format!(
                "{} is up and {} is {master}",
                interface.name,
                directory.join("master").display()
            )));
        }
        if let Some(table) = addressed(host, &interface.name)? {
            return Ok(Some(format!("{} is up and {table} has an address or route on it", interface.name)));
        }
    }
    Ok(None)
}

/// Returns the table that shows an address of an interface. The address every interface of IPv6 gives itself says
/// nothing about its use.
fn addressed(host: &HostView, interface: &str) -> Result<Option<&'static str>> {
    /// The scope of link-local addresses in the fourth column.
    const LINK: &str = "20";
    let routes = host.read_lossy(Path::new("/proc/net/route"))?.unwrap_or_default();
    if proc_net::parse_route(&routes).iter().any(|it| it.interface == interface) {
        return Ok(Some("/proc/net/route"));
    }
    let addresses = host.read_lossy(Path::new("/proc/net/if_inet6"))?.unwrap_or_default();
    let rows = addresses.lines().map(|it| it.split_whitespace().collect::<Vec<_>>());
    let has = rows.filter(|it| it.last() == Some(&interface)).any(|it| it.get(3) != Some(&LINK));
    Ok(has.then_some("/proc/net/if_inet6"))
}
