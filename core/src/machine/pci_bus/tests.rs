//! Devices of small trees.

use expect_test::{Expect, expect};
use hoststate_testkit::pci::SysfsDevice;
use hoststate_testkit::tree::Tree;

use super::{PciDevice, devices};
use crate::error::Error;

fn show(it: &PciDevice) -> String {
    let PciDevice {
        address, path: _, id, revision, driver, driver_override, modalias: _, iommu_group, ..
    } = it;
    let PciDevice { boot_vga, sriov, physfn, virtfns, interfaces, numa_node, .. } = it;
    let mut line = format!("{address} {:04x}:{:04x} {:06x}", id.vendor, id.device, id.class);
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            line.push_str(&format!(" {name}={value}"));
        }
    };
    add("rev", revision.map(|it| it.to_string()));
    add("driver", driver.clone());
    add("override", driver_override.clone());
    add("group", iommu_group.map(|it| it.to_string()));
    add("boot_vga", boot_vga.map(|it| it.to_string()));
    add("sriov", sriov.map(|it| format!("{}/{} autoprobe={:?}", it.numvfs, it.totalvfs, it.autoprobe)));
    add("physfn", physfn.map(|it| it.to_string()));
    let virtfns: Vec<String> = virtfns.iter().map(ToString::to_string).collect();
    add("virtfns", (!virtfns.is_empty()).then(|| virtfns.join(",")));
    for it in interfaces {
        add(&it.name, it.mac.clone());
    }
    add("numa_node", numa_node.map(|it| it.to_string()));
    add("bridge", it.is_bridge().then(|| "yes".to_owned()));
    line
}

fn check(tree: &Tree, expect: Expect) {
    let text = match devices(&tree.view()) {
        Ok(devices) => devices.iter().map(show).collect::<Vec<_>>().join("\n"),
        Err(err) => {
            let hint = Error::hint(&err).unwrap_or_default();
            format!("error: {err}\nhint: {hint}").replace(&tree.root().display().to_string(), "")
        }
    };
    expect.assert_eq(&text);
}

#[test]
fn a_device_shows_what_sysfs_says_of_it() {
    let tree = Tree::new(&[]);
    SysfsDevice::new("0000:00:1c.0", 0x8086, 0xa338, 0x06_0400).driver("pcieport").group(3).write(&tree);
    SysfsDevice::new("0000:01:00.0", 0x10de, 0x0ffc, 0x03_0000)
        .driver("nouveau")
        .group(1)
        .boot_vga(true)
        .write(&tree);
    SysfsDevice::igb("0000:3b:00.0").interface("ens1f0", "52:54:00:12:34:01").write(&tree);
    tree.write("/sys/bus/pci/devices/0000:01:00.0/driver_override", "vfio-pci\n");
    tree.link("/sys/bus/pci/devices/0000:3b:00.0/virtfn10", "../0000:3b:11.4");
    tree.link("/sys/bus/pci/devices/0000:3b:00.0/virtfn2", "../0000:3b:10.4");
    tree.write("/sys/bus/pci/devices/0000:3b:00.0/numa_node", "1\n");
    check(
        &tree,
        expect![[r#"
            0000:00:1c.0 8086:a338 060400 rev=1 driver=pcieport group=3 bridge=yes
            0000:01:00.0 10de:0ffc 030000 rev=1 driver=nouveau override=vfio-pci group=1 boot_vga=true
            0000:3b:00.0 8086:10c9 020000 rev=1 driver=igb group=9 sriov=0/7 autoprobe=Some(true) virtfns=0000:3b:10.4,0000:3b:11.4 ens1f0=52:54:00:12:34:01 numa_node=1"#]],
    );
}

#[test]
fn a_tree_without_sysfs_has_no_devices() {
    check(&Tree::new(&[("/etc/hostname", "image\n")]), expect![""]);
}

#[test]
fn ids_are_read_one_by_one_where_the_modalias_is_missing() {
    let tree = Tree::new(&[]);
    SysfsDevice::new("0000:02:00.0", 0x144d, 0xa808, 0x01_0802).write(&tree);
    tree.remove("/sys/bus/pci/devices/0000:02:00.0/modalias");
    check(&tree, expect!["0000:02:00.0 144d:a808 010802 rev=1"]);
}

#[test]
fn a_damaged_attribute_is_an_error_that_names_it() {
    let tree = Tree::new(&[]);
    SysfsDevice::igb("0000:3b:00.0").write(&tree);
    tree.write("/sys/bus/pci/devices/0000:3b:00.0/sriov_totalvfs", "many\n");
    check(
        &tree,
        expect![[r#"
            error: /sys/devices/pci0000:00/0000:3b:00.0/sriov_totalvfs:1: "many" is not a number
            hint: If this tree was captured from a host, capture it again."#]],
    );
}

#[test]
fn the_interface_of_a_virtio_card_is_found_below_its_virtio_device() {
    let tree = Tree::new(&[]);
    SysfsDevice::new("0000:00:03.0", 0x1af4, 0x1041, 0x02_0000).write(&tree);
    tree.write("/sys/bus/pci/devices/0000:00:03.0/virtio1/net/ens3/address", "52:54:00:AB:00:01\n");
    check(&tree, expect!["0000:00:03.0 1af4:1041 020000 rev=1 ens3=52:54:00:ab:00:01"]);
}

#[test]
fn slot_and_serial_are_read_when_asked_for() {
    let tree = Tree::new(&[]);
    SysfsDevice::new("0000:02:00.0", 0x144d, 0xa808, 0x01_0802).write(&tree);
    tree.write("/sys/bus/pci/slots/4/address", "0000:02:00\n");
    tree.write("/sys/bus/pci/devices/0000:02:00.0/nvme/nvme0/serial", "S4EVNF0M      \n");
    let view = tree.view();
    let device = &devices(&view).unwrap()[0];
    assert_eq!(device.slot(&view).unwrap().as_deref(), Some("4"));
    assert_eq!(device.serial(&view).unwrap().as_deref(), Some("S4EVNF0M"));
    assert!(!device.has_bridge_header(&view).unwrap());
}
