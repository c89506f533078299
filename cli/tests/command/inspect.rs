//! What is there now, on the captured hosts.

#![expect(clippy::disallowed_methods, reason = "links are made here, below a temporary directory")]

use expect_test::{Expect, expect};

use crate::declarations::SOFTDEP;
use crate::support::Tree;

fn check(words: &str, expected: Expect) {
    let tree = Tree::with("");
    let hosts = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/hosts");
    expected.assert_eq(&tree.run(&format!("{words} --capture {hosts}/ubuntu-24.04.host")).to_string());
}

#[test]
fn words_of_the_command_line_stand_once_with_who_has_them_and_where_they_come_from() {
    check(
        "inspect cmdline",
        expect![[r#"
            ubuntu 24.04, Linux 6.8.0-45-generic, grub2 (BOOT_IMAGE= in /proc/cmdline; /boot/grub/grub.cfg is there), initramfs-tools, EFI, no hypervisor

            Kernel command line
            PARAMETER                                       RUNNING  A  B  LATER  FROM
            root=UUID=b3f1c9d2-5a77-4e08-9c41-2d6e8f90a1b7  *        *  *  -      the entry
            ro                                              *        *  *  -      the entry
            quiet                                           *        *  -  *      /etc/default/grub:7
            splash                                          *        *  -  *      /etc/default/grub:7
            ${vt_handoff}                                   ?        *  -  -      the boot loader: vt.handoff=7 or nothing
            recovery                                        -        -  *  -      the entry
            nomodeset                                       -        -  *  -      the entry
            dis_ucode_ldr                                   -        -  *  -      the entry
            vt.handoff=7                                    *        -  -  -      ${vt_handoff}

            RUNNING  6.8.0-45-generic, as Ubuntu in A
            A        Ubuntu (6.8.0-45-generic) [next boot], /boot/grub/grub.cfg:49
                     Ubuntu, with Linux 6.8.0-45-generic, /boot/grub/grub.cfg:62
                     Ubuntu, with Linux 6.8.0-41-generic, /boot/grub/grub.cfg:87
            B        Ubuntu, with Linux 6.8.0-45-generic (recovery mode) [recovery], /boot/grub/grub.cfg:74
                     Ubuntu, with Linux 6.8.0-41-generic (recovery mode) [recovery], /boot/grub/grub.cfg:99
            LATER    kernels installed later
            NEXT     Ubuntu: default=0 in /boot/grub/grub.cfg:10
            exit 0
        "#]],
    );
}

#[test]
fn a_word_that_nothing_configured_and_an_entry_that_is_gone_are_told() {
    let tree = Tree::with("");
    tree.write(
        "root/boot/grub/grub.cfg",
        "### BEGIN /etc/grub.d/10_linux ###\nload_env\nset default=\"${saved_entry}\"\nmenuentry 'New' --id new {\n linux /vmlinuz-2 ro $quick\n}\n\
         menuentry 'Old' --id old {\n linux /vmlinuz-1 ro quiet\n}\n",
    );
    let block = format!("{:#<1024}", "# GRUB Environment Block\nsaved_entry=old\n");
    tree.write("root/boot/grub/grubenv", &block);
    tree.write("root/proc/cmdline", "BOOT_IMAGE=/vmlinuz-0 ro nomodeset\n");
    tree.write("root/proc/sys/kernel/osrelease", "0\n");
    expect![[r#"
        ubuntu 24.04, Linux 0, grub2 (BOOT_IMAGE= in /proc/cmdline; /boot/grub/grub.cfg is there), initramfs-tools

        Kernel command line
        PARAMETER  RUNNING  A  B  LATER  FROM
        ro         *        *  *  -      the entry
        ${quick}   ?        *  -  -      unknown: no file of the boot loader sets it
        quiet      -        -  *  -      the entry
        nomodeset  *        -  -  -      no entry: only /proc/cmdline

        RUNNING  0, which has no boot entry
        A        New (2), /boot/grub/grub.cfg:5
        B        Old (1) [next boot], /boot/grub/grub.cfg:8
        LATER    kernels installed later
        NEXT     Old: saved_entry=old in /boot/grub/grubenv
        exit 0
    "#]]
    .assert_eq(&tree.run("inspect cmdline --root root").to_string());
}

#[test]
fn a_chain_leads_from_the_firmware_to_the_holder() {
    check(
        "why vendor=10de,class=display",
        expect![[r#"
            0000:01:00.0 (display 10de:0ffc): on nouveau
            ok       firmware: the IOMMU is on
                       /sys/class/iommu: dmar0 dmar1
                       /sys/kernel/iommu_groups: 12 groups
            -        command line: nothing about IOMMU or drivers
                       /proc/cmdline: nothing about IOMMU or drivers
                       /boot/grub/grub.cfg:49 ("Ubuntu"): nothing about IOMMU or drivers
            -        IOMMU group: it shares group 1
                       /sys/kernel/iommu_groups/1/devices/0000:00:01.0: pcieport
                       /sys/kernel/iommu_groups/1/devices/0000:01:00.0: nouveau
                       /sys/kernel/iommu_groups/1/devices/0000:01:00.1: snd_hda_intel
            -        modules: nouveau, nvidiafb claim it
                       nouveau is a module of 6.8.0-45-generic
                       nvidiafb is a module of 6.8.0-45-generic
            -        bound by: whichever module claims it by its ids
            ok       next boot: nouveau takes it by udev in the initramfs image
                       nouveau claims its ids
            -        driver now: nouveau
                       /sys/bus/pci/devices/0000:01:00.0/driver -> ../../../../bus/pci/drivers/nouveau
                       /sys/bus/pci/devices/0000:01:00.0/driver_override: (null)
            -        held by: it is in use
                       /sys/bus/pci/devices/0000:01:00.0/drm/card0

            0000:01:00.0 is on nouveau, and nothing on this host wants another driver for it.
            exit 0
        "#]],
    );
}

#[test]
fn a_chain_for_what_is_no_device_says_what_one_is() {
    check(
        "why 0a:00.0",
        expect![[r#"
            error: there is no PCI device at 0000:0a:00.0; nearest: 0000:03:00.0 8086:15f3 network igc enp3s0, 0000:02:00.0 144d:a80a nvme nvme, 0000:01:00.1 10de:0e1b audio snd_hda_intel
            hint: `hoststate inspect devices` lists the devices of this host.
            exit 1
        "#]],
    );
    check(
        "why a=b,c",
        expect![[r#"
            error: "a=b,c" is not a device
            hint: Give an address (01:00.0), ids (10de:0ffc), traits (vendor=10de,class=display), or an interface (ens1f0).
            exit 1
        "#]],
    );
}

#[test]
fn a_chain_of_every_device_of_every_captured_host_can_be_read() {
    let tree = Tree::with("");
    let mut count = 0;
    for host in ["centos-6", "centos-7", "centos-stream-9", "ubuntu-22.04", "ubuntu-24.04"] {
        let root = format!("{}/../examples/hosts/{host}.host", env!("CARGO_MANIFEST_DIR"));
        let answer = tree.run(&format!("inspect devices --format json --capture {root}"));
        let devices: serde_json::Value = serde_json::from_str(&answer.stdout).expect("JSON");
        for device in devices["devices"].as_array().expect("devices") {
            let address = device["address"].as_str().expect("an address");
            let answer = tree.run(&format!("why {address} --format json --capture {root}"));
            let chain: serde_json::Value = serde_json::from_str(&answer.stdout).expect("JSON");
            assert_eq!(
                (answer.status, &chain["format"]),
                (Some(0), &"hoststate.why/2".into()),
                "{address} of {host}: {answer}"
            );
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
}

#[test]
fn a_chain_ends_with_the_process_that_has_the_device_open() {
    let tree = Tree::with("");
    let device = "root/sys/bus/pci/devices/0000:01:00.0";
    for (name, value) in [
        ("vendor", "0x10de"),
        ("device", "0x0ffc"),
        ("subsystem_vendor", "0x0000"),
        ("subsystem_device", "0x0000"),
        ("class", "0x030000"),
        ("modalias", "pci:v000010DEd00000FFC"),
        ("driver_override", "vfio-pci"),
        ("vfio-dev/vfio3/dev", "511:3"),
    ] {
        tree.write(&format!("{device}/{name}"), &format!("{value}\n"));
    }
    tree.write("root/sys/kernel/iommu_groups/7/type", "DMA\n");
    let link = |target: &str, link: &str| {
        let path = tree.path(link);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("directories");
        std::os::unix::fs::symlink(target, path).expect("a link");
    };
    link("../../../../kernel/iommu_groups/7", &format!("{device}/iommu_group"));
    link("../../../../bus/pci/drivers/vfio-pci", &format!("{device}/driver"));
    link("/dev/vfio/devices/vfio3", "root/proc/4711/fd/12");
    link("/dev/vfio/7", "root/proc/812/fd/3");
    link("/dev/vfio/8", "root/proc/813/fd/3");
    tree.write("root/proc/4711/comm", "qemu-system-x86\n");
    tree.write("root/proc/812/comm", "cloud-hyperviso\n");
    expect![[r#"
        0000:01:00.0 (display 10de:0ffc): on vfio-pci, wanted on vfio-pci
        ok       firmware: the IOMMU is on
                   /sys/class/iommu: units not shown
                   /sys/kernel/iommu_groups: 1 groups
        ok       IOMMU group: group 7 can go to a guest
                   /sys/kernel/iommu_groups/7/devices/0000:01:00.0: vfio-pci
        unknown  wanted driver: no kernel is installed that could have vfio-pci
        -        bound by: whichever module claims it by its ids
        unknown  next boot: what takes it is not known: no kernel is known
        ok       driver now: vfio-pci
                   /sys/bus/pci/devices/0000:01:00.0/driver -> ../../../../bus/pci/drivers/vfio-pci
                   /sys/bus/pci/devices/0000:01:00.0/driver_override: vfio-pci
        -        held by: it is in use
                   /proc/4711/fd/12 -> /dev/vfio/devices/vfio3 (qemu-system-x86)
                   /proc/812/fd/3 -> /dev/vfio/7 (cloud-hyperviso)

        0000:01:00.0 is on vfio-pci, as wanted; whether it will be after a boot is not known: no kernel is known.
        exit 0
    "#]]
    .assert_eq(&tree.run("why 01:00.0 --root root").to_string());
}

#[test]
fn devices_without_an_iommu_are_told_so_and_the_boot_display_is_marked() {
    let tree = Tree::with(SOFTDEP);
    let modalias = "pci:v000010DEd00000FFCsv00001AF4sd00001100bc03sc00i00\n";
    tree.write("root/sys/bus/pci/devices/0000:01:00.0/modalias", modalias);
    tree.write("root/sys/bus/pci/devices/0000:01:00.0/boot_vga", "1\n");
    let shown = tree.run("inspect devices --root root").stdout;
    assert!(shown.contains("display (boot)") && shown.contains("The IOMMU is off"), "{shown}");
    assert!(!shown.contains("1af4:1100"), "{shown}");
    assert!(tree.run("inspect devices --root root -v").stdout.contains("1af4:1100"));
    for device in ["10de:0ffc", "01:00.0"] {
        assert_eq!(tree.run(&format!("why {device} --root root")).status, Some(0), "{device}");
    }
}
