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

/// Three cards, of which the second leads to 10.0.3.0/24, and root on a block device of a name.
fn root_on(name: &str) -> Tree {
    let tree = three_cards();
    tree.write(format!("/sys/devices/virtual/block/{name}/dev"), "43:0\n");
    tree.link(format!("/sys/class/block/{name}"), format!("../../devices/virtual/block/{name}"));
    tree.write("/proc/mounts", format!("/dev/{name} / ext4 rw 0 0\n"));
    tree
}

fn connection(local: &str, remote: &str, inode: u32) -> String {
    let head =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    let row = "00000000:00000000 02:000005A0 00000000     0        0";
    format!("{head}   0: {local} {remote} 01 {row} {inode} 2 0000000000000000 20 4 30 10 -1\n")
}

#[test]
fn the_server_of_a_network_block_device_is_told_by_what_connects_it() {
    // 10.0.3.7:40000 to 10.0.3.20:4711.
    let other_port = connection("0703000A:9C40", "1403000A:1267", 5150);
    let by_socket = |tree: &Tree| {
        tree.write("/sys/devices/virtual/block/nbd0/pid", "812\n");
        tree.link("/proc/812/fd/3", "socket:[5150]");
        tree.write("/proc/net/tcp", &other_port);
    };
    let by_table =
        |tree: &Tree| tree.write("/etc/nbdtab", "# nbd0 192.168.2.9 x\nnbd0 10.0.3.20 export port=4711\n");
    let by_name = |tree: &Tree| {
        tree.write("/etc/nbdtab", "nbd0\tStore\texport\n");
        tree.write("/etc/hosts", "127.0.0.1 localhost\n10.0.3.20 store.example store # the disks\n");
    };
    let by_script = |tree: &Tree| tree.write("/proc/cmdline", "nbdroot=10.0.3.20,4711 root=/dev/nbd0 ro\n");
    let by_dracut = |tree: &Tree| tree.write("/proc/cmdline", "root=nbd:10.0.3.20:4711:ext4 ro\n");
    for with in [&by_socket as &dyn Fn(&Tree), &by_table, &by_name, &by_script, &by_dracut] {
        let tree = root_on("nbd0");
        with(&tree);
        assert_eq!(kept(&tree), [WAN, SECOND]);
    }
    // Another device of the table, and another process, are not its.
    let tree = root_on("nbd1");
    by_table(&tree);
    by_socket(&tree);
    assert_eq!(kept(&tree), [WAN]);
    // A partition is of its disk.
    let tree = root_on("nbd0p1");
    by_table(&tree);
    assert_eq!(kept(&tree), [WAN, SECOND]);
}

#[test]
fn the_servers_of_an_image_of_ceph_are_told_by_what_added_it() {
    let monitors = |tree: &Tree| {
        tree.write(
            "/sys/bus/rbd/devices/0/config_info",
            "10.0.3.20:6789,10.0.3.21:6789 name=admin pool image -\n",
        );
    };
    let own = |tree: &Tree| tree.write("/sys/bus/rbd/devices/0/client_addr", "10.0.3.7:0/3158267541\n");
    // 10.0.3.7:40000 to a daemon that keeps data, 10.0.3.30:6801.
    let data = |tree: &Tree| tree.write("/proc/net/tcp", connection("0703000A:9C40", "1E03000A:1A91", 0));
    for with in [&monitors as &dyn Fn(&Tree), &own, &data] {
        let tree = root_on("rbd0");
        with(&tree);
        assert_eq!(kept(&tree), [WAN, SECOND]);
        let tree = root_on("rbd1");
        with(&tree);
        assert_eq!(kept(&tree).len(), if tree.read("/proc/net/tcp").is_some() { 2 } else { 1 });
    }
}
