//! Graphics cards, identical cards, and IOMMU groups.

use expect_test::expect;
use hoststate_testkit::pci::SysfsDevice;
use serde_json::json;

use crate::sysfs::{host, with_gpu, with_igpu};
use crate::{check, harmless, plan};

#[test]
fn the_card_of_the_firmware_is_not_taken_by_id() {
    let tree = host();
    with_igpu(&tree);
    with_gpu(&tree, 1, 1);
    check(
        &tree,
        json!([{ "type": "vfio_pci_ids", "ids": ["8086:3e92"] }]),
        expect![[r#"
            refuse console-gpu-1bcd47: the graphics card 0000:00:02.0 leaves i915 for vfio-pci: the host's console goes dark, and stays dark until that is undone
                /sys/bus/pci/devices/0000:00:02.0/boot_vga is 1
                /sys/bus/pci/devices/0000:00:02.0/driver is i915
                /etc/modprobe.d/zz-hoststate.conf:1 gives 8086:3e92 to vfio-pci
        "#]],
    );
    harmless(&tree, json!([{ "type": "vfio_pci_ids", "ids": ["10de:0ffc", "10de:0e1b"] }]));
}

#[test]
fn the_card_of_the_firmware_is_not_taken_by_address() {
    let tree = host();
    with_igpu(&tree);
    with_gpu(&tree, 1, 1);
    let rule = |address: &str| {
        let text = format!("ACTION==\"add\", KERNEL==\"{address}\", ATTR{{driver_override}}=\"vfio-pci\"\n");
        json!([{ "type": "write", "file": ["/etc/udev/rules.d/70-x.rules", text] }])
    };
    check(
        &tree,
        rule("0000:00:02.0"),
        expect![[r#"
            refuse console-gpu-1bcd47: the graphics card 0000:00:02.0 leaves i915 for vfio-pci: the host's console goes dark, and stays dark until that is undone
                /sys/bus/pci/devices/0000:00:02.0/boot_vga is 1
                /sys/bus/pci/devices/0000:00:02.0/driver is i915
                /etc/udev/rules.d/70-x.rules:1 gives 0000:00:02.0 to vfio-pci
        "#]],
    );
    harmless(&tree, rule("0000:01:00.[01]"));
}

#[test]
fn the_card_of_the_firmware_is_not_taken_at_once() {
    let tree = host();
    with_igpu(&tree);
    with_gpu(&tree, 1, 1);
    let moved = |address: &str| json!({ "type": "driver_binding", "device": address, "driver": "vfio-pci" });
    check(
        &tree,
        json!([moved("0000:00:02.0")]),
        expect![[r#"
            refuse console-gpu-1bcd47: the graphics card 0000:00:02.0 leaves i915 for vfio-pci: the host's console goes dark, and stays dark until that is undone
                /sys/bus/pci/devices/0000:00:02.0/boot_vga is 1
                /sys/bus/pci/devices/0000:00:02.0/driver is i915
                /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:00:02.0 to vfio-pci
                "0000:00:02.0" is written to /sys/bus/pci/devices/0000:00:02.0/driver/unbind
                /sys/bus/pci/devices/0000:00:02.0/driver_override names vfio-pci
        "#]],
    );
    check(
        &tree,
        json!([moved("0000:01:00.0")]),
        expect![[r#"
            refuse half-group-b9e46c: 0000:01:00.0 leaves nouveau for vfio-pci, and 0000:01:00.1 (snd_hda_intel) stays with the host: they are in IOMMU group 1, and a guest gets all of a group or nothing
                /sys/kernel/iommu_groups/1/devices has 0000:01:00.1, and /sys/bus/pci/devices/0000:01:00.1/driver is snd_hda_intel
                /sys/bus/pci/devices/0000:01:00.0/driver is nouveau
                /etc/udev/rules.d/70-hoststate-driver.rules:2 gives 0000:01:00.0 to vfio-pci
                "0000:01:00.0" is written to /sys/bus/pci/devices/0000:01:00.0/driver/unbind
                /sys/bus/pci/devices/0000:01:00.0/driver_override names vfio-pci
        "#]],
    );
    harmless(&tree, json!([moved("0000:01:00.0"), moved("0000:01:00.1")]));
}

#[test]
fn the_only_card_is_not_taken_although_the_firmware_did_not_use_it() {
    let tree = host();
    with_gpu(&tree, 1, 1);
    let both = json!([{ "type": "vfio_pci_ids", "ids": ["10de:0ffc", "10de:0e1b"] }]);
    check(
        &tree,
        both.clone(),
        expect![[r#"
            refuse console-gpu-2675eb: the graphics card 0000:01:00.0 leaves nouveau for vfio-pci: the host's console goes dark, and stays dark until that is undone
                no other display controller (class 03) keeps a driver of the host
                /sys/bus/pci/devices/0000:01:00.0/driver is nouveau
                /etc/modprobe.d/zz-hoststate.conf:1 gives 10de:0ffc to vfio-pci
        "#]],
    );
    SysfsDevice::new("0000:06:00.0", 0x1a03, 0x2000, 0x03_0000).driver("ast").write(&tree);
    harmless(&tree, both);
}

#[test]
fn the_card_below_the_first_framebuffer_is_not_taken() {
    let tree = host();
    with_gpu(&tree, 1, 1);
    with_gpu(&tree, 2, 2);
    tree.write("/sys/devices/pci0000:00/0000:01:00.0/drm/card0/graphics/fb0/name", "nouveaudrmfb\n");
    let framebuffer = "../../devices/pci0000:00/0000:01:00.0/drm/card0/graphics/fb0";
    tree.link("/sys/class/graphics/fb0", framebuffer);
    let by_address = |bus: u8| {
        let text = format!("KERNEL==\"0000:{bus:02x}:00.*\", ATTR{{driver_override}}=\"vfio-pci\"\n");
        json!([{ "type": "write", "file": ["/etc/udev/rules.d/70-x.rules", text] }])
    };
    check(
        &tree,
        by_address(1),
        expect![[r#"
            refuse console-gpu-2675eb: the graphics card 0000:01:00.0 leaves nouveau for vfio-pci: the host's console goes dark, and stays dark until that is undone
                /sys/class/graphics/fb0 is on 0000:01:00.0
                /sys/bus/pci/devices/0000:01:00.0/driver is nouveau
                /etc/udev/rules.d/70-x.rules:1 gives 0000:01:00.0 to vfio-pci
        "#]],
    );
    harmless(&tree, by_address(2));
    tree.remove("/sys/class/graphics/fb0");
    tree.write(
        "/proc/iomem",
        "00000000-00000000 : PCI Bus 0000:00\n  00000000-00000000 : PCI Bus 0000:01\n    \
         00000000-00000000 : 0000:01:00.0\n      00000000-00000000 : BOOTFB\n    00000000-00000000 : 0000:02:00.0\n",
    );
    check(
        &tree,
        by_address(1),
        expect![[r#"
            refuse console-gpu-2675eb: the graphics card 0000:01:00.0 leaves nouveau for vfio-pci: the host's console goes dark, and stays dark until that is undone
                /proc/iomem: BOOTFB is inside 00000000-00000000 of 0000:01:00.0
                /sys/bus/pci/devices/0000:01:00.0/driver is nouveau
                /etc/udev/rules.d/70-x.rules:1 gives 0000:01:00.0 to vfio-pci
        "#]],
    );
    harmless(&tree, by_address(2));
    tree.remove("/proc/iomem");
    for (bus, status) in [(1, "connected\n"), (2, "disconnected\n")] {
        let connector = format!("/sys/devices/pci0000:00/0000:{bus:02x}:00.0/drm/card{bus}-DP-1");
        tree.write(format!("{connector}/status"), status);
        tree.link(format!("/sys/class/drm/card{bus}-DP-1"), format!("../..{}", &connector["/sys".len()..]));
    }
    check(
        &tree,
        by_address(1),
        expect![[r#"
            refuse console-gpu-2675eb: the graphics card 0000:01:00.0 leaves nouveau for vfio-pci: the host's console goes dark, and stays dark until that is undone
                /sys/class/drm/card1-DP-1/status is connected, and nothing is connected to any other card
                /sys/bus/pci/devices/0000:01:00.0/driver is nouveau
                /etc/udev/rules.d/70-x.rules:1 gives 0000:01:00.0 to vfio-pci
        "#]],
    );
    harmless(&tree, by_address(2));
}

#[test]
fn a_card_beside_a_serial_console_is_only_warned_of() {
    let tree = host();
    with_igpu(&tree);
    tree.write("/sys/class/tty/console/active", "ttyS0\n");
    check(
        &tree,
        json!([{ "type": "vfio_pci_ids", "ids": ["8086:3e92"] }]),
        expect![[r#"
            warn console-gpu-4835b3: the graphics card 0000:00:02.0 leaves i915 for vfio-pci: the host's console goes dark, and stays dark until that is undone
                /sys/bus/pci/devices/0000:00:02.0/boot_vga is 1
                no other display controller (class 03) keeps a driver of the host
                /sys/class/tty/console/active is ttyS0: the console is a serial line
                /sys/bus/pci/devices/0000:00:02.0/driver is i915
                /etc/modprobe.d/zz-hoststate.conf:1 gives 8086:3e92 to vfio-pci
        "#]],
    );
}

#[test]
fn a_blacklisted_driver_of_the_console_is_warned_of_where_it_is_a_module() {
    let tree = host();
    with_igpu(&tree);
    let blacklist = json!([{ "type": "modprobe_blacklist", "module": "i915" }]);
    harmless(&tree, blacklist.clone());
    tree.link("/sys/bus/pci/drivers/i915/module", "../../../../module/i915");
    tree.write("/sys/module/i915/initstate", "live\n");
    check(
        &tree,
        blacklist,
        expect![[r#"
            warn console-gpu-c3d7f0: the graphics card 0000:00:02.0 loses its driver i915: the console keeps the firmware's picture, if there is one
                /sys/bus/pci/devices/0000:00:02.0/boot_vga is 1
                no other display controller (class 03) keeps a driver of the host
                /sys/bus/pci/devices/0000:00:02.0/driver is i915
                /etc/modprobe.d/zz-hoststate.conf:1 blacklists i915
        "#]],
    );
    harmless(&tree, json!([{ "type": "modprobe_blacklist", "module": "nouveau" }]));
}

#[test]
fn a_card_that_is_claimed_already_is_no_news() {
    let tree = host();
    with_igpu(&tree);
    tree.write("/etc/modprobe.d/vfio.conf", "options vfio-pci ids=8086:3e92\n");
    check(
        &tree,
        json!([{ "type": "vfio_pci_ids", "ids": ["8086:3e92", "10de:0ffc"] }]),
        expect![[r#"
            warn id-of-no-device-bdd20c: no device of this host has the id 10de:0ffc
                /sys/bus/pci/devices has no device with it
        "#]],
    );
}

#[test]
fn an_id_that_was_without_effect_gets_it_by_a_softdep() {
    let tree = host();
    with_igpu(&tree);
    tree.write("/etc/modprobe.d/vfio.conf", "options vfio-pci ids=8086:3e92\n");
    check(
        &tree,
        json!([{ "type": "modprobe_softdep", "module": "i915", "pre": ["vfio-pci"] }]),
        expect![[r#"
            refuse console-gpu-1bcd47: the graphics card 0000:00:02.0 leaves i915 for vfio-pci: the host's console goes dark, and stays dark until that is undone
                /sys/bus/pci/devices/0000:00:02.0/boot_vga is 1
                no other display controller (class 03) keeps a driver of the host
                /sys/bus/pci/devices/0000:00:02.0/driver is i915
                /etc/modprobe.d/vfio.conf:1 gives 8086:3e92 to vfio-pci
                /etc/modprobe.d/01-hoststate.conf makes vfio-pci load sooner: "softdep i915 pre: vfio-pci"
        "#]],
    );
    check(
        &tree,
        json!([{ "type": "initramfs_modules", "modules": ["vfio_pci"] }]),
        expect![[r#"
            refuse console-gpu-1bcd47: the graphics card 0000:00:02.0 leaves i915 for vfio-pci: the host's console goes dark, and stays dark until that is undone
                /sys/bus/pci/devices/0000:00:02.0/boot_vga is 1
                no other display controller (class 03) keeps a driver of the host
                /sys/bus/pci/devices/0000:00:02.0/driver is i915
                /etc/modprobe.d/vfio.conf:1 gives 8086:3e92 to vfio-pci
                /etc/initramfs-tools/modules makes vfio-pci load sooner: "vfio_pci"
        "#]],
    );
    harmless(&tree, json!([{ "type": "modprobe_softdep", "module": "i915", "pre": ["drm"] }]));
}

#[test]
fn an_id_that_two_cards_share_is_refused_unless_each_card_is_named() {
    let tree = host();
    with_igpu(&tree);
    with_gpu(&tree, 1, 1);
    with_gpu(&tree, 2, 2);
    let ids = json!({ "type": "vfio_pci_ids", "ids": ["10de:0ffc", "10de:0e1b"] });
    check(
        &tree,
        json!([ids]),
        expect![[r#"
            refuse shared-ids-b5d72e: 10de:0e1b is the id of 2 devices, and all of them leave their drivers: 0000:01:00.1, 0000:02:00.1. Use driver_binding for one
                /sys/bus/pci/devices/0000:01:00.1/modalias is pci:v000010DEd00000E1Bsv00001AF4sd00001100bc04sc03i00 (snd_hda_intel)
                /sys/bus/pci/devices/0000:02:00.1/modalias is pci:v000010DEd00000E1Bsv00001AF4sd00001100bc04sc03i00 (snd_hda_intel)
                /etc/modprobe.d/zz-hoststate.conf:1 gives 10de:0e1b to vfio-pci
            refuse shared-ids-364cf3: 10de:0ffc is the id of 2 devices, and all of them leave their drivers: 0000:01:00.0, 0000:02:00.0. Use driver_binding for one
                /sys/bus/pci/devices/0000:01:00.0/modalias is pci:v000010DEd00000FFCsv00001AF4sd00001100bc03sc00i00 (nouveau)
                /sys/bus/pci/devices/0000:02:00.0/modalias is pci:v000010DEd00000FFCsv00001AF4sd00001100bc03sc00i00 (nouveau)
                /etc/modprobe.d/zz-hoststate.conf:1 gives 10de:0ffc to vfio-pci
        "#]],
    );
    let text = "KERNEL==\"0000:0[12]:00.*\", ATTR{driver_override}=\"vfio-pci\"\n";
    harmless(&tree, json!([ids, { "type": "write", "file": ["/etc/udev/rules.d/70-x.rules", text] }]));
    let text = "KERNEL==\"0000:02:00.0\", ATTR{driver_override}=\"nouveau\"\n\
                KERNEL==\"0000:02:00.1\", ATTR{driver_override}=\"snd_hda_intel\"\n";
    harmless(&tree, json!([ids, { "type": "write", "file": ["/etc/udev/rules.d/70-x.rules", text] }]));
}

#[test]
fn virtual_functions_of_one_card_share_their_id_by_nature() {
    let tree = host();
    SysfsDevice::igb("0000:3b:00.0").write(&tree);
    for index in 0..2 {
        let address = format!("0000:3b:10.{index}");
        SysfsDevice::new(&address, 0x8086, 0x10ca, 0x02_0000).group(20 + index).write(&tree);
        tree.link(format!("/sys/devices/pci0000:00/{address}/physfn"), "../0000:3b:00.0");
    }
    harmless(&tree, json!([{ "type": "vfio_pci_ids", "ids": ["8086:10ca"] }]));
}

#[test]
fn a_group_is_given_whole_or_not_at_all() {
    let tree = host();
    with_igpu(&tree);
    with_gpu(&tree, 1, 1);
    SysfsDevice::new("0000:00:01.0", 0x8086, 0x1901, 0x06_0400).driver("pcieport").group(1).write(&tree);
    check(
        &tree,
        json!([{ "type": "vfio_pci_ids", "ids": ["10de:0ffc"] }]),
        expect![[r#"
            refuse half-group-b9e46c: 0000:01:00.0 leaves nouveau for vfio-pci, and 0000:01:00.1 (snd_hda_intel) stays with the host: they are in IOMMU group 1, and a guest gets all of a group or nothing
                /sys/kernel/iommu_groups/1/devices has 0000:01:00.1, and /sys/bus/pci/devices/0000:01:00.1/driver is snd_hda_intel
                /sys/bus/pci/devices/0000:01:00.0/driver is nouveau
                /etc/modprobe.d/zz-hoststate.conf:1 gives 10de:0ffc to vfio-pci
        "#]],
    );
    harmless(&tree, json!([{ "type": "vfio_pci_ids", "ids": ["10de:0ffc", "10de:0e1b"] }]));
}

#[test]
fn an_id_changes_with_the_hazard_and_not_with_the_way_to_it() {
    let by_id = json!([{ "type": "vfio_pci_ids", "ids": ["8086:3e92"] }]);
    let by_address = json!([{ "type": "driver_binding", "device": "0000:00:02.0", "driver": "vfio-pci" }]);
    let tree = host();
    with_igpu(&tree);
    with_gpu(&tree, 1, 1);
    let id = |playbook| plan(&tree, playbook, &[]).guards[0].id.clone();
    let accepted = id(&by_id);
    assert_eq!(id(&by_address), accepted);
    SysfsDevice::new("0000:00:02.0", 0x8086, 0x3e92, 0x03_0000)
        .driver("xe")
        .group(0)
        .boot_vga(true)
        .write(&tree);
    let other = plan(&tree, &by_address, std::slice::from_ref(&accepted));
    assert!(other.guards[0].id != accepted && other.refusals().next().is_some(), "another driver leaves now");
}
