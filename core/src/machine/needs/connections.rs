//! Which interfaces the SSH connections of a host come in and go out by.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use hoststate_abi::host_view::HostView;

use super::network::{add, doubt, text};
use super::{Kind, Need};
use crate::error::Result;
use crate::formats::fib_trie::{Row, Table};
use crate::formats::proc_net::{self, Connection, Route};
use crate::machine::interfaces::{self, NET};
use crate::machine::route_tables;

/// What such a connection is in a sentence.
const SSH: &str = "an SSH connection";

/// Where Debian, Ubuntu and the Red Hat family keep the port of sshd.
const SSHD: &str = "/etc/ssh/sshd_config";

/// Where an address of this host is.
enum Home {
    /// Where the main table leads.
    Main,
    /// On this interface, and answers leave by these, of the table that the address is in.
    On { interface: String, answers: Vec<String> },
    /// In a VRF, or in the table of one.
    Vrf,
    /// In another table, by which rules send what comes from it.
    Other,
}

/// Adds the connections to the needs of a host whose main tables are `routes`.
pub(super) fn find(host: &HostView, routes: &[Route], needs: &mut Vec<Need>) -> Result<()> {
    let ports = ssh_ports(host)?;
    let vrfs = vrf_members(host)?;
    let mut astray = Vec::new();
    for (table, connection) in all(host)? {
        if !ports.contains(&connection.port) || connection.remote.is_loopback() {
            continue;
        }
        let what = format!("{table}: {SSH} from {} to port {}", connection.remote, connection.port);
        // The table of IPv6 is all tables.
        let home = match connection.local {
            IpAddr::V4(local) => home(host, routes, (local, connection.remote), !vrfs.is_empty())?,
            IpAddr::V6(_) => Home::Main,
        };
        let lost = format!("{what}, whose address {} is in no route of the main table", connection.local);
        match home {
            Home::Vrf => {
                for (interface, vrf) in &vrfs {
                    add(needs, interface, SSH, format!("{lost}; {interface} is in the VRF {vrf}"));
                }
                continue;
            }
            Home::On { interface, answers } => {
                let why = format!("{what}, whose address {} is on {interface}", connection.local);
                add(needs, &interface, SSH, why);
                for it in answers {
                    add(needs, &it, SSH, format!("{what}, and answers leave by {it}"));
                }
                continue;
            }
            Home::Other => astray.push(lost),
            Home::Main => {}
        }
        // Answers leave by the route to the other side; requests come in where the own address is, which is
        // another interface when routes differ by direction.
        for address in [connection.remote, connection.local] {
            if let Some(route) = proc_net::route_to(routes, address).filter(|it| it.interface != "lo") {
                add(needs, &route.interface, SSH, format!("{what}, by {}", route.interface));
            }
        }
    }
    if !astray.is_empty() {
        let mut need = Need::new(Kind::Network, "another table", SSH);
        need.evidence.extend(astray);
        doubt(host, routes, "it", &mut need)?;
        needs.push(need);
    }
    Ok(())
}

/// Returns the connections of the host, each with its table.
pub(super) fn all(host: &HostView) -> Result<Vec<(&'static str, Connection)>> {
    let mut connections = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let found = proc_net::parse_tcp(&text(host, table)?);
        connections.extend(found.into_iter().map(|it| (table, it)));
    }
    Ok(connections)
}

/// Returns where an address of this host is, as far as its tables tell.
fn home(
    host: &HostView,
    routes: &[Route],
    (local, remote): (Ipv4Addr, IpAddr),
    has_vrfs: bool,
) -> Result<Home> {
    let address = IpAddr::V4(local);
    if proc_net::route_to(routes, address).is_some_and(|it| it.prefix > 0) {
        return Ok(Home::Main);
    }
    let rows = route_tables::of(host)?;
    // The addresses of a VRF are in its own table (net/ipv4/fib_frontend.c, `fib_magic`), all others in the local one.
    let own = rows.iter().find(|it| it.is_own && it.prefix == 32 && it.network == local);
    if let Some(own) = own
        && let Some(interface) = route_tables::interface(host, own)?
    {
        return Ok(Home::On { interface, answers: answers(host, &rows, own, remote)? });
    }
    let mut others = rows.iter().filter(|it| matches!(it.table, Table::Other(_)));
    let is_its = |it: &Row| it.prefix > 0 && it.contains(local);
    let is_other = others.clone().any(is_its);
    if has_vrfs && (rows.is_empty() || others.any(|it| it.is_own && is_its(it))) {
        return Ok(Home::Vrf);
    }
    if rows.is_empty() {
        return Ok(if is_alone(routes) { Home::Main } else { Home::Other });
    }
    Ok(if is_other { Home::Other } else { Home::Main })
}

/// Returns the interfaces that answers to `remote` may leave by: those of the table of a VRF, or of the main one and of
/// those that rules may lead to.
fn answers(host: &HostView, rows: &[Row], own: &Row, remote: IpAddr) -> Result<Vec<String>> {
    let IpAddr::V4(remote) = remote else { return Ok(Vec::new()) };
    let is_of_vrf = matches!(own.table, Table::Other(_));
    let mut best: Vec<&Row> = Vec::new();
    for row in rows.iter().filter(|it| !it.is_own && it.contains(remote)) {
        if is_of_vrf && row.table != own.table {
            continue;
        }
        match best.iter_mut().find(|it| it.table == row.table) {
            Some(known) if known.prefix < row.prefix => *known = row,
            Some(_) => {}
            None => best.push(row),
        }
    }
    let mut interfaces = Vec::new();
    for row in best {
        interfaces.extend(route_tables::interface(host, row)?.filter(|it| it != "lo"));
    }
    Ok(interfaces)
}

/// Returns whether an interface of the default route has no network of its own, so that its address is one without a
/// network (/32), as clouds give it out.
fn is_alone(routes: &[Route]) -> bool {
    let v4 = || routes.iter().filter(|it| it.network.is_ipv4());
    v4().filter(|it| it.prefix == 0).any(|default| {
        let mut own = v4().filter(|it| it.interface == default.interface && it.gateway.is_none());
        own.all(|it| matches!(it.prefix, 0 | 32))
    })
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
