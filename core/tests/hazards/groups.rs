//! Groups that are not there yet, and devices that no guest can have.

use expect_test::expect;
use hoststate_testkit::pci::SysfsDevice;
use serde_json::json;

use crate::sysfs::{host, with_igpu};
use crate::{check, harmless};

#[test]
fn half_a_card_is_warned_of_while_there_are_no_groups() {
    let tree = host();
    with_igpu(&tree);
    SysfsDevice::new("0000:01:00.0", 0x10de, 0x0ffc, 0x03_0000).driver("nouveau").write(&tree);
    SysfsDevice::new("0000:01:00.1", 0x10de, 0x0e1b, 0x04_0300).driver("snd_hda_intel").write(&tree);
    check(
        &tree,
        json!([{ "type": "vfio_pci_ids", "ids": ["10de:0ffc"] }]),
        expect![[r#"
            warn half-group-a4e060: 0000:01:00.0 leaves nouveau for vfio-pci, and 0000:01:00.1 (snd_hda_intel) stays with the host: they are in one card, which most likely is one IOMMU group, and a guest gets all of a group or nothing
                the card 0000:01:00 has 0000:01:00.1, and /sys/bus/pci/devices/0000:01:00.1/driver is snd_hda_intel
                /sys/bus/pci/devices/0000:01:00.0/driver is nouveau
                /etc/modprobe.d/zz-hoststate.conf:1 gives 10de:0ffc to vfio-pci
        "#]],
    );
    harmless(&tree, json!([{ "type": "vfio_pci_ids", "ids": ["10de:0ffc", "10de:0e1b"] }]));
}

/// A configuration space of PCI Express: a port of the root complex that leads to bus 1 and does not keep apart what is
/// behind it, or a device.
fn express(is_port: bool) -> Vec<u8> {
    let mut config = vec![0; 4096];
    (config[0x06], config[0x34], config[0x40]) = (0x10, 0x40, 0x10);
    if is_port {
        (config[0x0e], config[0x19], config[0x42]) = (1, 1, 0x42);
    }
    config
}

#[test]
fn a_disk_that_will_be_in_the_group_of_the_card_is_told_before_there_are_groups() {
    let tree = host();
    with_igpu(&tree);
    let part = |address: &str, ids: (u16, u16), class, driver: &str, is_port| {
        SysfsDevice::new(address, ids.0, ids.1, class).driver(driver).write(&tree);
        tree.write(format!("/sys/devices/pci0000:00/{address}/config"), express(is_port));
    };
    part("0000:00:01.0", (0x8086, 0x1901), 0x06_0400, "pcieport", true);
    part("0000:01:00.0", (0x10de, 0x0ffc), 0x03_0000, "nouveau", false);
    part("0000:01:01.0", (0x144d, 0xa80a), 0x01_0802, "nvme", false);
    tree.write("/sys/devices/pci0000:00/0000:00:02.0/config", express(false));
    let take = json!([{ "type": "vfio_pci_ids", "ids": ["10de:0ffc"] }]);
    // The kernel of this host forms groups, and its tables are known.
    tree.write("/proc/sys/kernel/osrelease", "6.8.0\n");
    tree.remove("/sys/devices/pci0000:00/0000:00:02.0/iommu_group");
    check(
        &tree,
        take,
        expect![[r#"
        refuse half-group-021740: 0000:01:00.0 leaves nouveau for vfio-pci, and 0000:01:01.0 (nvme) stays with the host: they will be in one IOMMU group, by their configuration spaces, and a guest gets all of a group or nothing
            the group foretold for 0000:01:00.0 has 0000:01:01.0, and /sys/bus/pci/devices/0000:01:01.0/driver is nvme
            /sys/bus/pci/devices/0000:01:00.0/driver is nouveau
            /etc/modprobe.d/zz-hoststate.conf:1 gives 10de:0ffc to vfio-pci
    "#]],
    );
}

#[test]
fn a_device_that_the_firmware_pins_goes_to_no_guest() {
    let tree = host();
    with_igpu(&tree);
    SysfsDevice::new("0000:01:00.0", 0x103c, 0x3306, 0x08_8000).driver("hpilo").group(4).write(&tree);
    let mut table = vec![0; 48];
    let mut region = vec![1, 0, 32, 0];
    region.resize(24, 0);
    region.extend([1, 8, 0, 0, 0, 1, 0, 0]);
    table.extend(region);
    tree.write("/sys/firmware/acpi/tables/DMAR", table);
    let take = json!([{ "type": "driver_binding", "device": "0000:01:00.0", "driver": "vfio-pci" }]);
    check(
        &tree,
        take,
        expect![[r#"
        refuse firmware-pinned-f4d7c2: 0000:01:00.0 leaves hpilo for vfio-pci, and no guest can ever have it: the firmware keeps memory for it (RMRR), which only the firmware's setup may change
            /sys/firmware/acpi/tables/DMAR names 0000:01:00.0
            /sys/bus/pci/devices/0000:01:00.0/driver is hpilo
            /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:01:00.0 to vfio-pci
            "0000:01:00.0" is written to /sys/bus/pci/devices/0000:01:00.0/driver/unbind
            /sys/bus/pci/devices/0000:01:00.0/driver_override names vfio-pci
    "#]],
    );
}
