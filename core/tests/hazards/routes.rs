//! Own addresses without a network, and tables of routes beside the main one.

use hoststate_testkit::tree::Tree;

use crate::needs::{FREE, SECOND, WAN, take, three_cards, virtual_interface};
use crate::{harmless, plan};

const HEAD: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n";

/// Returns the cards of three that may not be taken.
fn kept(tree: &Tree) -> Vec<&'static str> {
    let is_kept = |it: &&str| !plan(tree, &take(it), &[]).guards.is_empty();
    [WAN, SECOND, FREE].into_iter().filter(is_kept).collect()
}

/// Three running cards, and an SSH connection from 192.0.2.9 to 198.51.100.7.
fn connected(routes: &str) -> Tree {
    let tree = three_cards();
    for (address, name) in [(WAN, "wan0"), (SECOND, "lan0"), (FREE, "free0")] {
        tree.write(format!("/sys/devices/pci0000:00/{address}/net/{name}/operstate"), "up\n");
    }
    tree.write("/proc/net/route", format!("{HEAD}{routes}"));
    let row = "   0: 076433C6:0016 090200C0:C350 01 0:0 0:0 0 0 0 0\n";
    tree.write("/proc/net/tcp", format!("  sl  local_address rem_address   st\n{row}"));
    tree
}

/// The default route over a router on the link, and a network at the second card.
const CLOUD: &str = "wan0\t00000000\t016433C6\t0003\t0\t0\t100\t00000000\n\
                     wan0\t016433C6\t00000000\t0005\t0\t0\t100\tFFFFFFFF\n\
                     lan0\t0003000A\t00000000\t0001\t0\t0\t100\t00FFFFFF\n";

const OFFICE: &str = "wan0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\n\
                      wan0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\n\
                      lan0\t0003000A\t00000000\t0001\t0\t0\t100\t00FFFFFF\n";

const LOCAL: &str = "Local:\n  |-- 198.51.100.7\n     /32 host LOCAL\n";

#[test]
fn an_own_address_without_a_network_makes_no_other_card_suspect() {
    let tree = connected(CLOUD);
    assert_eq!(kept(&tree), [WAN]);
    tree.write("/proc/net/fib_trie", format!("Main:\n  |-- 0.0.0.0\n     /0 universe UNICAST\n{LOCAL}"));
    assert_eq!(kept(&tree), [WAN]);
    harmless(&tree, take(FREE));
    // Nor is it where the address is on no card, as routers have it.
    let tree = connected(OFFICE);
    tree.write("/proc/net/fib_trie", LOCAL);
    assert_eq!(kept(&tree), [WAN]);
    // A host with a VRF for something else.
    vrf(&tree);
    assert_eq!(kept(&tree), [WAN]);
}

#[test]
fn an_own_address_in_another_table_may_be_on_any_card() {
    let tree = connected(OFFICE);
    assert_eq!(kept(&tree), [WAN, SECOND, FREE]);
    for routes in [CLOUD, OFFICE] {
        let tree = connected(routes);
        tree.write(
            "/proc/net/fib_trie",
            format!("{LOCAL}Id 100:\n  |-- 198.51.100.0\n     /24 link UNICAST\n"),
        );
        assert_eq!(kept(&tree), [WAN, SECOND, FREE]);
    }
}

fn vrf(tree: &Tree) {
    virtual_interface(tree, "mgmt");
    tree.write("/sys/devices/virtual/net/mgmt/uevent", "DEVTYPE=vrf\nINTERFACE=mgmt\n");
    tree.link("/sys/devices/virtual/net/mgmt/lower_lan0", "../../../pci0000:00/0000:04:00.0/net/lan0");
}

#[test]
fn an_own_address_in_the_table_of_a_vrf_is_on_a_card_of_it() {
    let tree = connected(CLOUD);
    vrf(&tree);
    tree.write(
        "/proc/net/fib_trie",
        "Local:\n  |-- 10.0.3.1\n     /32 host LOCAL\n\
         Id 10:\n  |-- 198.51.100.0\n     /24 link UNICAST\n  |-- 198.51.100.7\n     /32 host LOCAL\n",
    );
    assert_eq!(kept(&tree), [WAN, SECOND]);
}
