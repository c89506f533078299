//! What a host must not lose by a boot: its root file system, writable, and its way to the network.

use std::net::IpAddr;
use std::path::Path;

use hoststate_abi::host_view::HostView;
use hoststate_abi::pci_address::PciAddress;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::formats::mount_table;
use crate::formats::proc_net::{self, Route};
use crate::machine::block_devices;
use crate::machine::interfaces::{NET, lower};
use crate::machine::pci_bus;

const BY_UUID: &str = "/dev/disk/by-uuid";

/// What a host had.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// What `/` is mounted from.
    pub root: Option<String>,
    /// UUID of that file system. The kernel may name the same disk otherwise in the next boot.
    pub root_uuid: Option<String>,
    /// Interface of the default route. The next boot may give the same card another name.
    pub interface: Option<String>,
    /// The cards below that interface, bridges, bonds and VLANs in between.
    #[serde(default)]
    pub cards: Vec<PciAddress>,
    /// Their hardware addresses. The next boot may give the same card another PCI address.
    #[serde(default)]
    pub macs: Vec<String>,
    /// The router of the default route.
    #[serde(default)]
    pub gateway: Option<IpAddr>,
}

/// A default route, and what is below its interface.
#[derive(Debug, Default)]
struct Way {
    interface: String,
    gateway: Option<IpAddr>,
    /// Interfaces with a device of their own.
    ports: Vec<String>,
    cards: Vec<PciAddress>,
    macs: Vec<String>,
}

impl Witness {
    /// Reads what a host has.
    ///
    /// # Errors
    /// When its mounts or routes cannot be read.
    pub fn read(host: &HostView) -> Result<Self> {
        let (_, mounts) = block_devices::mounts(host)?;
        let root = mount_table::covering(&mounts, "/").map(|it| it.source.clone());
        let root_uuid = match &root {
            Some(source) => uuid(host, source)?,
            None => None,
        };
        let Some(way) = ways(host)?.into_iter().next() else {
            return Ok(Self { root, root_uuid, ..Self::default() });
        };
        let Way { interface, gateway, cards, macs, .. } = way;
        Ok(Self { root, root_uuid, interface: Some(interface), cards, macs, gateway })
    }

    /// Returns what a host has lost since, in words.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub fn lost(&self, host: &HostView) -> Result<Vec<String>> {
        let now = Self::read(host)?;
        let mut lost = Vec::new();
        let shown = |it: &Option<String>| it.clone().unwrap_or_else(|| "nothing".to_owned());
        let (table, mounts) = block_devices::mounts(host)?;
        let is_same = match (&self.root_uuid, &now.root_uuid) {
            (Some(before), Some(now)) => before == now,
            _ => self.root == now.root,
        };
        if !is_same {
            lost.push(format!(
                "{table}: / is mounted from {}, before from {}",
                shown(&now.root),
                shown(&self.root)
            ));
        } else if mount_table::covering(&mounts, "/").is_some_and(mount_table::Mount::is_read_only) {
            lost.push(format!("{table}: / is mounted read-only"));
        }
        if let Some(interface) = &self.interface {
            lost.extend(self.lost_way(interface, host)?);
        }
        Ok(lost)
    }

    /// Returns why the network that was reached before is not, in words.
    fn lost_way(&self, interface: &str, host: &HostView) -> Result<Option<String>> {
        let ways = ways(host)?;
        let Some(way) = ways.iter().find(|it| self.is_same(it)) else {
            let before = told(interface, &self.cards, self.gateway);
            return Ok(Some(match ways.first() {
                Some(it) => format!(
                    "/proc/net/route: the default route leaves by {}, before by {before}",
                    told(&it.interface, &it.cards, it.gateway)
                ),
                None => format!("/proc/net/route has no default route; before, it left by {before}"),
            }));
        };
        if let Some(down) = down(host, &way.interface)? {
            return Ok(Some(down));
        }
        // A bridge is up while any port of it is, be it that of a virtual machine.
        let mut all_down = None;
        for port in &way.ports {
            match down(host, port)? {
                Some(down) => all_down = all_down.or(Some(down)),
                None => return Ok(None),
            }
        }
        Ok(all_down)
    }

    /// Returns whether a route leaves by the card of before, whatever it is called now, to the router of before.
    fn is_same(&self, way: &Way) -> bool {
        let is_same_card = way.cards.iter().any(|it| self.cards.contains(it))
            || way.macs.iter().any(|it| self.macs.contains(it))
            || (self.cards.is_empty() && self.interface.as_ref() == Some(&way.interface));
        is_same_card && (self.gateway.is_none() || self.gateway == way.gateway)
    }
}

fn told(interface: &str, cards: &[PciAddress], gateway: Option<IpAddr>) -> String {
    let cards: Vec<String> = cards.iter().map(ToString::to_string).collect();
    let cards = if cards.is_empty() { String::new() } else { format!(" ({})", cards.join(" ")) };
    let gateway = gateway.map_or(String::new(), |it| format!(" to {it}"));
    format!("{interface}{cards}{gateway}")
}

/// Returns that an interface is down, in words, if it is.
fn down(host: &HostView, interface: &str) -> Result<Option<String>> {
    let path = Path::new(NET).join(interface).join("operstate");
    let state = host.attribute(&path)?;
    let is_down = matches!(state.as_deref(), Some("down" | "lowerlayerdown" | "notpresent"));
    Ok(state.filter(|_| is_down).map(|it| format!("{} is {it}", path.display())))
}

fn uuid(host: &HostView, source: &str) -> Result<Option<String>> {
    let device = host.resolve(Path::new(source))?;
    for name in host.list(Path::new(BY_UUID))? {
        if host.resolve(&Path::new(BY_UUID).join(&name))? == device {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Returns the default routes, that which the kernel prefers first.
fn ways(host: &HostView) -> Result<Vec<Way>> {
    let read = |path: &str| host.read_lossy(Path::new(path));
    let v4 = proc_net::parse_route(&read("/proc/net/route")?.unwrap_or_default());
    let v6 = proc_net::parse_ipv6_route(&read("/proc/net/ipv6_route")?.unwrap_or_default());
    let mut ways = Vec::new();
    // The kernel lists the route it prefers first.
    for Route { interface, gateway, .. } in v4.into_iter().chain(v6).filter(|it| it.prefix == 0) {
        let mut way = Way { gateway, ..Way::default() };
        descend(host, &interface, &mut way, &mut Vec::new())?;
        ways.push(Way { interface, ..way });
    }
    Ok(ways)
}

fn descend(host: &HostView, interface: &str, way: &mut Way, seen: &mut Vec<String>) -> Result<()> {
    if seen.iter().any(|it| it == interface) {
        return Ok(());
    }
    seen.push(interface.to_owned());
    let link = Path::new(NET).join(interface);
    // Behind the card itself are the bridges it hangs on, which other cards hang on as well.
    let above = pci_bus::above(host, &link)?.into_iter().next();
    let listed = pci_bus::devices(host)?;
    let mut listed = listed.iter().filter(|it| it.interfaces.iter().any(|it| it.name == interface));
    if let Some(card) = above.or_else(|| listed.next().map(|it| it.address)) {
        way.cards.push(card);
        way.ports.push(interface.to_owned());
        let mac = host.attribute(&link.join("address"))?;
        way.macs.extend(mac.filter(|it| it.chars().any(|it| !"0:".contains(it))));
    }
    for interface in lower(host, interface)? {
        descend(host, &interface, way, seen)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use hoststate_testkit::tree::Tree;

    use super::Witness;

    const HEAD: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n";

    fn route(interface: &str, gateway: &str) -> String {
        format!("{interface}\t00000000\t{gateway}\t0003\t0\t0\t0\t00000000\n")
    }

    /// A card with an interface, behind the root port that all cards of these hosts hang on.
    fn card(tree: &Tree, address: &str, name: &str, mac: &str) {
        let device = format!("/sys/devices/pci0000:00/0000:00:1c.0/{address}");
        let of_interface = format!("{device}/net/{name}");
        tree.write(format!("{of_interface}/address"), format!("{mac}\n"));
        tree.write(format!("{of_interface}/operstate"), "up\n");
        tree.link(Path::new("/sys/class/net").join(name), of_interface);
    }

    fn bridge(tree: &Tree, name: &str, port: &str) {
        tree.write(format!("/sys/class/net/{name}/address"), "52:54:00:00:00:99\n");
        tree.write(format!("/sys/class/net/{name}/operstate"), "up\n");
        tree.write(format!("/sys/class/net/{name}/brif/{port}/state"), "3\n");
        tree.write(format!("/sys/class/net/{name}/brif/vnet0/state"), "3\n");
    }

    fn host(cards: &[(&str, &str, &str)], routes: &str) -> Tree {
        let tree = Tree::new(&[("/proc/self/mountinfo", "22 1 253:1 / / rw - ext4 /dev/vda1 rw\n")]);
        cards.iter().for_each(|(address, name, mac)| card(&tree, address, name, mac));
        tree.write("/proc/net/route", format!("{HEAD}{routes}"));
        tree
    }

    const A: &str = "52:54:00:00:00:0a";
    const B: &str = "52:54:00:00:00:0b";
    const ROUTER: &str = "0102A8C0";

    fn before() -> Witness {
        let tree =
            host(&[("0000:02:00.0", "enp2s0", A), ("0000:03:00.0", "enp3s0", B)], &route("enp2s0", ROUTER));
        Witness::read(&tree.view()).expect("a witness")
    }

    fn lost(after: &Tree) -> Vec<String> {
        before().lost(&after.view()).expect("an answer")
    }

    #[test]
    fn the_same_card_under_another_name_is_no_loss() {
        let named = host(&[("0000:02:00.0", "eth0", A)], &route("eth0", ROUTER));
        assert_eq!(lost(&named), [""; 0]);
        let moved = host(&[("0000:05:00.0", "enp5s0", A)], &route("enp5s0", ROUTER));
        assert_eq!(lost(&moved), [""; 0]);
        let changed = host(&[("0000:02:00.0", "enp2s0", "52:54:00:00:00:0c")], &route("enp2s0", ROUTER));
        assert_eq!(lost(&changed), [""; 0]);
    }

    #[test]
    fn a_bridge_over_the_same_card_is_no_loss_while_the_card_is_up() {
        let tree = host(&[("0000:02:00.0", "enp2s0", A)], &route("br0", ROUTER));
        bridge(&tree, "br0", "enp2s0");
        assert_eq!(lost(&tree), [""; 0]);
        tree.write("/sys/class/net/enp2s0/operstate", "down\n");
        assert_eq!(lost(&tree), ["/sys/class/net/enp2s0/operstate is down"]);
    }

    #[test]
    fn another_card_of_the_same_name_is_a_loss() {
        let swapped = host(&[("0000:03:00.0", "enp2s0", B)], &route("enp2s0", ROUTER));
        assert_eq!(
            lost(&swapped),
            [
                "/proc/net/route: the default route leaves by enp2s0 (0000:03:00.0) to 192.168.2.1, before by enp2s0 \
              (0000:02:00.0) to 192.168.2.1"
            ]
        );
    }

    #[test]
    fn another_router_is_a_loss_and_another_route_beside_it_is_not() {
        let cards = [("0000:02:00.0", "enp2s0", A), ("0000:03:00.0", "enp3s0", B)];
        let other = host(&cards, &route("enp2s0", "0903A8C0"));
        assert_eq!(
            lost(&other),
            [
                "/proc/net/route: the default route leaves by enp2s0 (0000:02:00.0) to 192.168.3.9, before by enp2s0 \
              (0000:02:00.0) to 192.168.2.1"
            ]
        );
        let both = host(&cards, &(route("enp3s0", "0903A8C0") + &route("enp2s0", ROUTER)));
        assert_eq!(lost(&both), [""; 0]);
    }

    #[test]
    fn a_record_that_knows_a_name_only_is_compared_by_it() {
        let before: Witness =
            serde_json::from_str(r#"{"root":"/dev/vda1","root_uuid":null,"interface":"eth0"}"#)
                .expect("a witness");
        let same = host(&[("0000:02:00.0", "eth0", A)], &route("eth0", ROUTER));
        assert_eq!(before.lost(&same.view()).expect("an answer"), [""; 0]);
        let other = host(&[("0000:02:00.0", "eth1", A)], &route("eth1", ROUTER));
        assert!(before.lost(&other.view()).expect("an answer")[0].ends_with("before by eth0"));
    }
}
