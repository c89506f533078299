//! Disks that the host is on: plain, behind LVM and encryption, RAID, multipath, swap.

use expect_test::expect;
use hoststate_testkit::pci::SysfsDevice;
use hoststate_testkit::tree::Tree;
use serde_json::{Value, json};

use crate::sysfs::{host, with_nvme};
use crate::{check, harmless};

const SAFE: &str = "0000:05:00.0";

/// A host with two disks of different make, the second with nothing on it.
fn two_disks() -> Tree {
    let tree = host();
    with_nvme(&tree, "0000:02:00.0", "nvme0", 12);
    with_nvme(&tree, SAFE, "nvme1", 15);
    tree
}

fn take(address: &str) -> Value {
    json!([{ "type": "driver_binding", "device": address, "driver": "vfio-pci" }])
}

fn mountinfo(tree: &Tree, rows: &[(&str, &str, &str, &str)]) {
    let row = |(number, point, kind, source): &(&str, &str, &str, &str)| {
        format!("22 1 {number} / {point} rw,relatime shared:1 - {kind} {source} rw\n")
    };
    tree.write("/proc/self/mountinfo", rows.iter().map(row).collect::<String>());
}

fn link_block(tree: &Tree, name: &str, directory: &str) {
    tree.directory(directory);
    tree.link(format!("/sys/class/block/{name}"), format!("../..{}", &directory["/sys".len()..]));
}

#[test]
fn the_disk_of_root_is_not_taken() {
    let tree = two_disks();
    mountinfo(&tree, &[("259:2", "/", "ext4", "/dev/nvme0n1p2")]);
    tree.link("/sys/dev/block/259:2", "../../devices/pci0000:00/0000:02:00.0/nvme/nvme0/nvme0n1/nvme0n1p2");
    check(
        &tree,
        take("0000:02:00.0"),
        expect![[r#"
            refuse root-storage-4faecf: 0000:02:00.0 leaves nvme for vfio-pci, and / is on it
                /proc/self/mountinfo: / is on /dev/nvme0n1p2 (ext4)
                /sys/class/block/nvme0n1p2 is below 0000:02:00.0
                /sys/bus/pci/devices/0000:02:00.0/driver is nvme
                /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:02:00.0 to vfio-pci
                "0000:02:00.0" is written to /sys/bus/pci/devices/0000:02:00.0/driver/unbind
                /sys/bus/pci/devices/0000:02:00.0/driver_override names vfio-pci
        "#]],
    );
    harmless(&tree, take(SAFE));
}

#[test]
fn an_id_that_the_disk_of_root_shares_is_refused() {
    let tree = two_disks();
    mountinfo(&tree, &[("259:2", "/", "ext4", "/dev/nvme0n1p2")]);
    check(
        &tree,
        json!([{ "type": "vfio_pci_ids", "ids": ["144d:a808"] }]),
        expect![[r#"
            refuse root-storage-4faecf: 0000:02:00.0 leaves nvme for vfio-pci, and / is on it
                /proc/self/mountinfo: / is on /dev/nvme0n1p2 (ext4)
                /sys/class/block/nvme0n1p2 is below 0000:02:00.0
                /sys/bus/pci/devices/0000:02:00.0/driver is nvme
                /etc/modprobe.d/zz-hoststate.conf:1 gives 144d:a808 to vfio-pci
            refuse shared-ids-0ff62e: 144d:a808 is the id of 2 devices, and all of them leave their drivers: 0000:02:00.0, 0000:05:00.0. Use driver_binding for one
                /sys/bus/pci/devices/0000:02:00.0/modalias is pci:v0000144Dd0000A808sv00001AF4sd00001100bc01sc08i02 (nvme)
                /sys/bus/pci/devices/0000:05:00.0/modalias is pci:v0000144Dd0000A808sv00001AF4sd00001100bc01sc08i02 (nvme)
                /etc/modprobe.d/zz-hoststate.conf:1 gives 144d:a808 to vfio-pci
        "#]],
    );
    let tree = two_disks();
    mountinfo(&tree, &[("259:2", "/", "ext4", "/dev/nvme0n1p2")]);
    SysfsDevice::new("0000:07:00.0", 0x144d, 0xa80a, 0x01_0802).driver("nvme").group(7).write(&tree);
    harmless(&tree, json!([{ "type": "vfio_pci_ids", "ids": ["144d:a80a"] }]));
}

#[test]
fn root_is_found_below_lvm_and_encryption() {
    let tree = two_disks();
    mountinfo(&tree, &[("253:0", "/", "xfs", "/dev/mapper/vg-my--root")]);
    tree.write("/sys/devices/virtual/block/dm-1/dm/name", "vg-my--root\n");
    tree.write("/sys/devices/virtual/block/dm-0/dm/name", "luks-1\n");
    link_block(&tree, "dm-0", "/sys/devices/virtual/block/dm-0");
    link_block(&tree, "dm-1", "/sys/devices/virtual/block/dm-1");
    tree.link("/sys/devices/virtual/block/dm-1/slaves/dm-0", "../../dm-0");
    tree.link("/sys/devices/virtual/block/dm-0/slaves/nvme0n1p3", "../../../../pci0000:00/nvme0n1p3");
    check(
        &tree,
        take("0000:02:00.0"),
        expect![[r#"
            refuse root-storage-4faecf: 0000:02:00.0 leaves nvme for vfio-pci, and / is on it
                /proc/self/mountinfo: / is on /dev/mapper/vg-my--root (xfs)
                /sys/class/block/dm-1/slaves has dm-0
                /sys/class/block/dm-0/slaves has nvme0n1p3
                /sys/class/block/nvme0n1p3 is below 0000:02:00.0
                /sys/bus/pci/devices/0000:02:00.0/driver is nvme
                /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:02:00.0 to vfio-pci
                "0000:02:00.0" is written to /sys/bus/pci/devices/0000:02:00.0/driver/unbind
                /sys/bus/pci/devices/0000:02:00.0/driver_override names vfio-pci
        "#]],
    );
    harmless(&tree, take(SAFE));
}

#[test]
fn every_member_of_a_raid_counts() {
    let tree = two_disks();
    with_nvme(&tree, "0000:06:00.0", "nvme2", 16);
    mountinfo(&tree, &[("9:0", "/boot", "ext4", "/dev/md0")]);
    link_block(&tree, "md0", "/sys/devices/virtual/block/md0");
    tree.link("/sys/devices/virtual/block/md0/slaves/nvme0n1p1", "x");
    tree.link("/sys/devices/virtual/block/md0/slaves/nvme2n1p1", "x");
    check(
        &tree,
        take("0000:06:00.0"),
        expect![[r#"
            refuse root-storage-7efd13: 0000:06:00.0 leaves nvme for vfio-pci, and /boot is on it
                /proc/self/mountinfo: /boot is on /dev/md0 (ext4)
                /sys/class/block/md0/slaves has nvme0n1p1 nvme2n1p1
                /sys/class/block/nvme0n1p1 is below 0000:02:00.0
                /sys/class/block/nvme2n1p1 is below 0000:06:00.0
                /sys/bus/pci/devices/0000:06:00.0/driver is nvme
                /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:06:00.0 to vfio-pci
                "0000:06:00.0" is written to /sys/bus/pci/devices/0000:06:00.0/driver/unbind
                /sys/bus/pci/devices/0000:06:00.0/driver_override names vfio-pci
        "#]],
    );
    harmless(&tree, take(SAFE));
}

#[test]
fn the_disk_of_the_esp_and_of_swap_is_not_taken() {
    let tree = two_disks();
    mountinfo(&tree, &[("259:1", "/boot/efi", "vfat", "/dev/nvme0n1p1")]);
    check(
        &tree,
        take("0000:02:00.0"),
        expect![[r#"
            refuse root-storage-f2c90c: 0000:02:00.0 leaves nvme for vfio-pci, and /boot/efi is on it
                /proc/self/mountinfo: /boot/efi is on /dev/nvme0n1p1 (vfat)
                /sys/class/block/nvme0n1p1 is below 0000:02:00.0
                /sys/bus/pci/devices/0000:02:00.0/driver is nvme
                /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:02:00.0 to vfio-pci
                "0000:02:00.0" is written to /sys/bus/pci/devices/0000:02:00.0/driver/unbind
                /sys/bus/pci/devices/0000:02:00.0/driver_override names vfio-pci
        "#]],
    );
    tree.remove("/proc/self/mountinfo");
    tree.write("/proc/swaps", "Filename Type Size Used Priority\n/dev/nvme0n1p3 partition 8 0 -2\n");
    check(
        &tree,
        take("0000:02:00.0"),
        expect![[r#"
            refuse root-storage-8f9801: 0000:02:00.0 leaves nvme for vfio-pci, and swap is on it
                /proc/swaps: /dev/nvme0n1p3 is swap
                /sys/class/block/nvme0n1p3 is below 0000:02:00.0
                /sys/bus/pci/devices/0000:02:00.0/driver is nvme
                /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:02:00.0 to vfio-pci
                "0000:02:00.0" is written to /sys/bus/pci/devices/0000:02:00.0/driver/unbind
                /sys/bus/pci/devices/0000:02:00.0/driver_override names vfio-pci
        "#]],
    );
    harmless(&tree, take(SAFE));
}

#[test]
fn every_disk_of_a_btrfs_counts() {
    let tree = two_disks();
    mountinfo(&tree, &[("0:31", "/", "btrfs", "/dev/nvme0n1p2")]);
    for name in ["nvme0n1p2", "nvme1n1p2"] {
        tree.link(format!("/sys/fs/btrfs/1c52/devices/{name}"), "x");
    }
    check(
        &tree,
        take(SAFE),
        expect![[r#"
            refuse root-storage-927366: 0000:05:00.0 leaves nvme for vfio-pci, and / is on it
                /proc/self/mountinfo: / is on /dev/nvme0n1p2 (btrfs)
                /sys/class/block/nvme0n1p2 is below 0000:02:00.0
                /sys/class/block/nvme1n1p2 is below 0000:05:00.0
                /sys/bus/pci/devices/0000:05:00.0/driver is nvme
                /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:05:00.0 to vfio-pci
                "0000:05:00.0" is written to /sys/bus/pci/devices/0000:05:00.0/driver/unbind
                /sys/bus/pci/devices/0000:05:00.0/driver_override names vfio-pci
        "#]],
    );
    tree.remove("/sys/fs/btrfs/1c52/devices/nvme1n1p2");
    harmless(&tree, take(SAFE));
}

#[test]
fn all_controllers_of_a_disk_with_several_paths_count() {
    let tree = two_disks();
    mountinfo(&tree, &[("259:9", "/", "ext4", "/dev/nvme7n1")]);
    let subsystem = "/sys/devices/virtual/nvme-subsystem/nvme-subsys7";
    link_block(&tree, "nvme7n1", &format!("{subsystem}/nvme7n1"));
    tree.link(format!("{subsystem}/nvme0"), "../../../pci0000:00/0000:02:00.0/nvme/nvme0");
    check(
        &tree,
        take("0000:02:00.0"),
        expect![[r#"
            refuse root-storage-4faecf: 0000:02:00.0 leaves nvme for vfio-pci, and / is on it
                /proc/self/mountinfo: / is on /dev/nvme7n1 (ext4)
                /sys/class/block/nvme7n1 is in /sys/devices/virtual/nvme-subsystem/nvme-subsys7
                /sys/devices/virtual/nvme-subsystem/nvme-subsys7/nvme0 is below 0000:02:00.0
                /sys/bus/pci/devices/0000:02:00.0/driver is nvme
                /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:02:00.0 to vfio-pci
                "0000:02:00.0" is written to /sys/bus/pci/devices/0000:02:00.0/driver/unbind
                /sys/bus/pci/devices/0000:02:00.0/driver_override names vfio-pci
        "#]],
    );
    harmless(&tree, take(SAFE));
}

#[test]
fn every_path_of_a_multipath_disk_counts() {
    let tree = two_disks();
    mountinfo(&tree, &[("253:1", "/", "xfs", "/dev/mapper/mpatha2")]);
    for (name, mapped, below) in
        [("dm-1", "mpatha2", "dm-0"), ("dm-0", "mpatha", "sda"), ("dm-0", "mpatha", "sdb")]
    {
        let directory = format!("/sys/devices/virtual/block/{name}");
        tree.write(format!("{directory}/dm/name"), format!("{mapped}\n"));
        tree.link(format!("{directory}/slaves/{below}"), "x");
        if tree
            .view()
            .link_target(std::path::Path::new(&format!("/sys/class/block/{name}")))
            .unwrap()
            .is_none()
        {
            link_block(&tree, name, &directory);
        }
    }
    for (address, name, group) in [("0000:08:00.0", "sda", 18), ("0000:09:00.0", "sdb", 19)] {
        hoststate_testkit::pci::SysfsDevice::new(address, 0x1077, 0x2261, 0x0c_0400)
            .driver("qla2xxx")
            .group(group)
            .write(&tree);
        link_block(
            &tree,
            name,
            &format!("/sys/devices/pci0000:00/{address}/host0/rport-0/target0/0:0:0:0/block/{name}"),
        );
    }
    check(
        &tree,
        take("0000:09:00.0"),
        expect![[r#"
        refuse root-storage-60e700: 0000:09:00.0 leaves qla2xxx for vfio-pci, and / is on it
            /proc/self/mountinfo: / is on /dev/mapper/mpatha2 (xfs)
            /sys/class/block/dm-1/slaves has dm-0
            /sys/class/block/dm-0/slaves has sda sdb
            /sys/class/block/sda is below 0000:08:00.0
            /sys/class/block/sdb is below 0000:09:00.0
            /sys/bus/pci/devices/0000:09:00.0/driver is qla2xxx
            /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:09:00.0 to vfio-pci
            "0000:09:00.0" is written to /sys/bus/pci/devices/0000:09:00.0/driver/unbind
            /sys/bus/pci/devices/0000:09:00.0/driver_override names vfio-pci
    "#]],
    );
    harmless(&tree, take(SAFE));
}

#[test]
fn a_usb_disk_hangs_on_its_usb_controller() {
    let tree = two_disks();
    hoststate_testkit::pci::SysfsDevice::new("0000:00:14.0", 0x8086, 0xa36d, 0x0c_0330)
        .driver("xhci_hcd")
        .group(4)
        .write(&tree);
    tree.write("/proc/mounts", "/dev/root / ext4 rw 0 0\n/dev/sda1 / ext4 rw 0 0\n");
    link_block(&tree, "sda1", "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-2/host0/block/sda/sda1");
    check(
        &tree,
        take("0000:00:14.0"),
        expect![[r#"
            refuse root-storage-05a07e: 0000:00:14.0 leaves xhci_hcd for vfio-pci, and / is on it
                /proc/mounts: / is on /dev/sda1 (ext4)
                /sys/class/block/sda1 is below 0000:00:14.0
                /sys/bus/pci/devices/0000:00:14.0/driver is xhci_hcd
                /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:00:14.0 to vfio-pci
                "0000:00:14.0" is written to /sys/bus/pci/devices/0000:00:14.0/driver/unbind
                /sys/bus/pci/devices/0000:00:14.0/driver_override names vfio-pci
        "#]],
    );
    harmless(&tree, take(SAFE));
}

#[test]
fn a_pool_that_hides_its_disks_makes_every_disk_suspect() {
    let tree = two_disks();
    mountinfo(&tree, &[("0:26", "/", "zfs", "rpool/ROOT/x")]);
    check(
        &tree,
        take(SAFE),
        expect![[r#"
            refuse root-storage-927366: 0000:05:00.0 leaves nvme for vfio-pci, and / may be on it
                /proc/self/mountinfo: / is on rpool/ROOT/x (zfs)
                zfs does not say in /sys which disks a pool is on, so this could be one
                /sys/bus/pci/devices/0000:05:00.0/driver is nvme
                /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:05:00.0 to vfio-pci
                "0000:05:00.0" is written to /sys/bus/pci/devices/0000:05:00.0/driver/unbind
                /sys/bus/pci/devices/0000:05:00.0/driver_override names vfio-pci
        "#]],
    );
    hoststate_testkit::pci::SysfsDevice::new("0000:07:00.0", 0x8086, 0x1533, 0x02_0000)
        .driver("igb")
        .group(17)
        .write(&tree);
    harmless(&tree, take("0000:07:00.0"));
}

#[test]
fn a_blacklisted_driver_of_the_disk_of_root_is_refused() {
    let tree = two_disks();
    mountinfo(&tree, &[("259:2", "/", "ext4", "/dev/nvme0n1p2")]);
    tree.link("/sys/bus/pci/drivers/nvme/module", "../../../../module/nvme");
    tree.write("/sys/module/nvme/initstate", "live\n");
    check(
        &tree,
        json!([{ "type": "modprobe_blacklist", "module": "nvme" }]),
        expect![[r#"
            refuse root-storage-a51114: 0000:02:00.0 loses its driver nvme, and / is on it
                /proc/self/mountinfo: / is on /dev/nvme0n1p2 (ext4)
                /sys/class/block/nvme0n1p2 is below 0000:02:00.0
                /sys/bus/pci/devices/0000:02:00.0/driver is nvme
                /etc/modprobe.d/zz-hoststate.conf:1 blacklists nvme
        "#]],
    );
    check(
        &tree,
        json!([{ "type": "kernel_cmdline", "present": ["module_blacklist=foo,nvme"] }]),
        expect![[r#"
            refuse root-storage-a51114: 0000:02:00.0 loses its driver nvme, and / is on it
                /proc/self/mountinfo: / is on /dev/nvme0n1p2 (ext4)
                /sys/class/block/nvme0n1p2 is below 0000:02:00.0
                /sys/bus/pci/devices/0000:02:00.0/driver is nvme
                the kernel command line has module_blacklist= with nvme
        "#]],
    );
    harmless(&tree, json!([{ "type": "kernel_cmdline", "present": ["module_blacklist=foo"] }]));
}
