//! Which interfaces, and below them which cards, carry the default route, the SSH connections and the network disks of
//! a host.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use super::{Kind, Need};
use crate::error::Result;
use crate::formats::proc_net::{self, Route};
use crate::machine::interfaces::{self, NET};
use crate::machine::pci_bus;

/// The main tables of routes.
const V4: &str = "/proc/net/route";
const V6: &str = "/proc/net/ipv6_route";

/// Where Debian, Ubuntu and the Red Hat family keep the port of sshd.
const SSHD: &str = "/etc/ssh/sshd_config";

/// Sessions of PPP over Ethernet, with the interface below each (drivers/net/ppp/pppoe.c).
const PPPOE: &str = "/proc/net/pppoe";

/// The peers of pppd, whose files name the interface for PPP over Ethernet.
const PEERS: &str = "/etc/ppp/peers";

/// Returns what goes over which interfaces.
pub(super) fn find(host: &HostView) -> Result<Vec<Need>> {
    let all = routes(host)?;
    let mut needs: Vec<Need> = Vec::new();
    for route in all.iter().filter(|it| it.prefix == 0) {
        let table = if route.network.is_ipv4() { V4 } else { V6 };
        let why = format!("{table}: the default route goes over {}", route.interface);
        add(&mut needs, &route.interface, "the default route", why);
    }
    let ports = ssh_ports(host)?;
    let vrfs = vrf_members(host)?;
    let mut astray = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for connection in proc_net::parse_tcp(&text(host, table)?) {
            if !ports.contains(&connection.port) || connection.remote.is_loopback() {
                continue;
            }
            let what =
                format!("{table}: an SSH connection from {} to port {}", connection.remote, connection.port);
            // The tables show the main table only. An address of this host that is on none of its links is one of a VRF,
            // or of a table that rules lead to.
            let own = proc_net::route_to(&all, connection.local);
            if own.is_none_or(|it| it.prefix == 0) && connection.local.is_ipv4() {
                for (interface, vrf) in &vrfs {
                    let why = format!(
                        "{what}, whose address {} is in no route of the main table",
                        connection.local
                    );
                    add(
                        &mut needs,
                        interface,
                        "an SSH connection",
                        format!("{why}; {interface} is in the VRF {vrf}"),
                    );
                }
                if vrfs.is_empty() {
                    astray.push(what.clone());
                } else {
                    continue;
                }
            }
            // Answers leave by the route to the other side; requests come in where the own address is, which is
            // another interface when routes differ by direction.
            for address in [connection.remote, connection.local] {
                if let Some(route) = proc_net::route_to(&all, address).filter(|it| it.interface != "lo") {
                    add(
                        &mut needs,
                        &route.interface,
                        "an SSH connection",
                        format!("{what}, by {}", route.interface),
                    );
                }
            }
        }
    }
    if !astray.is_empty() {
        let mut need = Need::new(Kind::Network, "another table", "an SSH connection");
        need.evidence.extend(
            astray.into_iter().map(|it| format!("{it}, whose address is in no route of the main table")),
        );
        doubt(host, &all, "it", &mut need)?;
        needs.push(need);
    }
    for need in needs.iter_mut().filter(|it| it.is_certain) {
        let interface = need.name.clone();
        follow(host, &all, &interface, need)?;
    }
    needs.retain(|it| !it.devices.is_empty());
    Ok(needs)
}

/// Adds the way to a server: the interface of the route to it, and the cards below.
pub(super) fn way_to(host: &HostView, server: IpAddr, need: &mut Need) -> Result<()> {
    if server.is_loopback() {
        return Ok(());
    }
    let all = routes(host)?;
    let Some(route) = proc_net::route_to(&all, server).filter(|it| it.interface != "lo") else {
        return Ok(());
    };
    need.evidence.push(format!("the route to {server} goes over {}", route.interface));
    follow(host, &all, &route.interface, need)
}

/// Reads the main tables.
fn routes(host: &HostView) -> Result<Vec<Route>> {
    let mut all = proc_net::parse_route(&text(host, V4)?);
    all.extend(proc_net::parse_ipv6_route(&text(host, V6)?));
    Ok(all)
}

fn text(host: &HostView, path: &str) -> Result<String> {
    Ok(host.read_lossy(Path::new(path))?.unwrap_or_default())
}

/// Adds the cards below an interface, or those that it may go over.
fn follow(host: &HostView, all: &[Route], interface: &str, need: &mut Need) -> Result<()> {
    descend(host, interface, need, &mut Vec::new())?;
    if need.devices.is_empty() && is_without_card(host, interface)? {
        doubt(host, all, interface, need)?;
    }
    Ok(())
}

fn add(needs: &mut Vec<Need>, interface: &str, purpose: &str, why: String) {
    let at = needs.iter().position(|it| it.name == interface).unwrap_or_else(|| {
        needs.push(Need { uses: Vec::new(), ..Need::new(Kind::Network, interface, purpose) });
        needs.len() - 1
    });
    let need = &mut needs[at];
    if !need.uses.iter().any(|it| it == purpose) {
        need.uses.push(purpose.to_owned());
    }
    if !need.evidence.contains(&why) {
        need.evidence.push(why);
    }
}

/// Returns the interfaces that are members of VRFs, each with the VRF.
fn vrf_members(host: &HostView) -> Result<Vec<(String, String)>> {
    let mut members = Vec::new();
    for name in host.list(Path::new(NET))? {
        let event = host.read_lossy(&Path::new(NET).join(&name).join("uevent"))?.unwrap_or_default();
        if event.lines().any(|it| it == "DEVTYPE=vrf") {
            members.extend(interfaces::lower(host, &name)?.into_iter().map(|it| (it, name.clone())));
        }
    }
    Ok(members)
}

/// Returns whether an interface exists and is none of a card, of this or another bus.
fn is_without_card(host: &HostView, interface: &str) -> Result<bool> {
    let directory = Path::new(NET).join(interface);
    Ok(interface != "lo" && host.exists(&directory)? && !host.exists(&directory.join("device"))?)
}

/// Adds every card with a route or a running link to a need whose own card nothing shows: a tunnel of a kind that sysfs
/// does not tie to what it goes over.
fn doubt(host: &HostView, all: &[Route], interface: &str, need: &mut Need) -> Result<()> {
    need.is_certain = false;
    let routed: BTreeSet<&str> = all.iter().map(|it| it.interface.as_str()).collect();
    need.evidence.push(format!("nothing shows which card {interface} goes over"));
    for name in host.list(Path::new(NET))?.into_iter().filter(|it| it != interface) {
        let directory = Path::new(NET).join(&name);
        let is_up = host.attribute(&directory.join("operstate"))?.as_deref() == Some("up");
        let by_route = routed.contains(name.as_str());
        if is_up || by_route {
            let before = need.devices.len();
            let mut below = Need::new(Kind::Network, &name, &name);
            descend(host, &name, &mut below, &mut Vec::new())?;
            let new: Vec<_> = below.devices.into_iter().filter(|it| !need.devices.contains(it)).collect();
            need.devices.extend(new);
            need.functions.extend(below.functions);
            if need.devices.len() > before {
                let shown = if by_route { "has a route" } else { "has a running link" };
                need.evidence.push(format!("{name} {shown}, and may be it"));
                need.evidence.extend(below.evidence);
            }
        }
    }
    Ok(())
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
fn descend(host: &HostView, interface: &str, need: &mut Need, seen: &mut Vec<String>) -> Result<()> {
    if seen.iter().any(|it| it == interface) {
        return Ok(());
    }
    seen.push(interface.to_owned());
    let link = Path::new(NET).join(interface);
    for address in cards(host, interface)? {
        let path = link.display();
        need.evidence.push(format!("{path} is on {address}"));
        need.devices.push(address);
        if let Some(physfn) = pci_bus::device(host, address)?.and_then(|it| it.physfn) {
            let path = pci_bus::directory(address).join("physfn");
            need.evidence.push(format!("{} is {physfn}", path.display()));
            need.functions.push(physfn);
        }
    }
    let mut lower = interfaces::lower(host, interface)?;
    if lower.is_empty() && interface.starts_with("ppp") {
        lower = below_ppp(host, need)?;
    }
    if !lower.is_empty() {
        need.evidence.push(format!("{} is made of {}", link.display(), lower.join(" ")));
    }
    for interface in lower {
        descend(host, &interface, need, seen)?;
    }
    Ok(())
}

/// Returns the interfaces that sessions of PPP go over. Which session is whose the kernel does not say.
fn below_ppp(host: &HostView, need: &mut Need) -> Result<Vec<String>> {
    let mut lower = BTreeSet::new();
    let sessions = host.read_lossy(Path::new(PPPOE))?.unwrap_or_default();
    for line in sessions.lines().skip(1) {
        if let Some(interface) = line.split_whitespace().nth(2) {
            need.evidence.push(format!("{PPPOE}: a session goes over {interface}"));
            lower.insert(interface.to_owned());
        }
    }
    if lower.is_empty() {
        for name in host.list(Path::new(PEERS))? {
            let path = Path::new(PEERS).join(name);
            let text = host.read_lossy(&path)?.unwrap_or_default();
            let lines = text.lines().filter(|it| !it.trim_start().starts_with('#'));
            for word in lines.flat_map(str::split_whitespace) {
                let word = word.trim_start_matches("nic-");
                if !word.contains('/') && host.exists(&Path::new(NET).join(word))? && word != "lo" {
                    need.evidence.push(format!("{} names {word}", path.display()));
                    lower.insert(word.to_owned());
                }
            }
        }
    }
    Ok(lower.into_iter().collect())
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
