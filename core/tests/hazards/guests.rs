//! Guests and processes that take a device or have it: at boot, now, through a virtual function or a mediated device.

use expect_test::expect;
use hoststate_testkit::pci::SysfsDevice;
use hoststate_testkit::tree::Tree;
use serde_json::{Value, json};

use crate::sysfs::{host, with_default_route, with_gpu, with_igpu, with_nic, with_nvme};
use crate::{check, harmless, plan};

const DISK: &str = "0000:02:00.0";
const NIC: &str = "0000:03:00.0";

fn take(address: &str) -> Value {
    json!([{ "type": "driver_binding", "device": address, "driver": "vfio-pci" }])
}

/// A plan that has nothing to do with the device.
fn other() -> Value {
    json!([{ "type": "modprobe_options", "module": "kvm", "options": { "ignore_msrs": "1" } }])
}

fn libvirt(tree: &Tree, managed: &str, address: (&str, &str)) {
    let (bus, function) = address;
    let xml = format!(
        "<domain type='kvm'>\n  <name>router</name>\n  <devices>\n    <hostdev mode='subsystem' type='pci' \
         managed='{managed}'>\n      <source>\n        <address domain='0x0000' bus='{bus}' slot='0x00' \
         function='{function}'/>\n      </source>\n    </hostdev>\n  </devices>\n</domain>\n"
    );
    tree.write("/etc/libvirt/qemu/router.xml", xml);
    tree.link("/etc/libvirt/qemu/autostart/router.xml", "/etc/libvirt/qemu/router.xml");
}

fn machine() -> Tree {
    let tree = host();
    with_nvme(&tree, DISK, "nvme0", 2);
    with_nic(&tree, NIC, "igc", "wan0", 3);
    with_default_route(&tree, "wan0");
    tree.write("/proc/mounts", "/dev/nvme0n1p2 / ext4 rw 0 0\n");
    tree
}

#[test]
fn a_guest_of_libvirt_that_takes_the_disk_of_root_at_boot_is_refused() {
    let tree = machine();
    libvirt(&tree, "yes", ("0x02", "0x0"));
    check(
        &tree,
        other(),
        expect![[r#"
        refuse root-storage-4faecf: 0000:02:00.0 leaves nvme for vfio-pci, and / is on it
            /proc/mounts: / is on /dev/nvme0n1p2 (ext4)
            /sys/class/block/nvme0n1p2 is below 0000:02:00.0
            /sys/bus/pci/devices/0000:02:00.0/driver is nvme
            /etc/libvirt/qemu/autostart/router.xml: the guest router is started at boot, and takes 0000:02:00.0
    "#]],
    );
    libvirt(&tree, "no", ("0x02", "0x0"));
    harmless(&tree, other());
    libvirt(&tree, "yes", ("0x09", "0x0"));
    harmless(&tree, other());
    libvirt(&tree, "yes", ("0x02", "0x0"));
    tree.remove("/etc/libvirt/qemu/autostart/router.xml");
    harmless(&tree, other());
}

#[test]
fn a_guest_of_proxmox_that_takes_the_way_in_at_boot_is_refused() {
    for line in ["hostpci0: 0000:03:00.0,pcie=1", "hostpci0: 03:00", "hostpci1: mapping=wan"] {
        let tree = machine();
        tree.write("/etc/pve/mapping/pci.cfg", "wan\n\tmap id=8086:1533,node=a,path=0000:03:00.0\n");
        tree.write("/etc/pve/qemu-server/101.conf", format!("name: router\nonboot: 1\n{line}\n"));
        let messages: Vec<String> =
            plan(&tree, &other(), &[]).guards.into_iter().map(|it| it.message).collect();
        let wanted = "0000:03:00.0 leaves igc for vfio-pci, and the default route goes over it";
        assert_eq!(messages, [wanted], "{line}");
        tree.write(
            "/etc/pve/qemu-server/101.conf",
            format!("name: router\nonboot: 0\n{line}\n[snap]\nonboot: 1\n"),
        );
        harmless(&tree, other());
    }
}

#[test]
fn a_guest_that_takes_the_physical_function_gets_no_virtual_ones_of_it() {
    let tree = host();
    SysfsDevice::igb("0000:3b:00.0").write(&tree);
    libvirt(&tree, "yes", ("0x3b", "0x0"));
    check(
        &tree,
        json!([{ "type": "sriov_numvfs", "device": "0000:3b:00.0", "numvfs": 4 }]),
        expect![[r#"
        refuse started-guest-7d1e5c: the guest router is started at boot and takes 0000:3b:00.0, and the plan makes 4 virtual functions of it, which go with it
            /etc/libvirt/qemu/autostart/router.xml: the guest router is started at boot, and takes 0000:3b:00.0
    "#]],
    );
    libvirt(&tree, "yes", ("0x3c", "0x0"));
    harmless(&tree, json!([{ "type": "sriov_numvfs", "device": "0000:3b:00.0", "numvfs": 4 }]));
}

#[test]
fn a_device_that_a_process_has_open_is_not_taken_from_its_driver_now() {
    let tree = host();
    with_igpu(&tree);
    with_gpu(&tree, 1, 1);
    let both = json!([
        { "type": "driver_binding", "device": "0000:01:00.0", "driver": "vfio-pci" },
        { "type": "driver_binding", "device": "0000:01:00.1", "driver": "vfio-pci" },
    ]);
    tree.write("/proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t K600\nDevice Minor: \t 0\n");
    tree.write("/proc/1187/comm", "nvidia-persiste\n");
    tree.link("/proc/1187/fd/3", "/dev/nvidiactl");
    harmless(&tree, both.clone());
    tree.link("/proc/1187/fd/4", "/dev/nvidia0");
    check(
        &tree,
        both.clone(),
        expect![[r#"
        refuse held-by-process-0b1458: 0000:01:00.0 leaves nouveau now, and nvidia-persiste (process 1187) has it open: it would lose the device. Stop it first (systemctl stop nvidia-persistenced), or leave the device to the next boot
            /proc/1187/fd/4 -> /dev/nvidia0 (nvidia-persiste)
            0000:01:00.0 is written to /sys/bus/pci/devices/0000:01:00.0/driver/unbind
    "#]],
    );
    tree.remove("/proc/1187/fd/4");
    tree.write("/sys/devices/pci0000:00/0000:01:00.0/drm/renderD128/dev", "226:128\n");
    tree.link("/proc/1187/fd/4", "/dev/dri/renderD128");
    check(
        &tree,
        both.clone(),
        expect![[r#"
        refuse held-by-process-61dd7c: 0000:01:00.0 leaves nouveau now, and nvidia-persiste (process 1187) has it open: it would lose the device. Stop it first (systemctl stop nvidia-persistenced), or leave the device to the next boot
            /proc/1187/fd/4 -> /dev/dri/renderD128 (nvidia-persiste)
            0000:01:00.0 is written to /sys/bus/pci/devices/0000:01:00.0/driver/unbind
    "#]],
    );
    tree.remove("/proc/1187/fd/4");
    tree.link("/proc/1187/fd/4", "/dev/dri/renderD129");
    harmless(&tree, both);
}

#[test]
fn a_disk_that_a_guest_has_raw_is_not_taken_now() {
    let tree = host();
    with_nvme(&tree, DISK, "nvme0", 2);
    tree.write("/proc/500/comm", "qemu-system-x86\n");
    tree.link("/proc/500/fd/9", "/dev/nvme0n1p1");
    check(
        &tree,
        take(DISK),
        expect![[r#"
        refuse held-by-process-fa5749: 0000:02:00.0 leaves nvme now, and qemu-system-x86 (process 500) has it open: it would lose the device. Stop it first, or leave the device to the next boot
            /proc/500/fd/9 -> /dev/nvme0n1p1 (qemu-system-x86)
            0000:02:00.0 is written to /sys/bus/pci/devices/0000:02:00.0/driver/unbind
    "#]],
    );
}

#[test]
fn virtual_functions_go_with_their_physical_one() {
    let tree = host();
    SysfsDevice::igb("0000:3b:00.0").write(&tree);
    let functions = |tree: &Tree| {
        tree.write("/sys/devices/pci0000:00/0000:3b:00.0/sriov_numvfs", "1\n");
        SysfsDevice::new("0000:3b:10.0", 0x8086, 0x10ca, 0x02_0000).driver("igbvf").group(40).write(tree);
        tree.link("/sys/devices/pci0000:00/0000:3b:00.0/virtfn0", "../0000:3b:10.0");
        tree.link("/sys/devices/pci0000:00/0000:3b:10.0/physfn", "../0000:3b:00.0");
        crate::sysfs::with_interface(tree, "0000:3b:10.0", "vf0");
    };
    functions(&tree);
    harmless(&tree, take("0000:3b:00.0"));
    harmless(&tree, take("0000:3b:10.0"));
    tree.link(
        "/sys/devices/pci0000:00/0000:3b:10.0/net/vf0/upper_macvtap0",
        "../../../../virtual/net/macvtap0",
    );
    check(
        &tree,
        take("0000:3b:00.0"),
        expect![[r#"
        refuse vfs-in-use-54bc2e: 0000:3b:00.0 leaves igb for vfio-pci, and its virtual function 0000:3b:10.0 is in use
            /sys/class/net/vf0/upper_macvtap0 is there
            /sys/bus/pci/devices/0000:3b:00.0/driver is igb
            /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:3b:00.0 to vfio-pci
            "0000:3b:00.0" is written to /sys/bus/pci/devices/0000:3b:00.0/driver/unbind
            /sys/bus/pci/devices/0000:3b:00.0/driver_override names vfio-pci
    "#]],
    );
    check(
        &tree,
        take("0000:3b:10.0"),
        expect![[r#"
            refuse vfs-in-use-a2ccb9: 0000:3b:10.0 leaves igbvf for vfio-pci, and macvtap0, which is built on it, is in use
                /sys/class/net/vf0/upper_macvtap0 is there
                /sys/bus/pci/devices/0000:3b:10.0/driver is igbvf
                /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:3b:10.0 to vfio-pci
                "0000:3b:10.0" is written to /sys/bus/pci/devices/0000:3b:10.0/driver/unbind
                /sys/bus/pci/devices/0000:3b:10.0/driver_override names vfio-pci
        "#]],
    );
}

#[test]
fn a_device_with_mediated_ones_is_not_taken() {
    let tree = host();
    with_igpu(&tree);
    with_gpu(&tree, 1, 1);
    let uuid = "b1a5e0d4-0c6b-4a36-9b1e-3c8a2f0d7e11";
    tree.directory(format!("/sys/devices/pci0000:00/0000:01:00.0/{uuid}"));
    tree.link(
        format!("/sys/bus/mdev/devices/{uuid}"),
        format!("../../../devices/pci0000:00/0000:01:00.0/{uuid}"),
    );
    check(
        &tree,
        json!([
            { "type": "driver_binding", "device": "0000:01:00.0", "driver": "vfio-pci" },
            { "type": "driver_binding", "device": "0000:01:00.1", "driver": "vfio-pci" },
        ]),
        expect![[r#"
            refuse vfs-in-use-2c4611: 0000:01:00.0 leaves nouveau for vfio-pci, and its mediated device b1a5e0d4-0c6b-4a36-9b1e-3c8a2f0d7e11 is in use
                /sys/bus/mdev/devices/b1a5e0d4-0c6b-4a36-9b1e-3c8a2f0d7e11 is below 0000:01:00.0
                /sys/bus/pci/devices/0000:01:00.0/driver is nouveau
                /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:01:00.0 to vfio-pci
                "0000:01:00.0" is written to /sys/bus/pci/devices/0000:01:00.0/driver/unbind
                /sys/bus/pci/devices/0000:01:00.0/driver_override names vfio-pci
        "#]],
    );
}

#[test]
fn virtual_functions_of_nvidia_belong_to_its_tool() {
    let tree = host();
    with_igpu(&tree);
    let sriov = hoststate_testkit::pci::SysfsSriov { total: 16, offset: 4, stride: 1, device: 0x2236 };
    SysfsDevice::new("0000:01:00.0", 0x10de, 0x2236, 0x03_0200)
        .driver("nvidia")
        .group(1)
        .sriov(sriov)
        .write(&tree);
    let eight = json!([{ "type": "sriov_numvfs", "device": "0000:01:00.0", "numvfs": 8 }]);
    harmless(&tree, eight.clone());
    tree.write("/usr/lib/nvidia/sriov-manage", "#!/bin/bash\n");
    check(
        &tree,
        eight.clone(),
        expect![[r#"
        warn second-owner-b00dc5: NVIDIA's sriov-manage sets virtual functions of 0000:01:00.0 to a value that is not known, the plan to 8: leave it to one of them
            /usr/lib/nvidia/sriov-manage is there, and the driver is nvidia
    "#]],
    );
    tree.write(
        "/etc/cron.d/vgpu",
        "# sriov-manage -e ALL\n@reboot root /usr/lib/nvidia/sriov-manage -e 0000:01:00.0\n",
    );
    check(
        &tree,
        eight.clone(),
        expect![[r#"
        warn second-owner-b00dc5: NVIDIA's sriov-manage sets virtual functions of 0000:01:00.0 to a value that is not known, the plan to 8: leave it to one of them
            /etc/cron.d/vgpu:2: @reboot root /usr/lib/nvidia/sriov-manage -e 0000:01:00.0
    "#]],
    );
    tree.remove("/usr/lib/nvidia/sriov-manage");
    tree.write("/etc/cron.d/vgpu", "@reboot root /usr/lib/nvidia/sriov-manage -e 0000:09:00.0\n");
    harmless(&tree, eight);
}
