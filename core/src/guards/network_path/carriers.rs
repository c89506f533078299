//! Which interfaces, and below them which cards, carry the default route and the SSH connections of a host.

use std::path::Path;

use hoststate_abi::host_view::HostView;

use crate::error::Result;
use crate::formats::pci::PciAddress;
use crate::formats::proc_net::{self, Route};
use crate::machine::interfaces::{NET, lower};
use crate::machine::pci_bus;

/// Where Debian, Ubuntu and the Red Hat family keep the port of sshd.
const SSHD: &str = "/etc/ssh/sshd_config";

/// An interface that traffic goes over, and the cards it is on.
#[derive(Debug)]
pub(super) struct Carrier {
    /// The interface that routes name.
    pub(super) interface: String,
    /// What goes over it, for a sentence.
    pub(super) purposes: Vec<String>,
    /// The PCI devices it hangs on, bridges included.
    pub(super) devices: Vec<PciAddress>,
    /// The physical functions of those that are virtual.
    pub(super) functions: Vec<PciAddress>,
    /// Every hop from the table to the devices.
    pub(super) evidence: Vec<String>,
}

impl Carrier {
    pub(super) fn hangs_on(&self, address: PciAddress) -> bool {
        self.devices.contains(&address) || self.functions.contains(&address)
    }
}

/// Finds the carriers of a host.
pub(super) fn find(host: &HostView) -> Result<Vec<Carrier>> {
    let read = |path: &str| -> Result<String> { Ok(host.read_lossy(Path::new(path))?.unwrap_or_default()) };
    let v4 = proc_net::parse_route(&read("/proc/net/route")?);
    let v6 = proc_net::parse_ipv6_route(&read("/proc/net/ipv6_route")?);
    let mut carriers: Vec<Carrier> = Vec::new();
    for (table, routes) in [("/proc/net/route", &v4), ("/proc/net/ipv6_route", &v6)] {
        for route in routes.iter().filter(|it| it.prefix == 0) {
            let why = format!("{table}: the default route goes over {}", route.interface);
            add(&mut carriers, &route.interface, "the default route", why);
        }
    }
    let all: Vec<Route> = v4.into_iter().chain(v6).collect();
    let ports = ssh_ports(host)?;
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for connection in proc_net::parse_tcp(&read(table)?) {
            if !ports.contains(&connection.port) || connection.remote.is_loopback() {
                continue;
            }
            // Answers leave by the route to the other side; requests come in where the own address is, which is
            // another interface when routes differ by direction.
            for address in [connection.remote, connection.local] {
                if let Some(route) = proc_net::route_to(&all, address).filter(|it| it.interface != "lo") {
                    let why = format!(
                        "{table}: an SSH connection from {} to port {}, by {}",
                        connection.remote, connection.port, route.interface
                    );
                    add(&mut carriers, &route.interface, "an SSH connection", why);
                }
            }
        }
    }
    for carrier in &mut carriers {
        let interface = carrier.interface.clone();
        descend(host, &interface, carrier, &mut Vec::new())?;
    }
    Ok(carriers)
}

fn add(carriers: &mut Vec<Carrier>, interface: &str, purpose: &str, why: String) {
    let at = carriers.iter().position(|it| it.interface == interface).unwrap_or_else(|| {
        carriers.push(Carrier {
            interface: interface.to_owned(),
            purposes: Vec::new(),
            devices: Vec::new(),
            functions: Vec::new(),
            evidence: Vec::new(),
        });
        carriers.len() - 1
    });
    let carrier = &mut carriers[at];
    if !carrier.purposes.iter().any(|it| it == purpose) {
        carrier.purposes.push(purpose.to_owned());
    }
    if !carrier.evidence.contains(&why) {
        carrier.evidence.push(why);
    }
}

fn ssh_ports(host: &HostView) -> Result<Vec<u16>> {
    let mut ports = vec![22];
    let directory = Path::new("/etc/ssh/sshd_config.d");
    let mut files = vec![Path::new(SSHD).to_owned()];
    files.extend(host.list(directory)?.into_iter().map(|it| directory.join(it)));
    for file in files {
        let text = host.read_lossy(&file)?.unwrap_or_default();
        let words = text.lines().map(|it| it.split_whitespace().collect::<Vec<_>>());
        let named = words.filter(|it| it.first().is_some_and(|it| it.eq_ignore_ascii_case("port")));
        ports.extend(named.filter_map(|it| it.get(1)?.parse::<u16>().ok()));
    }
    Ok(ports)
}

/// Goes from an interface to those it is made of, and to the cards at the end.
fn descend(host: &HostView, interface: &str, carrier: &mut Carrier, seen: &mut Vec<String>) -> Result<()> {
    if seen.iter().any(|it| it == interface) {
        return Ok(());
    }
    seen.push(interface.to_owned());
    let link = Path::new(NET).join(interface);
    for address in cards(host, interface)? {
        let path = link.display();
        carrier.evidence.push(format!("{path} is on {address}"));
        carrier.devices.push(address);
        if let Some(physfn) = pci_bus::device(host, address)?.and_then(|it| it.physfn) {
            let path = pci_bus::directory(address).join("physfn");
            carrier.evidence.push(format!("{} is {physfn}", path.display()));
            carrier.functions.push(physfn);
        }
    }
    let lower = lower(host, interface)?;
    if !lower.is_empty() {
        carrier.evidence.push(format!("{} is made of {}", link.display(), lower.join(" ")));
    }
    for interface in lower {
        descend(host, &interface, carrier, seen)?;
    }
    Ok(())
}

/// Returns the PCI devices of an interface: by its own path, and by what the cards list, as a capture may have only
/// one of them.
fn cards(host: &HostView, interface: &str) -> Result<Vec<PciAddress>> {
    let mut cards = pci_bus::above(host, &Path::new(NET).join(interface))?;
    for device in pci_bus::devices(host)?.iter() {
        let has = device.interfaces.iter().any(|it| it.name == interface);
        if has && !cards.contains(&device.address) {
            cards.push(device.address);
        }
    }
    Ok(cards)
}
