//! Virtual functions in use when their number changes.

use expect_test::expect;
use hoststate_testkit::pci::{SysfsDevice, register_driver};
use hoststate_testkit::tree::Tree;
use serde_json::{Value, json};

use crate::sysfs::{host, with_interface};
use crate::{check, harmless};

/// A physical function with two virtual ones.
fn two_functions(driver: &str) -> Tree {
    let tree = host();
    SysfsDevice::igb("0000:3b:00.0").write(&tree);
    tree.write("/sys/devices/pci0000:00/0000:3b:00.0/sriov_numvfs", "2\n");
    for index in 0..2 {
        let address = format!("0000:3b:10.{index}");
        SysfsDevice::new(&address, 0x8086, 0x10ca, 0x02_0000).driver(driver).write(&tree);
        tree.link(format!("/sys/devices/pci0000:00/{address}/physfn"), "../0000:3b:00.0");
        tree.link(format!("/sys/devices/pci0000:00/0000:3b:00.0/virtfn{index}"), format!("../{address}"));
    }
    tree
}

fn count(numvfs: u16) -> Value {
    json!([{ "type": "sriov_numvfs", "device": "0000:3b:00.0", "numvfs": numvfs }])
}

#[test]
fn functions_that_guests_may_have_are_not_removed() {
    check(
        &two_functions("vfio-pci"),
        count(4),
        expect![[r#"
            refuse vfs-in-use-f3f887: changing the number of virtual functions of 0000:3b:00.0 removes all 2, and 0000:3b:10.0, 0000:3b:10.1 are in use
                /sys/bus/pci/devices/0000:3b:10.0/driver is vfio-pci: a guest or a program may have it
                /sys/bus/pci/devices/0000:3b:10.1/driver is vfio-pci: a guest or a program may have it
                /sys/bus/pci/devices/0000:3b:00.0/sriov_numvfs is 2; 4 is written there
        "#]],
    );
    let tree = two_functions("igbvf");
    with_interface(&tree, "0000:3b:10.0", "eth5");
    with_interface(&tree, "0000:3b:10.1", "eth6");
    harmless(&tree, count(4));
}

#[test]
fn functions_in_another_network_namespace_are_not_removed() {
    let tree = two_functions("igbvf");
    with_interface(&tree, "0000:3b:10.0", "eth5");
    check(
        &tree,
        count(0),
        expect![[r#"
            refuse vfs-in-use-6976e5: changing the number of virtual functions of 0000:3b:00.0 removes all 2, and 0000:3b:10.1 is in use
                /sys/bus/pci/devices/0000:3b:10.1/driver is igbvf, and /sys/bus/pci/devices/0000:3b:10.1/net shows no interface: another network namespace has it
                /sys/bus/pci/devices/0000:3b:00.0/sriov_numvfs is 2; 0 is written there
        "#]],
    );
    with_interface(&tree, "0000:3b:10.1", "eth6");
    harmless(&tree, count(0));
}

#[test]
fn functions_with_addresses_or_in_a_bridge_are_not_removed() {
    let tree = two_functions("igbvf");
    with_interface(&tree, "0000:3b:10.0", "eth5");
    with_interface(&tree, "0000:3b:10.1", "eth6");
    let row = |scope: &str| format!("fe800000000000000000000000000001 07 40 {scope} 80     eth5\n");
    tree.write("/proc/net/if_inet6", row("20"));
    harmless(&tree, count(4));
    tree.write("/proc/net/if_inet6", row("00"));
    tree.link("/sys/devices/pci0000:00/0000:3b:10.1/net/eth6/master", "../../../../virtual/net/br0");
    check(
        &tree,
        count(4),
        expect![[r#"
            refuse vfs-in-use-fd3e82: changing the number of virtual functions of 0000:3b:00.0 removes all 2, and 0000:3b:10.0, 0000:3b:10.1 are in use
                eth5 is up and /proc/net/if_inet6 has an address or route on it
                eth6 is up and /sys/class/net/eth6/master is br0
                /sys/bus/pci/devices/0000:3b:00.0/sriov_numvfs is 2; 4 is written there
        "#]],
    );
    tree.write("/sys/devices/pci0000:00/0000:3b:10.0/net/eth5/flags", "0x1002\n");
    tree.write("/sys/devices/pci0000:00/0000:3b:10.1/net/eth6/flags", "0x1002\n");
    harmless(&tree, count(4));
}

#[test]
fn a_device_that_a_guest_has_is_not_taken_from_it() {
    let tree = host();
    SysfsDevice::igb("0000:3b:00.0").driver("vfio-pci").group(7).write(&tree);
    SysfsDevice::igb("0000:3c:00.0").driver("vfio-pci").group(8).write(&tree);
    register_driver(&tree, "igb");
    tree.write("/proc/520/comm", "qemu-system-x86\n");
    tree.link("/proc/520/fd/4", "/dev/vfio/7");
    let give = |address: &str| json!([{ "type": "driver_binding", "device": address, "driver": "igb" }]);
    check(
        &tree,
        give("0000:3b:00.0"),
        expect![[r#"
        refuse held-by-guest-ed330f: 0000:3b:00.0 leaves vfio-pci, and qemu-system-x86 (process 520) has it: the change would hang until that process lets go
            /proc/520/fd/4 -> /dev/vfio/7 (qemu-system-x86)
            0000:3b:00.0 is written to /sys/bus/pci/devices/0000:3b:00.0/driver/unbind
    "#]],
    );
    harmless(&tree, give("0000:3c:00.0"));
}
