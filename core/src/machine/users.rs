//! What goes with a PCI function, and who uses it: the virtual functions of a physical one, mediated devices, and what
//! is built on them, mounted from them or has them open.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use crate::error::{Error, Result};
use crate::formats::proc_net;
use crate::machine::interfaces::NET;
use crate::machine::needs::{self, Kind};
use crate::machine::open_files::{self, OpenFile};
use crate::machine::pci_bus::driver_name;
use crate::machine::pci_bus::{self, PciDevice};

/// Base class of network controllers (include/linux/pci_ids.h).
const NETWORK: u32 = 0x02;

/// `IFF_UP` (include/uapi/linux/if.h).
const UP: u32 = 0x1;

/// One use of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The function.
    pub device: PciAddress,
    /// What of it is used, for a sentence, where that is not the function itself: `its mediated device …`.
    pub part: Option<String>,
    /// The process that has it, as `qemu-system-x86 (process 520)`.
    pub holder: Option<String>,
    /// Whether the kernel makes whoever takes the function away wait until that process lets go.
    pub waits: bool,
    /// What shows it.
    pub evidence: String,
}

/// Who uses some functions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Users {
    /// Every use, by function in the order asked for.
    pub uses: Vec<Use>,
    /// Functions that are kept for guests while processes hide their files, so that it cannot be told whether one has them.
    pub untold: Vec<PciAddress>,
}

/// Returns the virtual functions of a device, as they are.
///
/// # Errors
/// When a function cannot be read.
pub fn functions(host: &HostView, device: &PciDevice) -> Result<Vec<PciDevice>> {
    let all = pci_bus::devices(host)?;
    let at = |it: &PciAddress| all.binary_search_by_key(it, |device| device.address).ok();
    Ok(device.virtfns.iter().filter_map(at).map(|it| all[it].clone()).collect())
}

/// Returns who uses functions that are to go, each by itself: what is built on its interfaces, is mounted from it or has
/// it open. The files that processes have open are read once.
///
/// # Errors
/// When the host cannot be read.
pub fn of(host: &HostView, devices: &[PciDevice]) -> Result<Users> {
    let mut users = Users::default();
    if devices.is_empty() {
        return Ok(users);
    }
    let needs = needs::of(host)?;
    let mut open = open(host, devices)?;
    for device in devices {
        let address = device.address;
        let shown = |evidence| Use { device: address, part: None, holder: None, waits: false, evidence };
        users.uses.extend(open.files.remove(&address).into_iter().flatten());
        users.uses.extend(of_interfaces(host, device)?.map(shown));
        for need in needs.iter().filter(|it| it.kind == Kind::Storage && it.devices.contains(&address)) {
            users.uses.extend(need.evidence.first().cloned().map(shown));
        }
        for (mediated, evidence) in mediated(host, address)? {
            users.uses.push(Use { part: Some(format!("its mediated device {mediated}")), ..shown(evidence) });
        }
        let driver = device.driver.as_deref().unwrap_or_default();
        if driver == "pciback" || driver == "xen-pciback" {
            let link = pci_bus::directory(address).join("driver");
            users.uses.push(shown(format!("{} is {driver}: a guest of Xen may have it", link.display())));
        }
    }
    let is_for_guests = |it: &&PciDevice| it.driver.as_deref().is_some_and(driver_name::is_for_guests);
    if open.hidden > 0 {
        let is_told = |address: PciAddress| users.uses.iter().any(|it| it.device == address);
        let untold = devices.iter().filter(is_for_guests).map(|it| it.address).filter(|it| !is_told(*it));
        users.untold = untold.collect();
    }
    Ok(users)
}

/// Returns the processes that would make a write to this attribute wait: one that removes the virtual functions of a
/// device, or takes a device from its driver.
///
/// # Errors
/// When the host cannot be read.
pub fn waited_for(host: &HostView, attribute: &Path, value: &str) -> Result<Vec<Use>> {
    let named = attribute.parent().and_then(Path::file_name).and_then(|it| it.to_str());
    let named: Option<PciAddress> = named.and_then(|it| it.parse().ok());
    let name = attribute.file_name().and_then(|it| it.to_str()).unwrap_or_default();
    let devices = match (name, named, value.trim().parse::<PciAddress>()) {
        ("sriov_numvfs", Some(address), _) => match pci_bus::device(host, address)? {
            // As many as there are is nothing to do.
            Some(device) if device.sriov.is_some_and(|it| it.numvfs.to_string() != value.trim()) => {
                device.virtfns
            }
            _ => Vec::new(),
        },
        ("unbind", _, Ok(address)) => vec![address],
        ("remove", Some(address), _) => vec![address],
        _ => Vec::new(),
    };
    let mut read = Vec::new();
    for address in devices {
        read.extend(pci_bus::device(host, address)?);
    }
    let mut uses: Vec<Use> = open(host, &read)?.files.into_values().flatten().collect();
    uses.retain(|it| it.waits);
    Ok(uses)
}

/// The files of functions that processes have open.
#[derive(Default)]
struct Open {
    files: BTreeMap<PciAddress, Vec<Use>>,
    hidden: usize,
}

fn open(host: &HostView, devices: &[PciDevice]) -> Result<Open> {
    let mut nodes: BTreeMap<PathBuf, Vec<(PciAddress, bool)>> = BTreeMap::new();
    for device in devices {
        for (node, waits) in open_files::nodes(host, device)? {
            nodes.entry(node).or_default().push((device.address, waits));
        }
    }
    if nodes.is_empty() {
        return Ok(Open::default());
    }
    let paths: Vec<PathBuf> = nodes.keys().cloned().collect();
    let found = open_files::of(host, &paths)?;
    let mut open = Open { hidden: found.hidden, ..Open::default() };
    for file in &found.found {
        for (address, waits) in nodes.get(&file.file).into_iter().flatten() {
            open.files.entry(*address).or_default().push(held(*address, *waits, file));
        }
    }
    Ok(open)
}

fn held(device: PciAddress, waits: bool, file: &OpenFile) -> Use {
    let holder = Some(format!("{} (process {})", file.name, file.process));
    Use { device, part: None, holder, waits, evidence: file.to_string() }
}

/// Returns what shows that a network interface of a function is used: what is built on it, a bridge or bond that it is
/// part of, an address or route, another network namespace that has it.
fn of_interfaces(host: &HostView, device: &PciDevice) -> Result<impl Iterator<Item = String>> {
    let mut shown = Vec::new();
    let driver = device.driver.as_deref().unwrap_or_default();
    let is_driven = !driver.is_empty() && !driver_name::is_for_guests(driver);
    if device.id.class >> 16 == NETWORK && device.interfaces.is_empty() && is_driven {
        let directory = pci_bus::directory(device.address);
        shown.push(format!(
            "{} is {driver}, and {} shows no interface: another network namespace has it",
            directory.join("driver").display(),
            directory.join("net").display()
        ));
    }
    for interface in &device.interfaces {
        let directory = Path::new(NET).join(&interface.name);
        let upper = uppers(host)?;
        if let Some((upper, evidence)) = upper.get(&interface.name).into_iter().flatten().next() {
            let used = addressed(host, upper)?;
            let used = used.map(|table| format!(", and {table} has an address or route on {upper}"));
            shown.push(format!("{evidence}{}", used.unwrap_or_default()));
            continue;
        }
        let flags = host.attribute(&directory.join("flags"))?.unwrap_or_default();
        let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap_or(0);
        if flags & UP == 0 {
            continue;
        }
        if let Some(master) = host.link_target(&directory.join("master"))? {
            let master = master.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let link = directory.join("master");
            shown.push(format!("{} is up and {} is {master}", interface.name, link.display()));
        } else if let Some(table) = addressed(host, &interface.name)? {
            shown.push(format!("{} is up and {table} has an address or route on it", interface.name));
        }
    }
    Ok(shown.into_iter())
}

/// The interfaces that are made of another one, such as a VLAN or the macvtap of a guest, by that one, with what shows it.
type Uppers = BTreeMap<String, BTreeSet<(String, String)>>;

/// Returns them, read once for all views. A bridge, bond or team is told by `master`, which counts while the port is up.
fn uppers(host: &HostView) -> Result<Rc<Uppers>> {
    host.derived_once(|host| -> Result<Uppers, Error> {
        let mut uppers = Uppers::new();
        for name in host.list(Path::new(NET))? {
            let directory = Path::new(NET).join(&name);
            let master = host.link_target(&directory.join("master"))?;
            let master =
                master.as_deref().and_then(Path::file_name).map(|it| it.to_string_lossy().into_owned());
            for link in host.list(&directory)? {
                let Some(upper) = link.strip_prefix("upper_") else { continue };
                if master.as_deref() == Some(upper) {
                    continue;
                }
                let evidence = format!("{} is there", directory.join(&link).display());
                uppers.entry(name.clone()).or_default().insert((upper.to_owned(), evidence));
            }
        }
        // `eth0.5         | 5  | eth0`
        let table = "/proc/net/vlan/config";
        let vlans = host.read_lossy(Path::new(table))?.unwrap_or_default();
        for row in vlans.lines().map(|it| it.split('|').map(str::trim).collect::<Vec<_>>()) {
            if let [upper, _, lower] = row[..] {
                let of_lower = uppers.entry(lower.to_owned()).or_default();
                if !of_lower.iter().any(|it| it.0 == upper) {
                    of_lower.insert((upper.to_owned(), format!("{table}: {upper} is built on {lower}")));
                }
            }
        }
        Ok(uppers)
    })
}

/// Returns the interface that is made of one of the device's, and what shows it.
///
/// # Errors
/// When `/sys/class/net` or `/proc/net/vlan` cannot be read.
pub fn upper(host: &HostView, device: &PciDevice) -> Result<Option<(String, String)>> {
    for interface in &device.interfaces {
        if let Some(found) = uppers(host)?.get(&interface.name).into_iter().flatten().next() {
            return Ok(Some(found.clone()));
        }
    }
    Ok(None)
}

/// Returns the mediated devices of a device, each with what shows it (Documentation/driver-api/vfio-mediated-device.rst).
///
/// # Errors
/// When `/sys/bus/mdev` cannot be read.
pub fn mediated(host: &HostView, address: PciAddress) -> io::Result<Vec<(String, String)>> {
    let bus = Path::new("/sys/bus/mdev/devices");
    let mut found = Vec::new();
    for name in host.list(bus)? {
        let path = bus.join(&name);
        if pci_bus::above(host, &path)?.first() == Some(&address) {
            let shown = format!("{} is below {address}", path.display());
            found.push((name, shown));
        }
    }
    Ok(found)
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
