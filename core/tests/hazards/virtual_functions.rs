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
fn functions_that_a_guest_has_are_not_removed_and_those_that_nobody_has_are() {
    let tree = two_functions("vfio-pci");
    for index in 0..2 {
        let link = format!("/sys/devices/pci0000:00/0000:3b:10.{index}/iommu_group");
        tree.link(link, format!("../../../kernel/iommu_groups/{}", 40 + index));
    }
    tree.write("/proc/520/comm", "qemu-system-x86\n");
    tree.link("/proc/520/fd/4", "/dev/null");
    harmless(&tree, count(4));
    tree.link("/proc/520/fd/5", "/dev/vfio/41");
    check(
        &tree,
        count(4),
        expect![[r#"
            refuse vfs-in-use-5f29d6: changing the number of virtual functions of 0000:3b:00.0 removes all 2, and 0000:3b:10.1 is in use; the write would hang and is not begun before qemu-system-x86 (process 520) lets go, even if this is accepted
                /proc/520/fd/5 -> /dev/vfio/41 (qemu-system-x86)
                /sys/bus/pci/devices/0000:3b:00.0/sriov_numvfs is 2; 4 is written there
        "#]],
    );
    let tree = two_functions("igbvf");
    with_interface(&tree, "0000:3b:10.0", "eth5");
    with_interface(&tree, "0000:3b:10.1", "eth6");
    harmless(&tree, count(4));
}

#[test]
fn functions_that_a_program_drives_through_verbs_or_below_a_vlan_are_not_removed() {
    let tree = two_functions("igbvf");
    with_interface(&tree, "0000:3b:10.0", "eth5");
    with_interface(&tree, "0000:3b:10.1", "eth6");
    tree.write("/sys/devices/pci0000:00/0000:3b:10.0/infiniband_verbs/uverbs1/ibdev", "mlx5_1\n");
    tree.write("/proc/777/comm", "ovs-vswitchd\n");
    tree.link("/proc/777/fd/9", "/dev/infiniband/uverbs1");
    tree.write("/proc/net/vlan/config", "VLAN Dev name | VLAN ID\neth6.5 | 5 | eth6\n");
    check(
        &tree,
        count(4),
        expect![[r#"
        refuse vfs-in-use-23e6fd: changing the number of virtual functions of 0000:3b:00.0 removes all 2, and 0000:3b:10.0, 0000:3b:10.1 are in use
            /proc/777/fd/9 -> /dev/infiniband/uverbs1 (ovs-vswitchd)
            /proc/net/vlan/config: eth6.5 is built on eth6
            /sys/bus/pci/devices/0000:3b:00.0/sriov_numvfs is 2; 4 is written there
    "#]],
    );
}

#[test]
fn a_mediated_device_or_a_mounted_namespace_of_a_function_is_a_use() {
    let tree = two_functions("nvme");
    for index in 0..2 {
        let address = format!("0000:3b:10.{index}");
        SysfsDevice::new(&address, 0x144d, 0xa824, 0x01_0802).driver("nvme").write(&tree);
    }
    tree.link("/sys/class/block/nvme3n1", "../../devices/pci0000:00/0000:3b:10.0/nvme/nvme3/nvme3n1");
    tree.directory("/sys/devices/pci0000:00/0000:3b:10.0/nvme/nvme3/nvme3n1");
    tree.write("/proc/mounts", "/dev/nvme3n1 /srv ext4 rw 0 0\n");
    let mediated = "/sys/devices/pci0000:00/0000:3b:10.1/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001";
    tree.directory(mediated);
    let bus = "/sys/bus/mdev/devices/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001";
    tree.link(bus, format!("../../../..{mediated}").replace("/sys/devices", "/devices"));
    check(
        &tree,
        count(4),
        expect![[r#"
        refuse vfs-in-use-20204c: changing the number of virtual functions of 0000:3b:00.0 removes all 2, and 0000:3b:10.0, 0000:3b:10.1 are in use
            /proc/mounts: /srv is on /dev/nvme3n1 (ext4)
            /sys/bus/mdev/devices/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001 is below 0000:3b:10.1
            /sys/bus/pci/devices/0000:3b:00.0/sriov_numvfs is 2; 4 is written there
    "#]],
    );
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
