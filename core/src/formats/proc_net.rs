//! The kernel's tables of routes and of TCP connections, as `/proc/net` shows them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `RTF_UP` (include/uapi/linux/route.h).
const UP: u32 = 0x1;

/// `RTF_REJECT`: such a route leads nowhere.
const REJECT: u32 = 0x200;

/// `TCP_ESTABLISHED` (include/net/tcp_states.h).
const ESTABLISHED: &str = "01";

/// A route that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The network.
    pub network: IpAddr,
    /// Length of its prefix; 0 for the default route.
    pub prefix: u32,
    /// Interface that packets leave by.
    pub interface: String,
    /// The router they are sent to; `None` where the other side is on the link.
    pub gateway: Option<IpAddr>,
}

/// A connection that is established.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Address of this host.
    pub local: IpAddr,
    /// Port of this host.
    pub port: u16,
    /// Address of the other side.
    pub remote: IpAddr,
    /// Port of the other side.
    pub remote_port: u16,
    /// Number of its socket, by which `/proc/PID/fd` names it; 0 for one of the kernel's.
    pub inode: u64,
}

/// Reads `/proc/net/route`.
pub fn parse_route(text: &str) -> Vec<Route> {
    text.lines().skip(1).filter_map(route).collect()
}

fn route(line: &str) -> Option<Route> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [interface, network, gateway, flags, _, _, _, mask, ..] = fields[..] else { return None };
    let flags = u32::from_str_radix(flags, 16).ok()?;
    let usable = flags & UP != 0 && flags & REJECT == 0;
    let prefix = u32::from_str_radix(mask, 16).ok()?.count_ones();
    let network = IpAddr::V4(v4(network)?);
    let gateway = v4(gateway).map(IpAddr::V4).filter(|it| !it.is_unspecified());
    usable.then(|| Route { network, prefix, interface: interface.to_owned(), gateway })
}

/// Reads `/proc/net/ipv6_route`.
pub fn parse_ipv6_route(text: &str) -> Vec<Route> {
    text.lines().filter_map(ipv6_route).collect()
}

fn ipv6_route(line: &str) -> Option<Route> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [network, prefix, _, _, gateway, _, _, _, flags, interface] = fields[..] else { return None };
    let flags = u32::from_str_radix(flags, 16).ok()?;
    let usable = flags & UP != 0 && flags & REJECT == 0;
    let network = IpAddr::V6(Ipv6Addr::from(u128::from_str_radix(network, 16).ok()?));
    let prefix = u32::from_str_radix(prefix, 16).ok()?;
    let gateway = u128::from_str_radix(gateway, 16).ok()?;
    let gateway = Some(IpAddr::V6(Ipv6Addr::from(gateway))).filter(|it| !it.is_unspecified());
    usable.then(|| Route { network, prefix, interface: interface.to_owned(), gateway })
}

/// Reads the established connections of `/proc/net/tcp` or `/proc/net/tcp6`.
pub fn parse_tcp(text: &str) -> Vec<Connection> {
    text.lines().skip(1).filter_map(connection).collect()
}

fn connection(line: &str) -> Option<Connection> {
    let mut fields = line.split_whitespace().skip(1);
    let (local, remote, state) = (fields.next()?, fields.next()?, fields.next()?);
    let (local, port) = local.split_once(':')?;
    let (remote, remote_port) = remote.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let remote_port = u16::from_str_radix(remote_port, 16).ok()?;
    let (local, remote) = (address(local)?, address(remote)?);
    // Queues, timer, retransmits, user and timeout stand between.
    let inode = fields.nth(5).and_then(|it| it.parse().ok()).unwrap_or_default();
    (state == ESTABLISHED).then_some(Connection { local, port, remote, remote_port, inode })
}

fn address(text: &str) -> Option<IpAddr> {
    if text.len() == 8 {
        return Some(IpAddr::V4(v4(text)?));
    }
    let mut bytes = [0; 16];
    for (index, word) in bytes.chunks_exact_mut(4).enumerate() {
        word.copy_from_slice(&v4(text.get(index * 8..index * 8 + 8)?)?.octets());
    }
    // An IPv4 connection of an IPv6 socket is shown as ::ffff:a.b.c.d.
    Some(Ipv6Addr::from(bytes).to_canonical())
}

/// A word in network order that the kernel printed as a number of its own order, which is little-endian on every
/// machine with PCI passthrough.
fn v4(text: &str) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(u32::from_str_radix(text, 16).ok()?.to_le_bytes()))
}

impl Route {
    /// Returns whether the address is in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32_u32.saturating_sub(self.prefix)).unwrap_or(0);
                u32::from(network) & mask == u32::from(address) & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(self.prefix)).unwrap_or(0);
                u128::from(network) & mask == u128::from(address) & mask
            }
            _ => false,
        }
    }
}

/// Returns the route that packets to an address take: that with the longest prefix.
pub fn route_to(routes: &[Route], address: IpAddr) -> Option<&Route> {
    // Of equal prefixes the kernel lists the one with the lowest metric first.
    routes.iter().rev().filter(|it| it.contains(address)).max_by_key(|it| it.prefix)
}

#[cfg(test)]
mod tests {
    use super::{parse_ipv6_route, parse_route, parse_tcp, route_to};

    const ROUTES: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
        eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n\
        eth1\t0003A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";

    #[test]
    fn packets_take_the_route_with_the_longest_prefix() {
        let routes = parse_route(ROUTES);
        let interface =
            |address: &str| route_to(&routes, address.parse().unwrap()).unwrap().interface.clone();
        assert_eq!(interface("192.168.3.7"), "eth1");
        assert_eq!(interface("192.168.2.7"), "eth0");
        assert_eq!(interface("8.8.8.8"), "eth0");
    }

    #[test]
    fn established_connections_are_read_from_both_tables() {
        let head = "  sl  local_address rem_address   st\n";
        let v4 =
            format!("{head}   0: 0502A8C0:0016 0903A8C0:D431 01 0\n   1: 00000000:0016 00000000:0000 0A 0\n");
        let found = parse_tcp(&v4);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].local.to_string().as_str(), found[0].port), ("192.168.2.5", 22));
        let mapped = "   0: 0000000000000000FFFF00000502A8C0:0016 0000000000000000FFFF00000903A8C0:D431 01\n";
        assert_eq!(parse_tcp(&format!("{head}{mapped}"))[0].remote.to_string(), "192.168.3.9");
    }

    #[test]
    fn the_unreachable_default_route_of_ipv6_is_none() {
        let zero = "0".repeat(32);
        let row = |flags: &str, interface: &str| {
            format!("{zero} 00 {zero} 00 {zero} 00000400 00000001 00000000 {flags} {interface}\n")
        };
        let routes = parse_ipv6_route(&format!("{}{}", row("00200200", "lo"), row("00000003", "eth0")));
        assert_eq!(routes.len(), 1);
        assert_eq!(route_to(&routes, "2001:db8::1".parse().unwrap()).unwrap().interface, "eth0");
    }
}
