//! The servers of network block devices (NBD) and of images of Ceph (RBD), which sysfs does not tie to a connection.

use std::net::IpAddr;
use std::path::Path;

use hoststate_abi::host_view::HostView;

use super::connections;
use super::remote::address;
use crate::error::Result;
use crate::formats::kernel_cmdline::Cmdline;
use crate::formats::proc_net::Connection;
use crate::machine::block_devices::BLOCK;

/// The port of NBD (IANA), those of monitors of Ceph, and those of its daemons that keep the data (`ms_bind_port_min`,
/// `ms_bind_port_max`).
const NBD: [u16; 1] = [10809];
const MONITORS: [u16; 2] = [3300, 6789];
const DAEMONS: std::ops::RangeInclusive<u16> = 6800..=7568;

/// Which devices nbd-client connects at boot (nbdtab(5)).
const NBDTAB: &str = "/etc/nbdtab";

/// Parameters by which an image connects root: of nbd-client's own script, and of dracut (dracut.cmdline(7)).
const PARAMETERS: [&str; 3] = ["nbdroot", "netroot", "root"];

/// Returns the servers of a network block device: those of the sockets of the process that connected it; else of what
/// configures it; else those with the port of NBD.
pub(super) fn of_nbd(host: &HostView, name: &str) -> Result<Vec<(IpAddr, String)>> {
    let disk = name.split('p').next().unwrap_or(name);
    let connections = connections::all(host)?;
    let path = Path::new(BLOCK).join(disk).join("pid");
    let mut servers = Vec::new();
    if let Some(process) = host.attribute(&path)? {
        let directory = Path::new("/proc").join(process.trim()).join("fd");
        for descriptor in host.list(&directory)? {
            let Some(target) = host.link_target(&directory.join(&descriptor))? else { continue };
            let inode =
                target.to_str().and_then(|it| it.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            let is_its = |it: &&(&str, Connection)| Some(it.1.inode) == inode && !it.1.remote.is_loopback();
            servers.extend(connections.iter().filter(is_its).map(|(table, it)| {
                (
                    it.remote,
                    format!("{table}: process {} of {disk} is connected to {}", process.trim(), it.remote),
                )
            }));
        }
    }
    if servers.is_empty() {
        servers = configured(host, disk)?;
    }
    if servers.is_empty() {
        servers = by_port(&connections, |it| NBD.contains(&it));
    }
    Ok(servers)
}

/// Returns the servers that nbdtab and the kernel command line name for a network block device.
fn configured(host: &HostView, disk: &str) -> Result<Vec<(IpAddr, String)>> {
    let mut servers = Vec::new();
    let table = host.read_lossy(Path::new(NBDTAB))?.unwrap_or_default();
    for (index, line) in table.lines().enumerate() {
        let mut fields = line.split_whitespace();
        if fields.next().is_some_and(|it| it.trim_start_matches("/dev/") == disk)
            && let Some(server) = fields.next()
        {
            let found = addresses(host, server)?.into_iter();
            servers.extend(found.map(|it| (it, format!("{NBDTAB}:{}: {disk} is of {server}", index + 1))));
        }
    }
    let line = Cmdline::parse(&host.attribute(Path::new("/proc/cmdline"))?.unwrap_or_default());
    for parameter in line.parameters().filter(|it| PARAMETERS.iter().any(|name| it.same_name(name))) {
        let value = parameter.value().unwrap_or_default();
        // `nbdroot=SERVER,PORT`, `root=nbd:SERVER:PORT:…`.
        let value = match value.strip_prefix("nbd:") {
            Some(value) => value,
            None if parameter.same_name("nbdroot") => value,
            None => continue,
        };
        let server = match value.strip_prefix('[').and_then(|it| it.split_once(']')) {
            Some((server, _)) => server,
            None => value.split([',', ':', '/']).next().unwrap_or_default(),
        };
        let found = addresses(host, server)?.into_iter();
        servers.extend(found.map(|it| (it, format!("/proc/cmdline: {}", parameter.raw()))));
    }
    Ok(servers)
}

/// Returns the servers of an image of Ceph: its monitors, the own address of the connection, and, as the data comes from
/// other machines than these, whatever is connected to a port of their daemons.
pub(super) fn of_rbd(host: &HostView, name: &str) -> Result<Vec<(IpAddr, String)>> {
    let number: String = name.trim_start_matches("rbd").chars().take_while(char::is_ascii_digit).collect();
    let directory = Path::new("/sys/bus/rbd/devices").join(number);
    let mut servers = Vec::new();
    // `10.0.3.20:6789,10.0.3.21:6789 name=admin … pool image -` (Documentation/ABI/testing/sysfs-bus-rbd).
    let path = directory.join("config_info");
    let added = host.attribute(&path)?.unwrap_or_default();
    let monitors = added.split_whitespace().next().unwrap_or_default();
    servers.extend(
        monitors.split(',').filter_map(address).map(|it| (it, format!("{} has {it}", path.display()))),
    );
    let path = directory.join("client_addr");
    let own = host.attribute(&path)?.unwrap_or_default();
    let own = address(own.split('/').next().unwrap_or_default()).filter(|it| !it.is_unspecified());
    servers.extend(own.map(|it| (it, format!("{} is {it}", path.display()))));
    let is_its = |it: u16| MONITORS.contains(&it) || DAEMONS.contains(&it);
    servers.extend(by_port(&connections::all(host)?, is_its));
    Ok(servers)
}

/// Returns the addresses of a server: itself, or what /etc/hosts has for its name.
fn addresses(host: &HostView, server: &str) -> Result<Vec<IpAddr>> {
    if let Ok(address) = server.parse() {
        return Ok(vec![address]);
    }
    let text = host.read_lossy(Path::new("/etc/hosts"))?.unwrap_or_default();
    let rows = text.lines().map(|it| it.split('#').next().unwrap_or_default().split_whitespace());
    Ok(rows
        .filter_map(|mut it| {
            let address = it.next()?.parse().ok()?;
            it.any(|name| name.eq_ignore_ascii_case(server)).then_some(address)
        })
        .collect())
}

fn by_port(connections: &[(&str, Connection)], is_its: impl Fn(u16) -> bool) -> Vec<(IpAddr, String)> {
    let found = connections.iter().filter(|it| is_its(it.1.remote_port) && !it.1.remote.is_loopback());
    found
        .map(|(table, it)| {
            (it.remote, format!("{table}: a connection to {} port {}", it.remote, it.remote_port))
        })
        .collect()
}
