//! Cards that the default route and SSH go over.

use expect_test::expect;
use hoststate_testkit::pci::SysfsDevice;
use hoststate_testkit::tree::Tree;
use serde_json::{Value, json};

use crate::sysfs::{host, with_default_route, with_interface, with_nic};
use crate::{check, harmless};

fn take(address: &str) -> Value {
    json!([{ "type": "driver_binding", "device": address, "driver": "vfio-pci" }])
}

fn two_cards() -> Tree {
    let tree = host();
    with_nic(&tree, "0000:03:00.0", "igb", "eth0", 13);
    with_nic(&tree, "0000:04:00.0", "igb", "eth1", 14);
    tree
}

#[test]
fn the_card_of_the_default_route_is_not_taken() {
    let tree = two_cards();
    with_default_route(&tree, "eth0");
    check(
        &tree,
        take("0000:03:00.0"),
        expect![[r#"
            refuse network-path-d82326: 0000:03:00.0 leaves igb for vfio-pci, and the default route goes over it
                /proc/net/route: the default route goes over eth0
                /sys/class/net/eth0 is on 0000:03:00.0
                /sys/bus/pci/devices/0000:03:00.0/driver is igb
                /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:03:00.0 to vfio-pci
                "0000:03:00.0" is written to /sys/bus/pci/devices/0000:03:00.0/driver/unbind
                /sys/bus/pci/devices/0000:03:00.0/driver_override names vfio-pci
        "#]],
    );
    harmless(&tree, take("0000:04:00.0"));
}

#[test]
fn the_card_of_the_default_route_of_ipv6_is_not_taken() {
    let tree = two_cards();
    let zero = "0".repeat(32);
    let row = format!("{zero} 00 {zero} 00 {zero} 00000400 00000001 00000000 00000003     eth0\n");
    tree.write("/proc/net/ipv6_route", row);
    check(
        &tree,
        take("0000:03:00.0"),
        expect![[r#"
            refuse network-path-d82326: 0000:03:00.0 leaves igb for vfio-pci, and the default route goes over it
                /proc/net/ipv6_route: the default route goes over eth0
                /sys/class/net/eth0 is on 0000:03:00.0
                /sys/bus/pci/devices/0000:03:00.0/driver is igb
                /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:03:00.0 to vfio-pci
                "0000:03:00.0" is written to /sys/bus/pci/devices/0000:03:00.0/driver/unbind
                /sys/bus/pci/devices/0000:03:00.0/driver_override names vfio-pci
        "#]],
    );
    harmless(&tree, take("0000:04:00.0"));
}

#[test]
fn the_card_of_an_ssh_connection_is_not_taken() {
    let tree = two_cards();
    let routes = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                  eth1\t0003A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
                  eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
    tree.write("/proc/net/route", routes);
    let connection = |port: &str, state: &str| {
        format!("  sl  local_address rem_address   st\n   0: 0503A8C0:{port} 0903A8C0:D431 {state} 0\n")
    };
    tree.write("/proc/net/tcp", connection("0016", "01"));
    check(
        &tree,
        take("0000:04:00.0"),
        expect![[r#"
            refuse network-path-d6ff6e: 0000:04:00.0 leaves igb for vfio-pci, and an SSH connection goes over it
                /proc/net/tcp: an SSH connection from 192.168.3.9 to port 22, by eth1
                /sys/class/net/eth1 is on 0000:04:00.0
                /sys/bus/pci/devices/0000:04:00.0/driver is igb
                /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:04:00.0 to vfio-pci
                "0000:04:00.0" is written to /sys/bus/pci/devices/0000:04:00.0/driver/unbind
                /sys/bus/pci/devices/0000:04:00.0/driver_override names vfio-pci
        "#]],
    );
    harmless(&tree, take("0000:03:00.0"));
    tree.write("/proc/net/tcp", connection("0016", "06"));
    harmless(&tree, take("0000:04:00.0"));
    tree.write("/proc/net/tcp", connection("08AE", "01"));
    harmless(&tree, take("0000:04:00.0"));
    tree.write("/etc/ssh/sshd_config", "Port 2222\n");
    check(
        &tree,
        take("0000:04:00.0"),
        expect![[r#"
            refuse network-path-d6ff6e: 0000:04:00.0 leaves igb for vfio-pci, and an SSH connection goes over it
                /proc/net/tcp: an SSH connection from 192.168.3.9 to port 2222, by eth1
                /sys/class/net/eth1 is on 0000:04:00.0
                /sys/bus/pci/devices/0000:04:00.0/driver is igb
                /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:04:00.0 to vfio-pci
                "0000:04:00.0" is written to /sys/bus/pci/devices/0000:04:00.0/driver/unbind
                /sys/bus/pci/devices/0000:04:00.0/driver_override names vfio-pci
        "#]],
    );
}

#[test]
fn the_cards_below_a_vlan_of_a_bridge_of_a_bond_are_not_taken() {
    let tree = two_cards();
    with_nic(&tree, "0000:05:00.0", "igb", "eth2", 15);
    for name in ["bond0", "br0", "br0.7"] {
        tree.directory(format!("/sys/devices/virtual/net/{name}"));
        tree.link(format!("/sys/class/net/{name}"), format!("../../devices/virtual/net/{name}"));
    }
    tree.link("/sys/devices/virtual/net/br0/brif/bond0", "x");
    tree.write("/sys/devices/virtual/net/bond0/bonding/slaves", "eth0 eth1\n");
    let vlans =
        "VLAN Dev name    | VLAN ID\nName-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD\nbr0.7  | 7  | br0\n";
    tree.write("/proc/net/vlan/config", vlans);
    with_default_route(&tree, "br0.7");
    check(
        &tree,
        take("0000:04:00.0"),
        expect![[r#"
            refuse network-path-addbfd: 0000:04:00.0 leaves igb for vfio-pci, and the default route goes over it
                /proc/net/route: the default route goes over br0.7
                /sys/class/net/br0.7 is made of br0
                /sys/class/net/br0 is made of bond0
                /sys/class/net/bond0 is made of eth0 eth1
                /sys/class/net/eth0 is on 0000:03:00.0
                /sys/class/net/eth1 is on 0000:04:00.0
                /sys/bus/pci/devices/0000:04:00.0/driver is igb
                /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:04:00.0 to vfio-pci
                "0000:04:00.0" is written to /sys/bus/pci/devices/0000:04:00.0/driver/unbind
                /sys/bus/pci/devices/0000:04:00.0/driver_override names vfio-pci
        "#]],
    );
    harmless(&tree, take("0000:05:00.0"));
}

#[test]
fn the_ports_of_a_switch_are_not_taken() {
    let tree = two_cards();
    for name in ["br-ex", "ovs-system"] {
        tree.directory(format!("/sys/devices/virtual/net/{name}"));
        tree.link(format!("/sys/class/net/{name}"), format!("../../devices/virtual/net/{name}"));
    }
    tree.link("/sys/devices/pci0000:00/0000:03:00.0/net/eth0/master", "../../../../virtual/net/ovs-system");
    with_default_route(&tree, "br-ex");
    check(
        &tree,
        take("0000:03:00.0"),
        expect![[r#"
            refuse network-path-2d72d5: 0000:03:00.0 leaves igb for vfio-pci, and the default route goes over it
                /proc/net/route: the default route goes over br-ex
                /sys/class/net/br-ex is made of eth0
                /sys/class/net/eth0 is on 0000:03:00.0
                /sys/bus/pci/devices/0000:03:00.0/driver is igb
                /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:03:00.0 to vfio-pci
                "0000:03:00.0" is written to /sys/bus/pci/devices/0000:03:00.0/driver/unbind
                /sys/bus/pci/devices/0000:03:00.0/driver_override names vfio-pci
        "#]],
    );
    harmless(&tree, take("0000:04:00.0"));
}

#[test]
fn a_function_that_resets_itself_is_refused_and_others_are_warned_of() {
    let tree = host();
    SysfsDevice::igb("0000:3b:00.0").driver("ixgbe").write(&tree);
    SysfsDevice::igb("0000:3b:00.1").write(&tree);
    with_interface(&tree, "0000:3b:00.0", "eth0");
    with_interface(&tree, "0000:3b:00.1", "eth1");
    let count = |address: &str| json!([{ "type": "sriov_numvfs", "device": address, "numvfs": 4 }]);
    with_default_route(&tree, "eth0");
    check(
        &tree,
        count("0000:3b:00.0"),
        expect![[r#"
            refuse network-path-c2c6a6: 0000:3b:00.0 gets 4 virtual functions: its driver resets the card for that, and the default route goes over it
                /proc/net/route: the default route goes over eth0
                /sys/class/net/eth0 is on 0000:3b:00.0
                /sys/bus/pci/devices/0000:3b:00.0/driver is ixgbe
                /sys/bus/pci/devices/0000:3b:00.0/sriov_numvfs is 0; 4 is written there
        "#]],
    );
    harmless(&tree, count("0000:3b:00.1"));
    with_default_route(&tree, "eth1");
    check(
        &tree,
        count("0000:3b:00.1"),
        expect![[r#"
            warn network-path-a779d9: 0000:3b:00.1 gets 4 virtual functions: many drivers take the link down for a moment then, and the default route goes over it
                /proc/net/route: the default route goes over eth1
                /sys/class/net/eth1 is on 0000:3b:00.1
                /sys/bus/pci/devices/0000:3b:00.1/driver is igb
                /sys/bus/pci/devices/0000:3b:00.1/sriov_numvfs is 0; 4 is written there
        "#]],
    );
    harmless(&tree, count("0000:3b:00.0"));
}

#[test]
fn a_virtual_function_that_carries_the_route_is_not_removed_with_the_others() {
    let tree = host();
    SysfsDevice::igb("0000:3b:00.0").write(&tree);
    SysfsDevice::new("0000:3b:10.0", 0x8086, 0x10ca, 0x02_0000).driver("igbvf").write(&tree);
    tree.link("/sys/devices/pci0000:00/0000:3b:10.0/physfn", "../0000:3b:00.0");
    tree.link("/sys/devices/pci0000:00/0000:3b:00.0/virtfn0", "../0000:3b:10.0");
    tree.write("/sys/devices/pci0000:00/0000:3b:00.0/sriov_numvfs", "1\n");
    with_interface(&tree, "0000:3b:10.0", "eth5");
    let gone = json!([{ "type": "sriov_numvfs", "device": "0000:3b:00.0", "numvfs": 0 }]);
    harmless(&tree, gone.clone());
    with_default_route(&tree, "eth5");
    check(
        &tree,
        gone,
        expect![[r#"
            refuse network-path-4bc42d: 0000:3b:00.0 gets 0 virtual functions: its virtual functions are removed, and the default route goes over it
                /proc/net/route: the default route goes over eth5
                /sys/class/net/eth5 is on 0000:3b:10.0
                /sys/bus/pci/devices/0000:3b:10.0/physfn is 0000:3b:00.0
                /sys/bus/pci/devices/0000:3b:00.0/driver is igb
                /sys/bus/pci/devices/0000:3b:00.0/sriov_numvfs is 1; 0 is written there
            refuse vfs-in-use-28ea8b: changing the number of virtual functions of 0000:3b:00.0 removes all 1, and 0000:3b:10.0 is in use
                eth5 is up and /proc/net/route has an address or route on it
                /sys/bus/pci/devices/0000:3b:00.0/sriov_numvfs is 1; 0 is written there
        "#]],
    );
}
