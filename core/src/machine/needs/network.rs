//! Which interfaces, and below them which cards, carry the default route and what else goes over the network.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;

use super::{Kind, Need, connections};
use crate::error::Result;
use crate::formats::proc_net::{self, Route};
use crate::machine::interfaces::{self, NET};
use crate::machine::pci_bus;
use crate::machine::route_tables;

/// The main tables of routes.
const V4: &str = "/proc/net/route";
const V6: &str = "/proc/net/ipv6_route";

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
    for (table, interface) in route_tables::defaults_beside(host)? {
        let what = format!("the default route of table {table}");
        add(&mut needs, &interface, &what, format!("table {table}: the default route goes over {interface}"));
    }
    connections::find(host, &all, &mut needs)?;
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

pub(super) fn text(host: &HostView, path: &str) -> Result<String> {
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

/// Adds what goes over an interface.
pub(super) fn add(needs: &mut Vec<Need>, interface: &str, purpose: &str, why: String) {
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

/// Returns whether an interface exists and is none of a card, of this or another bus.
fn is_without_card(host: &HostView, interface: &str) -> Result<bool> {
    let directory = Path::new(NET).join(interface);
    Ok(interface != "lo" && host.exists(&directory)? && !host.exists(&directory.join("device"))?)
}

/// Adds every card with a route or a running link to a need whose own card nothing shows: a tunnel of a kind that sysfs
/// does not tie to what it goes over.
pub(super) fn doubt(host: &HostView, all: &[Route], interface: &str, need: &mut Need) -> Result<()> {
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
