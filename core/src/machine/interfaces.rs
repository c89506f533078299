//! What network interfaces are made of: ports of bridges, slaves of bonds, what is below a VLAN.

use std::path::Path;

use hoststate_abi::host_view::HostView;

use crate::error::Result;

/// Where the kernel shows them.
pub const NET: &str = "/sys/class/net";

/// Returns the interfaces that one is made of: slaves of a bond, ports of a bridge, what is below a VLAN.
///
/// # Errors
/// When `/sys/class/net` or `/proc/net/vlan` cannot be read.
pub fn lower(host: &HostView, interface: &str) -> Result<Vec<String>> {
    let link = Path::new(NET).join(interface);
    let mut lower: Vec<String> = host.list(&link.join("brif"))?;
    let slaves = host.attribute(&link.join("bonding/slaves"))?.unwrap_or_default();
    lower.extend(slaves.split_whitespace().map(str::to_owned));
    lower.extend(host.list(&link)?.iter().filter_map(|it| it.strip_prefix("lower_")).map(str::to_owned));
    // `eth0.5         | 5  | eth0`
    let vlans = host.read_lossy(Path::new("/proc/net/vlan/config"))?.unwrap_or_default();
    let rows = vlans.lines().map(|it| it.split('|').map(str::trim).collect::<Vec<_>>());
    lower.extend(rows.filter(|it| it[0] == interface).filter_map(|it| it.get(2).map(|it| (*it).to_owned())));
    if lower.is_empty() && host.link_target(&link.join("device"))?.is_none() {
        lower.extend(switch_ports(host, interface)?);
    }
    lower.sort();
    lower.dedup();
    Ok(lower)
}

/// Returns the ports of Open vSwitch for an interface that has no card and no slaves: sysfs does not say which of
/// its bridges an internal port belongs to, so all ports could be below it.
fn switch_ports(host: &HostView, interface: &str) -> Result<Vec<String>> {
    let mut ports = Vec::new();
    let is_virtual = interface != "lo" && host.exists(&Path::new(NET).join(interface))?;
    if is_virtual && host.exists(&Path::new(NET).join("ovs-system"))? {
        for name in host.list(Path::new(NET))?.into_iter().filter(|it| it != interface) {
            let master = host.link_target(&Path::new(NET).join(&name).join("master"))?;
            if master.is_some_and(|it| it.ends_with("ovs-system")) {
                ports.push(name);
            }
        }
    }
    Ok(ports)
}
